"""Nadam moves weights as Keras's Nadam does, up to rounding."""

import numpy as np
import pytest
from optimizer_runs import (
    TorchRun,
)


def test_the_first_step_is_the_formula():
    """In numbers that float32 has but for 0.96: b1 = 0.5, b2 = 0.75, g = 2, w = 0, rate 1.

    u(1) = 0.5 (1 - 0.48) = 0.26; u(2) = 0.5 (1 - 0.4608) = 0.2696; m = 1; v = 1; v / 0.25 = 4.
    """
    run = TorchRun("Nadam", [np.zeros(1)], learning_rate=1.0, beta_1=0.5, beta_2=0.75, epsilon=0.0)
    run.step([np.array([2.0])])
    expected = (0.2696 * 1 / (1 - 0.26 * 0.2696) + 0.74 * 2 / (1 - 0.26)) / 2
    assert run.weights()[0][0] == pytest.approx(-expected, rel=1e-7)
