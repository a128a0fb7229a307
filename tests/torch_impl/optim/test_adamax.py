"""Adamax moves weights as Keras's Adamax does, to the bit."""

import numpy as np
import pytest
import torch
from optimizer_runs import TorchRun, keras_alone, stock_difference


def test_torchs_own_agrees_without_epsilon_and_with_a_beta_that_float32_has_only():
    betas = {"beta_1": 0.875, "beta_2": 0.99}
    theirs = keras_alone("Adamax", epsilon=1e-300, **betas)
    stock = {"betas": (0.875, 0.99)}
    assert stock_difference(torch.optim.Adamax, theirs, eps=1e-300, **stock) < 1e-13
    usual = keras_alone("Adamax", **betas)
    assert stock_difference(torch.optim.Adamax, usual, eps=1e-7, **stock) > 1e-9
    rounded = keras_alone("Adamax", epsilon=1e-300, beta_2=0.99)
    assert stock_difference(torch.optim.Adamax, rounded, eps=1e-300, betas=(0.9, 0.99)) > 1e-10


def test_the_first_step_is_the_rate_but_for_epsilon():
    """b1 = 0.5: m = g / 2, u = |g|, w -= lr * m / (0.5 * (u + 1e-7))."""
    gradients = np.array([1.0, -1e-4, 1e-7, 0.0, 10.0])
    run = TorchRun("Adamax", [np.zeros(5)], beta_1=0.5)
    run.step([gradients])
    expected = -0.001 * gradients / (np.abs(gradients) + 1e-7)
    np.testing.assert_allclose(run.weights()[0], expected, rtol=1e-14, atol=0)
    assert run.weights()[0][2] == pytest.approx(-0.0005)
