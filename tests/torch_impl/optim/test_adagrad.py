"""Adagrad moves weights as Keras's Adagrad does: its slot to the bit, weights up to rounding."""

import numpy as np
from optimizer_runs import TorchRun


def test_the_first_step_is_the_formula():
    """A = 0.25 + g^2; w -= lr * g / sqrt(A + 1e-7)."""
    gradients = np.array([1.0, -1e-4, 0.0, 10.0])
    run = TorchRun("Adagrad", [np.zeros(4)], initial_accumulator_value=0.25)
    run.step([gradients])
    expected = -0.001 * gradients / np.sqrt(0.25 + gradients**2 + 1e-7)
    np.testing.assert_allclose(run.weights()[0], expected, rtol=1e-14, atol=0)
