"""What a result tells of anchors and of the free runs."""

import pytest
from ladder_runs import levels_of
from traces import anchored_parts, whole_parts

from parity.ladder.drift import told_anchors, told_drift


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


def test_a_run_without_anchors_tells_none(traces):
    assert told(*traces(lambda parts: None, whole_parts)) is None


def test_runs_part_at_the_first_step_with_more_than_a_hundred_units(traces):
    # The largest weight is 2: a unit of float32 there is 2 ** -23 of it.
    unit = 2 * 2.0**-23

    def change(parts):
        parts.arrays["trajectory/2/conv1.kernel"][0, 0] += 90 * unit
        parts.arrays["trajectory/4/conv1.kernel"][0, 0] += 110 * unit

    told = told_drift(*traces(change))
    assert told["steps"] == [0, 1, 2, 4, 5, 6]
    assert told["difference"][2:4] == [pytest.approx(90 * unit), pytest.approx(110 * unit)]
    assert told["parted"] == 4


def test_runs_that_stay_together_never_part(traces):
    assert told_drift(*traces(lambda parts: None))["parted"] is None
