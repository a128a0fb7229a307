"""The compiled step of Adam: torch's operations but for the last bit, and where it is not used."""

import numpy as np
import pytest
import torch
from covering import one_test

from torch_impl import native
from torch_impl.optim import Adam, AdamW, adam

EPSILON = {torch.float32: 2.0**-23, torch.float64: 2.0**-52}
SHAPES = [(), (1,), (7,), (33, 5), (64, 32, 3, 3), (32, 1, 3, 3), (300, 128)]


@pytest.fixture(autouse=True)
def _there_is_a_compiler():
    if native.library(adam.SOURCE) is None:
        pytest.skip("no C compiler on this machine")


def trained(dtype, optimizer=Adam, num_steps=20, **settings):
    """Parameters of many shapes after some steps."""
    draw = torch.Generator().manual_seed(5)
    parameters = [torch.randn(shape, generator=draw, dtype=dtype) for shape in SHAPES]
    for number, parameter in enumerate(parameters):
        if parameter.ndim == 4:
            parameters[number] = parameter.contiguous(memory_format=torch.channels_last)
        parameters[number].requires_grad_()
    stepper = optimizer(parameters, learning_rate=0.01, **settings)
    for _ in range(num_steps):
        for parameter in parameters:
            values = torch.randn(parameter.shape, generator=draw, dtype=dtype)
            parameter.grad = torch.empty_like(parameter).copy_(values)
        stepper.step()
    return [parameter.detach() for parameter in parameters]


@one_test
@pytest.mark.parametrize("dtype", EPSILON, ids=str)
@pytest.mark.parametrize("optimizer", [Adam, AdamW])
@pytest.mark.parametrize("settings", [{}, {"weight_decay": 0.1}, {"clipnorm": 0.5}], ids=str)
def test_a_step_is_that_of_torchs_operations(dtype, optimizer, settings, monkeypatch):
    found = trained(dtype, optimizer, **settings)
    monkeypatch.setattr(adam.native, "library", lambda source: None)
    for ours, theirs in zip(found, trained(dtype, optimizer, **settings), strict=True):
        # Each of 20 steps rounds the weight, which is below 8, a few times.
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=8 * 20 * EPSILON[dtype])


@one_test
@pytest.mark.parametrize(
    ("parameter", "gradient"),
    [
        (torch.zeros(4, 5), torch.zeros(5, 4).T),
        (torch.zeros(8, 5)[::2], torch.zeros(8, 5)[::2]),
        (torch.zeros(4, dtype=torch.bfloat16), torch.zeros(4, dtype=torch.bfloat16)),
        (torch.zeros(4, device="meta"), torch.zeros(4, device="meta")),
    ],
    ids=["another layout", "gaps", "another dtype", "another device"],
)
def test_what_does_not_lie_alike_is_left_to_torch(parameter, gradient):
    assert adam.compiled_step([parameter], [gradient], adam.typical) is None


def test_amsgrad_is_left_to_torch(monkeypatch):
    monkeypatch.setattr(adam.native, "library", lambda source: pytest.fail("was asked for"))
    trained(torch.float64, amsgrad=True, num_steps=2)


CHANGES = {
    "dtype": lambda net: net.double(),
    "layout": lambda net: net.to(memory_format=torch.channels_last),
}


@one_test
@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_slots_follow_a_module_that_is_changed_between_two_steps(change, fused, monkeypatch):
    """The loop goes by pointers: slots of the old dtype were once read behind their end."""

    def weights(**settings):
        torch.manual_seed(4)
        net = torch.nn.Conv2d(40, 50, 3)
        optimizer = Adam(net.parameters(), 0.01, **settings)
        for number in range(6):
            if number == 3:
                change(net)
            draw = torch.Generator().manual_seed(number)
            for p in net.parameters():
                p.grad = torch.randn(p.shape, generator=draw).to(p)
            optimizer.step()
        return net.weight.detach()

    found = weights(fused=fused)
    monkeypatch.setattr(adam, "compiled_step", lambda *_: None)
    torch.testing.assert_close(found, weights(), rtol=2e-5, atol=1e-7)
