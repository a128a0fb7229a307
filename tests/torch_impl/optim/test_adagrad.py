"""Adagrad moves weights as Keras's Adagrad does: its slot to the bit, weights up to rounding."""

import numpy as np
import torch
from optimizer_runs import TorchRun, keras_alone, stock_difference


def test_torchs_own_agrees_without_epsilon_only():
    start = float(np.float32(0.1))  # as Keras rounds it
    stock = {"initial_accumulator_value": start}
    theirs = keras_alone("Adagrad", epsilon=1e-300)
    assert stock_difference(torch.optim.Adagrad, theirs, eps=1e-300, **stock) < 1e-13
    unrounded = {"initial_accumulator_value": 0.1}
    assert stock_difference(torch.optim.Adagrad, theirs, eps=1e-300, **unrounded) > 1e-12
    usual = keras_alone("Adagrad")
    # Of a slot of 0.1 and more, an epsilon of 1e-7 is not much.
    assert stock_difference(torch.optim.Adagrad, usual, eps=1e-7, **stock) > 1e-10


def test_the_first_step_is_the_formula():
    """A = 0.25 + g^2; w -= lr * g / sqrt(A + 1e-7)."""
    gradients = np.array([1.0, -1e-4, 0.0, 10.0])
    run = TorchRun("Adagrad", [np.zeros(4)], initial_accumulator_value=0.25)
    run.step([gradients])
    expected = -0.001 * gradients / np.sqrt(0.25 + gradients**2 + 1e-7)
    np.testing.assert_allclose(run.weights()[0], expected, rtol=1e-14, atol=0)
