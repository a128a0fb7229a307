"""Adam by torch's fused kernel: Keras's equations, and the same numbers as the loop beside it."""

import numpy as np
import pytest
import torch
from covering import one_test

from torch_impl.optim import Adam, AdamW

SHAPES = ((4, 3, 3, 3), (7, 4), (5,), ())


def gradients(num_steps, dtype):
    """Of each step; some entries are tiny."""
    draw = np.random.default_rng(0)
    sizes = [
        [10.0 ** draw.integers(-9, 2, s) * draw.normal(size=s) for s in SHAPES]
        for _ in range(num_steps)
    ]
    return [[np.asarray(gradient, dtype) for gradient in step] for step in sizes]


def weights(dtype):
    draw = np.random.default_rng(1)
    return [np.asarray(draw.normal(size=shape), dtype) for shape in SHAPES]


def assert_close(found, expected, rtol):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)


def test_a_gradient_in_another_order_is_not_mixed_up():
    one, other = (torch.nn.Parameter(torch.tensor(weights("float64")[0])) for _ in range(2))
    other.grad = torch.tensor(gradients(1, "float64")[0][0])
    one.grad = other.grad.contiguous(memory_format=torch.channels_last)
    Adam([one], 0.01, fused=True).step()
    Adam([other], 0.01).step()
    torch.testing.assert_close(one, other, rtol=1e-13, atol=1e-13)


def moved(make, steps, dtype="float64", layout=torch.contiguous_format):
    """The weights after the steps of an optimizer."""
    parameters = [torch.nn.Parameter(torch.tensor(value)) for value in weights(dtype)]
    for parameter in parameters:
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=layout)
    optimizer = make(parameters)
    for step in steps:
        for parameter, gradient in zip(parameters, step, strict=True):
            parameter.grad = torch.empty_like(parameter).copy_(torch.tensor(gradient))
        optimizer.step()
    return [parameter.detach().numpy() for parameter in parameters]


SETTINGS = {
    "plain": {},
    "amsgrad": {"amsgrad": True},
    "epsilon": {"epsilon": 1e-2, "beta_1": 0.5},
    "decay": {"weight_decay": 0.1},
    "clipped": {"global_clipnorm": 0.5},
}


@one_test
@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-13), ("float32", 2e-5)])
@pytest.mark.parametrize("name", SETTINGS)
def test_the_fused_step_is_that_of_the_loop(name, dtype, rtol):
    steps = gradients(60, dtype)
    found, expected = (
        moved(lambda p, f=fused: Adam(p, 0.01, fused=f, **SETTINGS[name]), steps, dtype)
        for fused in (True, False)
    )
    assert_close(found, expected, rtol)


def test_fused_may_be_switched_on_between_steps_and_is_kept_in_the_state():
    parameter = torch.nn.Parameter(torch.ones(3))
    optimizer = AdamW([parameter], fused=False)
    optimizer.param_groups[0]["fused"] = True
    parameter.grad = torch.ones(3)
    optimizer.step()
    other = AdamW([torch.nn.Parameter(torch.ones(3))])
    other.load_state_dict(optimizer.state_dict())
    assert other.param_groups[0]["fused"] is True
