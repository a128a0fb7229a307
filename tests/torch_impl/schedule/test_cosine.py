"""Rates along a cosine are Keras's to the bit, when called and in the steps of `fit`."""

import numpy as np
import pytest
from covering import one_test
from schedule_rates import keras_rates, our_rates

from torch_impl import schedule

STEPS = (*range(70), *range(70, 200, 6), 199, 200)
CASES = {
    "plain": ("CosineDecay", {"decay_steps": 120}),
    "alpha": ("CosineDecay", {"decay_steps": 77, "alpha": 0.3}),
    "warmup": (
        "CosineDecay",
        {"decay_steps": 100, "alpha": 0.1, "warmup_target": 0.7, "warmup_steps": 33},
    ),
    "warmup_down": ("CosineDecay", {"decay_steps": 9, "warmup_target": 0.01, "warmup_steps": 7}),
    "target_without_warmup": ("CosineDecay", {"decay_steps": 50, "warmup_target": 0.7}),
    "warmup_without_target": ("CosineDecay", {"decay_steps": 50, "warmup_steps": 10}),
    "restarts": ("CosineDecayRestarts", {"first_decay_steps": 10}),
    "restarts_alike": ("CosineDecayRestarts", {"first_decay_steps": 13, "t_mul": 1.0}),
    "restarts_lower": (
        "CosineDecayRestarts",
        {"first_decay_steps": 7, "t_mul": 1.5, "m_mul": 0.8, "alpha": 0.1},
    ),
    "restarts_sooner": (
        "CosineDecayRestarts",
        {"first_decay_steps": 150, "t_mul": 0.5, "m_mul": 0.9},
    ),
}


@one_test
@pytest.mark.parametrize("compiled", [False, True], ids=["called", "in_fit"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "arguments"), CASES.values(), ids=CASES)
def test_rates_are_those_of_keras_to_the_bit(name, arguments, dtype, compiled):
    arguments = {"initial_learning_rate": 0.123, "compiled": compiled, **arguments}
    ours = np.array(our_rates(name, STEPS, dtype, **arguments))
    np.testing.assert_array_equal(ours, keras_rates(name, STEPS, dtype, **arguments))


@one_test
@pytest.mark.parametrize("t_mul", [1.1, 1.5, 2.0, 3.0])
def test_a_step_at_a_restart_belongs_to_the_same_restart_as_in_keras(t_mul):
    """Two logarithms tell, and rounding can put the very step of a restart on either side of it."""
    for first in (1, 2, 5, 8, 20):
        starts = {round(first * (1 - t_mul**n) / (1 - t_mul)) for n in range(8)}
        steps = sorted({start + near for start in starts for near in (-1, 0, 1)} - {-1})[:20]
        arguments = {
            "initial_learning_rate": 1.0,
            "first_decay_steps": first,
            "t_mul": t_mul,
            "m_mul": 0.5,
        }
        ours = our_rates("CosineDecayRestarts", steps, "float32", **arguments)
        theirs = keras_rates("CosineDecayRestarts", steps, "float32", **arguments)
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-6, err_msg=str(first))


@one_test
@pytest.mark.parametrize("name", ["CosineDecay", "CosineDecayRestarts"])
def test_steps_of_none_are_an_error_that_shows_them(name):
    with pytest.raises(ValueError, match=r"decay_steps=0: expected a number greater than 0"):
        getattr(schedule, name)(0.1, 0)
