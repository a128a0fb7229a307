"""A stair that falls later in the compiled `fit` is told from every other difference of rates."""

import numpy as np
import pytest

from parity.divergences.whole_training import late_stairs
from torch_impl.schedule import ExponentialDecay, InverseTimeDecay

STAIRS = {"initial_learning_rate": 0.1, "decay_steps": 41, "decay_rate": 0.5, "staircase": True}
KINDS = {"ExponentialDecay": ExponentialDecay, "InverseTimeDecay": InverseTimeDecay}


def rates(kind="ExponentialDecay", number=200, *, compiled, **config):
    """Those of Keras, bit for bit: tests/torch_impl/schedule compares them."""
    schedule = KINDS[kind](**{**STAIRS, **config})
    return np.array([schedule(step, compiled=compiled) for step in range(number)])


@pytest.mark.parametrize("kind", KINDS)
def test_the_stair_of_a_port_that_divides_is_earlier(kind):
    # 41 * (1 / 41) is below 1 in float32; so it is with 82 and 164, and not with 123.
    told = late_stairs(kind, STAIRS, rates(kind, compiled=True), rates(kind, compiled=False))
    assert told == (
        "after 41 steps, floor(41 / 41) is 1 and floor(41 * (1 / 41)) is 0 in float32; the rates "
        "differ at the 3 steps of this kind, and at no other"
    )


def test_a_training_that_is_short_has_one_such_step():
    both = (rates(number=50, compiled=compiled) for compiled in (True, False))
    assert "differ at the one step of this kind" in late_stairs("ExponentialDecay", STAIRS, *both)


def test_a_stair_in_float64_is_late_at_other_steps():
    # 49 * (1 / 49) is below 1 in float64.
    config = {**STAIRS, "decay_steps": 49}
    steps = np.arange(100)
    theirs, ours = (0.1 * 0.5 ** np.floor(n) for n in (steps * (1 / 49), steps / 49))
    assert "in float64" in late_stairs("ExponentialDecay", config, theirs, ours)


@pytest.mark.parametrize(
    "ours",
    [
        rates(compiled=True),
        rates(compiled=False, decay_steps=40),
        rates(compiled=False, decay_rate=0.6),
        rates(compiled=False) * np.where(np.arange(200) == 7, 1.5, 1.0),
        np.roll(rates(compiled=True), -1),
        np.full(200, 0.1),
    ],
    ids=["same", "other_steps", "other_rate", "another_step", "one_step_early", "constant"],
)
def test_rates_that_differ_otherwise_are_no_late_stair(ours):
    assert late_stairs("ExponentialDecay", STAIRS, rates(compiled=True), ours) is None


def test_without_stairs_nothing_is_late():
    config = {**STAIRS, "staircase": False}
    theirs, ours = (rates(compiled=c, staircase=False) for c in (True, False))
    assert late_stairs("ExponentialDecay", config, theirs, ours) is None
    assert late_stairs("None", {}, theirs, ours) is None
