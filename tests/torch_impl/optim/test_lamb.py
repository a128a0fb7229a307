"""Lamb moves weights as Keras's Lamb does, up to rounding."""

import numpy as np
from optimizer_runs import (
    SHORT,
    TorchRun,
    greatest_difference,
    keras_alone,
    make_gradients,
    make_weights,
    run_steps,
)

from torch_impl.optim import Lamb


class OneRatio(Lamb):
    """A mistake: the norms are those of all weights together."""

    def _update(self, group, parameters, gradients):
        before = [parameter.clone() for parameter in parameters]
        super()._update(group, parameters, gradients)
        steps = [b - p for b, p in zip(before, parameters, strict=True)]
        norms = [b.norm() for b in before]
        whole = sum(norm.square() for norm in norms).sqrt()
        for parameter, old, step, norm in zip(parameters, before, steps, norms, strict=True):
            parameter.copy_(old - step * whole / norm)


def test_norms_of_all_weights_together_do_not_pass_this_test():
    theirs = keras_alone("Lamb", changes_rate=False)
    wrong = TorchRun(OneRatio, make_weights("float64"), learning_rate=0.01)
    run_steps(wrong, make_gradients("float64", SHORT))
    assert greatest_difference(wrong, theirs) > 1e-3


def test_the_first_step_has_the_norm_of_the_weight_times_the_rate():
    """m / (1 - b1) = g and v / (1 - b2) = g * g, so that u is the sign of g."""
    run = TorchRun("Lamb", [np.array([3.0, 4.0])], learning_rate=0.1, epsilon=0.0)
    run.step([np.array([2.0, -7.0])])
    step = 0.1 * 5 / np.sqrt(2)
    # The powers are those of betas that were rounded to float32.
    np.testing.assert_allclose(run.weights()[0], [3 - step, 4 + step], rtol=1e-7, atol=0)


def test_a_weight_of_zeros_moves_by_the_rate():
    run = TorchRun("Lamb", [np.zeros(2)], learning_rate=0.1, epsilon=0.0)
    run.step([np.array([2.0, -7.0])])
    np.testing.assert_allclose(run.weights()[0], [-0.1, 0.1], rtol=2e-5, atol=0)


def test_an_update_of_zeros_moves_nothing():
    run = TorchRun("Lamb", [np.array([3.0, 4.0])], learning_rate=0.1)
    run.step([np.zeros(2)])
    assert run.weights()[0].tolist() == [3.0, 4.0]
