"""Lion moves weights as Keras's Lion does, to the bit."""

import numpy as np
import pytest
import torch
from covering import one_test
from optimizer_runs import (
    TorchRun,
)

from torch_impl.optim import Lion


def test_every_step_is_the_rate_whatever_the_size_of_the_gradient():
    gradients = np.array([1.0, -1e-30, 1e30, 0.0])
    run = TorchRun("Lion", [np.zeros(4)], learning_rate=0.25)
    run.step([gradients])
    assert run.weights()[0].tolist() == [-0.25, 0.25, -0.25, 0.0]


@one_test
@pytest.mark.parametrize("beta_1", [0.0, -0.5, 1.1])
def test_a_beta_that_makes_it_sign_descent_is_an_error_that_shows_it(beta_1):
    with pytest.raises(ValueError, match=rf"beta_1={beta_1!r}: expected a number in \(0, 1\]"):
        Lion([torch.nn.Parameter(torch.ones(1))], beta_1=beta_1)
