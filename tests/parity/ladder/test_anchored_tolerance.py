"""How far a port may be from the reference after steps from an anchor, by hand."""

import numpy as np
import pytest
from traces import ANCHORS, KERNEL, anchored_parts

from parity.ladder.anchored_tolerance import (
    CONSTANTS_FACTOR,
    KERAS_CONSTANTS,
    RELATIVE,
    AnchoredTolerance,
)

MOMENTUM = f"slots/2/momentum/{KERNEL}"
MOVED = f"moved/2/{KERNEL}"


@pytest.fixture
def tolerance_of(tmp_path):
    """The tolerance of a run in which a change was made."""

    def make(change=lambda parts: None):
        parts = anchored_parts()
        change(parts)
        trace = parts.write(tmp_path / "keras")
        return AnchoredTolerance(trace, trace)

    return make


def noise_of(*values, key=MOMENTUM, measured=ANCHORS):
    def change(parts):
        parts.arrays[f"anchor_noise/{key}"] = np.array(values)
        parts.facts["anchors_measured"] = list(measured)

    return change


def test_without_much_noise_a_billionth_of_the_largest_value_is_allowed(tolerance_of):
    assert tolerance_of().allowed(1, MOMENTUM) == RELATIVE == 1e-9


BEFORE_AND_BEHIND = {
    "rising": ([1e-8, 2e-8, 3e-8, 4e-8], [1e-8, 2e-8, 2e-8, 3e-8, 3e-8, 4e-8, 4e-8]),
    "falling": ([4e-8, 3e-8, 2e-8, 1e-8], [4e-8, 4e-8, 4e-8, 3e-8, 3e-8, 2e-8, 1e-8]),
}


@pytest.mark.parametrize(("noise", "expected"), BEFORE_AND_BEHIND.values(), ids=BEFORE_AND_BEHIND)
def test_the_noise_of_anchors_further_away_does_not_count(tolerance_of, noise, expected):
    tolerance = tolerance_of(noise_of(*noise, measured=(0, 3, 6, 9)))
    found = [tolerance.allowed(step, MOMENTUM) / 30 for step in (0, 1, 3, 4, 6, 9, 10)]
    assert found == pytest.approx(expected)


def test_what_a_measured_anchor_lacks_is_taken_from_the_other(tolerance_of):
    tolerance = tolerance_of(noise_of(np.nan, 4e-8, measured=(0, 3)))
    assert tolerance.allowed(1, MOMENTUM) == pytest.approx(30 * 4e-8)


# What float32 constants, such as Adam's, change at the three measured states.
CONSTANTS = np.array([1e-5, 2e-5, 4e-5])


@pytest.fixture
def with_constants(tmp_path):
    """The tolerance for a port whose momentum is so far from Keras's at each state."""

    def make(*apart, constants=CONSTANTS):
        keras, torch = anchored_parts(), anchored_parts()
        keras.arrays[f"anchor_constants/{MOMENTUM}"] = np.array(constants)
        for step, by in zip(ANCHORS, apart, strict=True):
            torch.arrays[f"anchored/{step}/{MOMENTUM}"] *= 1 + by
        return AnchoredTolerance(keras.write(tmp_path / "keras"), torch.write(tmp_path / "torch"))

    return make


def test_a_port_with_other_constants_may_differ_by_ten_times_what_they_change(with_constants):
    tolerance = with_constants(1e-5, 2e-5, 4e-5)
    # Of the last measured state before a step and the next one the larger.
    found = [tolerance.allowed(step, MOMENTUM) for step in (0, 1, 2, 3)]
    assert CONSTANTS_FACTOR == 10
    assert found == pytest.approx([1e-4, 2e-4, 4e-4, 4e-4])


def test_a_port_with_the_constants_of_keras_is_held_to_them(with_constants):
    tolerance = with_constants(0.9e-6, 1.9e-6, 4e-5)
    assert tolerance.allowed(3, MOMENTUM) == KERAS_CONSTANTS == 1e-6
    # Each of the first two states shows whether it has them.
    for apart in ((1.1e-6, 0, 0), (0, 2.1e-6, 0)):
        assert with_constants(*apart).allowed(3, MOMENTUM) == pytest.approx(4e-4)


@pytest.mark.parametrize(("constants", "allowed"), [(1e-8, 1e-6), (1e-10, RELATIVE)])
def test_constants_that_matter_may_show_where_they_were_not_measured(
    with_constants, constants, allowed
):
    tolerance = with_constants(0, 0, 0, constants=[constants] * 3)
    assert tolerance.allowed(1, MOMENTUM) == allowed


def test_weights_that_hardly_move_are_off_by_their_own_roundings(tolerance_of):
    def slow(parts):
        parts.arrays[f"anchored/1/{MOVED}"] *= 4e-10
        parts.arrays[f"anchored/1/size/{KERNEL}"] = np.array(3.0)

    tolerance = tolerance_of(slow)
    # The largest value of the array is 0.25, times 4e-10; eight roundings of a weight of 3.
    assert tolerance.allowed(1, MOVED) == pytest.approx(8 * 2**-52 * 3.0 / 1e-10)
    assert tolerance.allowed(0, MOVED) == RELATIVE


def test_weights_that_do_not_move_at_all_are_off_by_roundings_of_their_size(tolerance_of):
    def frozen(parts):
        parts.arrays[f"anchored/1/{MOVED}"] *= 0
        parts.arrays[f"anchored/1/size/{KERNEL}"] = np.array(2.0**30)

    # Relative to 1, as a comparison with an array of zeros is.
    assert tolerance_of(frozen).allowed(1, MOVED) == pytest.approx(8 * 2**-52 * 2.0**30)


def test_each_number_of_the_history_has_its_own_noise(tolerance_of):
    tolerance = tolerance_of(noise_of(1e-8, 1e-8, 1e-8, key="running/accuracy"))
    assert tolerance.allowed(1, "running/accuracy") == pytest.approx(30e-8)
    assert tolerance.allowed(1, "running/loss") == RELATIVE


def test_a_number_whose_noise_was_not_measured_may_differ_by_a_billionth(tolerance_of):
    assert tolerance_of().allowed(1, "running/auc") == RELATIVE
