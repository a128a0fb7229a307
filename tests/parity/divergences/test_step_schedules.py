"""Other constants of a schedule are found from the port's rates; Keras's formulas by hand."""

import math

import numpy as np
import one_layer
import pytest

from parity.data.probe_inputs import SCHEDULE_STEPS

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
