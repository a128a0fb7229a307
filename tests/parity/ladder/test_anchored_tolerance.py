"""How far a port may be from the reference after steps from an anchor, by hand."""

import numpy as np
import pytest
from trace_changes import both, fact, put, scaled
from traces import ANCHORS, KERNEL

from parity.ladder.anchored_tolerance import (
    CONSTANTS_FACTOR,
    KERAS_CONSTANTS,
    RELATIVE,
    AnchoredTolerance,
)

MOMENTUM = f"slots/2/momentum/{KERNEL}"
MOVED = f"moved/2/{KERNEL}"


def noise_of(*values, key=MOMENTUM, measured=ANCHORS):
    noise = put({f"anchor_noise/{key}": values})
    return both(noise, fact(list(measured), "anchors_measured"))


def constants(*values):
    """What float32 constants, such as Adam's, change at the three measured states."""
    return put({f"anchor_constants/{MOMENTUM}": values})


def apart(*shares):
    """A port whose momentum is so far from Keras's at each state."""
    keys = [f"anchored/{step}/{MOMENTUM}" for step in ANCHORS]
    return both(*(scaled(key, 1 + by) for key, by in zip(keys, shares, strict=True)))


def of_size(times, size):
    """Keras's weight moves so many times as much, and is so large, at the second state."""
    return both(
        scaled(f"anchored/1/{MOVED}", times), put({f"anchored/1/size/{KERNEL}": float(size)})
    )


def larger(times):
    """Another weight of Keras has a momentum so many times as large, at the second state."""
    return put({f"anchored/1/{MOMENTUM}.other": [0.125 * times]})


RISING_CONSTANTS = constants(1e-5, 2e-5, 4e-5)
# What the port does otherwise, what Keras, and what is allowed of an array at some steps.
CASES = {
    "without much noise": (None, None, MOMENTUM, {1: RELATIVE}),
    # The noise of anchors further away does not count.
    "rising": (
        None, noise_of(1e-8, 2e-8, 3e-8, 4e-8, measured=(0, 3, 6, 9)), MOMENTUM,
        {0: 30e-8, 1: 60e-8, 3: 60e-8, 4: 90e-8, 6: 90e-8, 9: 120e-8, 10: 120e-8}),
    "falling": (
        None, noise_of(4e-8, 3e-8, 2e-8, 1e-8, measured=(0, 3, 6, 9)), MOMENTUM,
        {0: 120e-8, 1: 120e-8, 3: 120e-8, 4: 90e-8, 6: 90e-8, 9: 60e-8, 10: 30e-8}),
    # What a measured anchor lacks is taken from the other.
    "lacking": (None, noise_of(np.nan, 4e-8, measured=(0, 3)), MOMENTUM, {1: 120e-8}),
    # Ten times what constants change, of the last measured state before a step and the next one
    # the larger.
    "other constants": (apart(1e-5, 2e-5, 4e-5), RISING_CONSTANTS, MOMENTUM,
                        {0: 1e-4, 1: 2e-4, 2: 4e-4, 3: 4e-4}),
    # A port with the constants of Keras is held to them; each of the first two states shows it.
    "those of Keras": (apart(0.9e-6, 1.9e-6, 4e-5), RISING_CONSTANTS, MOMENTUM,
                       {3: KERAS_CONSTANTS}),
    "others at the first": (apart(1.1e-6, 0, 0), RISING_CONSTANTS, MOMENTUM, {3: 4e-4}),
    "others at the second": (apart(0, 2.1e-6, 0), RISING_CONSTANTS, MOMENTUM, {3: 4e-4}),
    # Those that matter may show where they were not measured.
    "that matter": (None, constants(*[1e-8] * 3), MOMENTUM, {1: 1e-6}),
    "that do not": (None, constants(*[1e-10] * 3), MOMENTUM, {1: RELATIVE}),
    # All arrays tell whether constants matter; an array may be smaller than those of other weights.
    "that matter elsewhere": (None, constants(*[1e-8] * 3), MOVED, {1: 1e-6}),
    "of a small weight": (
        None, both(constants(*[1e-8] * 3), larger(50)), MOMENTUM, {1: 50e-6, 0: 1e-6}),
    "of a tiny weight": (None, both(constants(*[1e-8] * 3), larger(1e5)), MOMENTUM, {1: 100e-6}),
    "near those of another weight": (
        None, put({f"anchor_constants/{MOMENTUM}.other": [1e-5] * 3}), MOMENTUM, {1: 1e-4}),
    # Weights that hardly move are off by their own roundings. The largest value of the array is
    # 0.25, times 4e-10; eight roundings of a weight of 3.
    "slow": (None, of_size(4e-10, 3), MOVED, {1: 8 * 2**-52 * 3.0 / 1e-10, 0: RELATIVE}),
    # Relative to 1, as a comparison with an array of zeros is.
    "frozen": (None, of_size(0, 2**30), MOVED, {1: 8 * 2**-52 * 2.0**30}),
    # Each number of the history has its own noise, or none.
    "accuracy": (None, noise_of(*[1e-8] * 3, key="running/accuracy"), "running/accuracy",
                 {1: 30e-8}),
    "loss": (None, noise_of(*[1e-8] * 3, key="running/accuracy"), "running/loss", {1: RELATIVE}),
    "not measured": (None, None, "running/auc", {1: RELATIVE}),
}  # fmt: skip


@pytest.mark.parametrize(("port", "keras", "key", "allowed"), CASES.values(), ids=CASES)
def test_what_is_allowed_at_a_step(anchored, port, keras, key, allowed):
    tolerance = AnchoredTolerance(*anchored(port, keras))
    assert {step: tolerance.allowed(step, key) for step in allowed} == pytest.approx(allowed)


def test_the_numbers_of_the_tolerance():
    assert (RELATIVE, KERAS_CONSTANTS, CONSTANTS_FACTOR) == (1e-9, 1e-6, 10)
