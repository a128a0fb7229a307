"""Lamb moves weights as Keras's Lamb does, up to rounding."""

import numpy as np
from optimizer_runs import (
    TorchRun,
)


def test_a_weight_of_zeros_moves_by_the_rate():
    run = TorchRun("Lamb", [np.zeros(2)], learning_rate=0.1, epsilon=0.0)
    run.step([np.array([2.0, -7.0])])
    np.testing.assert_allclose(run.weights()[0], [-0.1, 0.1], rtol=2e-5, atol=0)


def test_an_update_of_zeros_moves_nothing():
    run = TorchRun("Lamb", [np.array([3.0, 4.0])], learning_rate=0.1)
    run.step([np.zeros(2)])
    assert run.weights()[0].tolist() == [3.0, 4.0]
