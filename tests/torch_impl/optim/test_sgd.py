"""SGD moves weights as Keras's SGD does, to the bit."""

import numpy as np
import pytest
import torch
from covering import one_test
from optimizer_runs import TorchRun

from torch_impl.optim import SGD


# 0.875 is a number of float32, to which Keras rounds it.
def test_steps_made_before_a_change_of_the_rate_go_on_at_the_old_one():
    """m = -0.5 after the first step at rate 0.5; then -0.25 - 0.125 at rate 0.125."""
    run = TorchRun("SGD", [np.array([2.0])], learning_rate=0.5, momentum=0.5)
    run.step([np.array([1.0])])
    run.set_rate(0.125)
    run.step([np.array([1.0])])
    assert run.weights()[0][0] == 2 - 0.5 - 0.375
    assert run.slots()[0]["momentum"][0] == -0.375


@one_test
@pytest.mark.parametrize("momentum", [-0.1, 1.5, float("nan")])
def test_a_momentum_outside_of_the_unit_interval_is_an_error_that_shows_it(momentum):
    with pytest.raises(ValueError, match=rf"momentum={momentum!r}: expected a number in \[0, 1\]"):
        SGD([torch.nn.Parameter(torch.ones(1))], momentum=momentum)
