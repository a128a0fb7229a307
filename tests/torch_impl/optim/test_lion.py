"""Lion moves weights as Keras's Lion does, to the bit."""

import numpy as np
import pytest
import torch
from covering import one_test
from optimizer_runs import (
    SHORT,
    TorchRun,
    greatest_difference,
    keras_alone,
    make_gradients,
    make_weights,
    run_steps,
)

from torch_impl.optim import Lion


class MomentumFirst(Lion):
    """The mistake that is easily made: the sign is taken of the slot that was just updated."""

    def _update(self, group, parameters, gradients):
        for parameter, gradient in zip(parameters, gradients, strict=True):
            slot = self._slot(parameter, "momentum").lerp_(gradient, 1 - group["betas"][1])
            parameter.sub_(slot.sign(), alpha=group["lr"])


def test_a_slot_that_is_updated_first_does_not_pass_this_test():
    theirs = keras_alone("Lion", changes_rate=False)
    wrong = TorchRun(MomentumFirst, make_weights("float64"), learning_rate=0.01)
    run_steps(wrong, make_gradients("float64", SHORT))
    assert greatest_difference(wrong, theirs) > 1e-3


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
