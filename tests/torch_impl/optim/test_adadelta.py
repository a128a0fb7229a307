"""Adadelta moves weights as Keras's Adadelta does, up to rounding."""

import numpy as np
from optimizer_runs import (
    TorchRun,
)


def test_the_first_step_is_the_formula():
    """A = 0.05 g^2; w -= lr * g * sqrt(1e-7) / sqrt(A + 1e-7)."""
    gradients = np.array([1.0, -1e-4, 0.0, 10.0])
    run = TorchRun("Adadelta", [np.zeros(4)], learning_rate=0.5)
    run.step([gradients])
    expected = -0.5 * gradients * np.sqrt(1e-7) / np.sqrt(0.05 * gradients**2 + 1e-7)
    np.testing.assert_allclose(run.weights()[0], expected, rtol=1e-13, atol=0)
