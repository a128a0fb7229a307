"""What a result tells of recorded states and of the free trainings."""

import pytest
from ladder_runs import levels_of
from traces import BIAS, KERNEL, anchored_parts, whole_parts

from parity.ladder.anchored_tolerance import anchors_record, drift_record, worst_of_anchors
from parity.ladder.items import PASS, Item, Level


@pytest.fixture
def traces(tmp_path):
    def make(change, parts=anchored_parts):
        keras, torch = parts(), parts()
        change(torch)
        return keras.write(tmp_path / "keras"), torch.write(tmp_path / "torch")

    return make


def told(keras, torch):
    levels = levels_of(keras, torch)
    return anchors_record(keras, levels["trajectory"])


def test_each_anchor_tells_the_array_that_is_nearest_to_its_limit_and_its_rounding(traces):
    def change(parts):
        # The largest value is 0.25.
        parts.arrays[f"anchored/1/moved/2/{KERNEL}"][0] += 1e-6
        parts.arrays["anchored/1/loss"][0] += 1e-9

    found = told(*traces(change))
    assert (found["num_steps"], found["num_trained"]) == (3, 6)
    assert found["steps"] == [0, 1, 3]
    assert found["difference"] == [0, pytest.approx(4e-6), 0]
    assert found["allowed"] == [1e-9] * 3
    assert found["rounding"] == pytest.approx([1, 1, 1])


def test_of_an_anchor_the_relative_difference_nearest_to_its_limit_is_the_worst():
    def rel(name, worst, step):
        return Item(name, worst, 10.0, "rel", 1, step=step)

    items = (rel("no step", 9.0, None), rel("a", 1.0, 0), rel("b", 3.0, 7), rel("c", 2.0, 0))
    assert [item.name for item in worst_of_anchors(Level("", PASS, "", items))] == ["c", "b"]


def test_a_run_without_anchors_tells_none(traces):
    assert told(*traces(lambda parts: None, whole_parts)) is None


def test_trainings_part_at_the_first_step_with_more_than_a_hundred_units(traces):
    # A unit of float32 is 2 ** -23 of the largest weight, which is 2 and grows by 1/64 a step.
    units = {step: (2 + step / 64) * 2.0**-23 for step in (2, 4, 5)}

    def change(parts):
        for step, number in ((2, 99.9), (4, 100.1), (5, 200)):
            parts.arrays[f"training/weights/{step}/{KERNEL}"][0, 0] += number * units[step]

    told = drift_record(*traces(change))
    assert told["steps"] == [0, 1, 2, 4, 5, 6]
    expected = [99.9 * units[2], 100.1 * units[4], 200 * units[5]]
    assert told["difference"] == pytest.approx([0, 0, *expected, 0], rel=1e-9)
    assert told["parted"] == 4


def test_a_training_in_float64_parts_earlier(traces):
    def change(parts):
        parts.arrays[f"training/weights/2/{KERNEL}"][0, 0] += 1e-12

    def parts_in_float64():
        return anchored_parts(dtype="float64")

    assert drift_record(*traces(change, parts_in_float64))["parted"] == 2
    assert drift_record(*traces(change))["parted"] is None


def test_free_trainings_are_compared_where_both_recorded_their_weights(traces):
    def change(parts):
        for name in (KERNEL, BIAS):
            weights = parts.arrays.pop(f"training/weights/5/{name}")
            parts.arrays[f"training/weights/3/{name}"] = weights

    assert drift_record(*traces(change))["steps"] == [0, 1, 2, 4, 6]


def test_a_training_that_diverges_in_one_half_only_parts_there(traces):
    def change(parts):
        parts.arrays[f"training/weights/4/{BIAS}"][0] = float("nan")

    told = drift_record(*traces(change))
    assert (told["parted"], told["difference"][3]) == (4, float("inf"))


def test_a_port_in_which_no_weight_has_a_place_has_no_drift(traces):
    def change(parts):
        for key in [key for key in parts.arrays if key.startswith("training/weights/")]:
            del parts.arrays[key]

    told = drift_record(*traces(change))
    assert told == {"steps": [], "difference": [], "parted": None}
