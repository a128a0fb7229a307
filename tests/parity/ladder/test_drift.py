"""What a result tells of anchors and of the free runs."""

import pytest
from ladder_runs import levels_of
from traces import anchored_parts, whole_parts

from parity.ladder.drift import told_anchors, told_drift, worst_of_anchors
from parity.ladder.items import PASS, UNITS, Item, Level


@pytest.fixture
def traces(tmp_path):
    def make(change, parts=anchored_parts):
        keras, torch = parts(), parts()
        change(torch)
        return keras.write(tmp_path / "keras"), torch.write(tmp_path / "torch")

    return make


def told(keras, torch):
    levels = levels_of(keras, torch)
    return told_anchors(keras, next(level for level in levels if level.id == "trajectory"))


def test_each_anchor_tells_the_array_that_is_nearest_to_its_limit_and_its_rounding(traces):
    def change(parts):
        # The largest value is 0.25.
        parts.arrays["anchored/1/moved/2/conv1.kernel"][0] += 1e-6
        parts.arrays["anchored/1/loss"][0] += 1e-9

    found = told(*traces(change))
    assert (found["num_steps"], found["num_trained"]) == (3, 6)
    assert found["steps"] == [0, 1, 3]
    assert found["difference"] == [0, pytest.approx(4e-6), 0]
    assert found["allowed"] == [1e-9] * 3
    assert found["rounding"] == pytest.approx([1, 1, 1])


@pytest.fixture
def level():
    """A level with an item of every unit, all of the same anchor."""
    items = [Item(unit, 1.0 + n, 10.0, unit, 1, step=4) for n, unit in enumerate(UNITS)]
    return Level("trajectory", PASS, "", tuple(items))


def test_roundings_are_told_apart_from_everything_else(traces, level):
    keras, _ = traces(lambda parts: None)
    told = told_anchors(keras, level)
    assert told["rounding"] == [1.0 + UNITS.index("roundings")]
    assert (told["steps"], told["difference"]) == ([4], [1.0 + UNITS.index("rel")])


def test_of_an_anchor_the_relative_difference_nearest_to_its_limit_is_the_worst():
    def rel(name, worst, step):
        return Item(name, worst, 10.0, "rel", 1, step=step)

    items = (rel("no step", 9.0, None), rel("a", 1.0, 0), rel("b", 3.0, 7), rel("c", 2.0, 0))
    assert [item.name for item in worst_of_anchors(Level("", PASS, "", items))] == ["c", "b"]


def test_a_run_without_anchors_tells_none(traces):
    assert told(*traces(lambda parts: None, whole_parts)) is None


def test_runs_part_at_the_first_step_with_more_than_a_hundred_units(traces):
    # The largest weight is 2: a unit of float32 there is 2 ** -23 of it.
    unit = 2 * 2.0**-23

    def change(parts):
        parts.arrays["trajectory/2/conv1.kernel"][0, 0] += 100 * unit
        parts.arrays["trajectory/4/conv1.kernel"][0, 0] += 100.5 * unit
        parts.arrays["trajectory/5/conv1.kernel"][0, 0] += 200 * unit

    told = told_drift(*traces(change))
    assert told["steps"] == [0, 1, 2, 4, 5, 6]
    assert told["difference"][2:5] == [100 * unit, 100.5 * unit, 200 * unit]
    assert told["parted"] == 4


def test_free_runs_are_compared_where_both_recorded_their_weights(traces):
    def change(parts):
        for name in ("conv1.kernel", "dense1.bias"):
            parts.arrays[f"trajectory/3/{name}"] = parts.arrays.pop(f"trajectory/5/{name}")

    assert told_drift(*traces(change))["steps"] == [0, 1, 2, 4, 6]


def test_runs_that_stay_together_never_part(traces):
    assert told_drift(*traces(lambda parts: None))["parted"] is None
