"""Other constants of a schedule are found from the port's rates; Keras's formulas by hand."""

import math

import numpy as np
import one_layer
import pytest

from parity.data.probe_inputs import SCHEDULE_STEPS
from parity.divergences.step_schedules import late_stairs
from torch_impl.schedule import ExponentialDecay, InverseTimeDecay

STEPS = np.array(SCHEDULE_STEPS, float)
EXPONENTIAL = {
    "initial_learning_rate": 0.1,
    "decay_steps": 20,
    "decay_rate": 0.9,
    "staircase": False,
}
COSINE = {"initial_learning_rate": 0.1, "decay_steps": 1000, "alpha": 0.0}


def exponential(steps=20.0, rate=0.9, staircase=False):
    share = STEPS / steps
    return 0.1 * rate ** (np.floor(share) if staircase else share)


def cosine(steps, alpha=0.0):
    share = np.minimum(STEPS, steps) / steps
    return 0.1 * ((1 - alpha) * 0.5 * (1 + np.cos(math.pi * share)) + alpha)


def found(kind, config, theirs, ours):
    keras, port = one_layer.facts([], [], {"schedule": {"kind": kind, "config": config}})
    port["scheduler_interval"] = "step"
    keras["schedule"]["callbacks"] = []
    arrays = [{"schedule/steps": rates} for rates in (theirs, ours)]
    return one_layer.names(
        one_layer.evidence(
            (keras, arrays[0]), (port, arrays[1]), "learning_rate", theirs, ours, "schedule"
        )
    )


def test_a_staircase_that_is_forgotten_is_named():
    told = found("ExponentialDecay", EXPONENTIAL, exponential(), exponential(staircase=True))
    assert told["G14"] == "the port's rate falls in steps"


@pytest.mark.parametrize(
    ("ours", "told"),
    [
        (exponential(steps=37), "decay_steps 20 in Keras, 37 in the port"),
        (exponential(rate=0.83), "decay_rate 0.9 in Keras, 0.83 in the port"),
    ],
)
def test_another_number_of_an_exponential_decay_is_found(ours, told):
    assert found("ExponentialDecay", EXPONENTIAL, exponential(), ours)["G15"] == told


def test_a_cosine_that_is_too_short_is_found():
    told = found("CosineDecay", COSINE, cosine(1000), cosine(900))
    assert told["G15"] == "decay_steps 1000 in Keras, 900 in the port"


def test_rates_of_one_factor_are_found_by_it():
    told = found("ExponentialDecay", EXPONENTIAL, exponential(), 0.3 * exponential())
    assert "0.03" in told["G15"]


def test_rates_of_no_such_formula_have_no_constant():
    ours = exponential() * (1 + 0.1 * np.sin(STEPS))
    told = found("ExponentialDecay", EXPONENTIAL, exponential(), ours)
    assert "G14" not in told
    assert "G15" not in told


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
