"""Adamax moves weights as Keras's Adamax does, to the bit."""

import numpy as np
import pytest
from optimizer_runs import TorchRun


def test_the_first_step_is_the_rate_but_for_epsilon():
    """b1 = 0.5: m = g / 2, u = |g|, w -= lr * m / (0.5 * (u + 1e-7))."""
    gradients = np.array([1.0, -1e-4, 1e-7, 0.0, 10.0])
    run = TorchRun("Adamax", [np.zeros(5)], beta_1=0.5)
    run.step([gradients])
    expected = -0.001 * gradients / (np.abs(gradients) + 1e-7)
    np.testing.assert_allclose(run.weights()[0], expected, rtol=1e-14, atol=0)
    assert run.weights()[0][2] == pytest.approx(-0.0005)
