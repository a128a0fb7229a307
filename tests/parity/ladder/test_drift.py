"""What a result tells of recorded states and of the free trainings."""

import pytest
from ladder_runs import INF, NAN, levels_of
from trace_changes import added, both, gone, put, set_to
from traces import BIAS, KERNEL, weights_after, whole_parts

from parity.ladder.anchored_tolerance import anchors_record, drift_record, worst_of_anchors
from parity.ladder.items import PASS, Item, Level


def told(keras, torch):
    return anchors_record(keras, levels_of(keras, torch)["trajectory"])


def test_each_anchor_tells_the_array_that_is_nearest_to_its_limit_and_its_rounding(anchored):
    # The largest value is 0.25. From step 1 on, the second step differs, which is step 3.
    change = both(added(f"anchored/1/moved/2/{KERNEL}", 1e-6, 0), added("anchored/1/loss", 2e-9, 0))
    assert told(*anchored(change)) == {
        "num_steps": 3,
        "num_trained": 6,
        "steps": [0, 1, 3],
        "difference": [0, 0, pytest.approx(4e-6)],
        "allowed": [1e-9] * 3,
        "rounding": pytest.approx([1, 1, 1]),
    }


def test_of_an_anchor_the_relative_difference_nearest_to_its_limit_is_the_worst():
    def rel(name, worst, step):
        return Item(name, worst, 10.0, "rel", 1, step=step)

    items = (rel("no step", 9.0, None), rel("a", 1.0, 0), rel("b", 3.0, 7), rel("c", 2.0, 0))
    assert [item.name for item in worst_of_anchors(Level("", PASS, "", items))] == ["c", "b"]


def test_a_run_without_anchors_tells_none(whole):
    assert told(*whole()) is None


# A unit of float32 is 2 ** -23 of the largest weight, which is 2 and grows by 1/64 a step.
UNITS = {step: (2 + step / 64) * 2.0**-23 for step in (2, 4, 5)}
APART = {2: 99.9 * UNITS[2], 4: 100.1 * UNITS[4], 5: 200 * UNITS[5]}
AT_2 = added(f"training/weights/2/{KERNEL}", 1e-12, (0, 0))
WEIGHTS = [key for key in whole_parts().arrays if key.startswith("training/weights/")]
# What is changed in the port, the dtype, and what is told.
DRIFTS = {
    "more than a hundred units": (
        both(*(added(f"training/weights/{step}/{KERNEL}", by, (0, 0))
               for step, by in APART.items())),
        "float32",
        {"steps": [0, 1, 2, 4, 5, 6], "parted": 4,
         "difference": pytest.approx([0, 0, *APART.values(), 0], rel=1e-9)}),
    "earlier in float64": (AT_2, "float64", {"parted": 2}),
    "not in float32": (AT_2, "float32", {"parted": None}),
    "where both recorded their weights": (
        both(*(gone(f"training/weights/5/{name}") for name in (KERNEL, BIAS)),
             put({f"training/weights/3/{name}": a for name, a in weights_after(5).items()})),
        "float32", {"steps": [0, 1, 2, 4, 6]}),
    "diverging in one half": (set_to(f"training/weights/4/{BIAS}", NAN, 0), "float32",
                              {"parted": 4, "difference": [0, 0, 0, INF, 0, 0]}),
    "no weight has a place": (gone(*WEIGHTS), "float32",
                              {"steps": [], "difference": [], "parted": None}),
}  # fmt: skip


@pytest.mark.parametrize(("change", "dtype", "expected"), DRIFTS.values(), ids=DRIFTS)
def test_trainings_part_at_the_first_step_that_is_too_far(anchored, change, dtype, expected):
    found = drift_record(*anchored(change, dtype=dtype))
    assert set(found) == {"steps", "difference", "parted"}
    assert {name: found[name] for name in expected} == expected
