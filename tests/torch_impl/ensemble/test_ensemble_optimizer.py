"""A step of several runs is that of each run's own optimizer, to the bit."""

import pytest
import torch
from torch import nn

from torch_impl.ensemble.layers import StackedConv2d, StackedLinear
from torch_impl.ensemble.optimizer import StackedAdam
from torch_impl.optim import Adam

NUM_RUNS, NUM_STEPS = 3, 6


def layers_of(dtype):
    generator = torch.Generator().manual_seed(1)
    layers = [(nn.Conv2d(2, 3, 3), nn.Linear(4, 5)) for _ in range(NUM_RUNS)]
    for pair in layers:
        for layer in pair:
            layer.to(dtype, memory_format=torch.channels_last)
            for parameter in layer.parameters():
                parameter.data.copy_(torch.randn(parameter.shape, generator=generator))
    return layers


def optimizers_of(layers, **settings):
    return [
        Adam([*conv.parameters(), *dense.parameters()], learning_rate=0.1, **settings)
        for conv, dense in layers
    ]


def stack(layers, own):
    """A whole of layers whose optimizers may have made steps."""
    wholes = [StackedConv2d([conv for conv, _ in layers])]
    wholes.append(StackedLinear([dense for _, dense in layers]))
    shared = [part for whole in wholes for part in whole.shared.values()]
    return StackedAdam(own, shared), shared


def gradient(shape, step, number):
    return torch.randn(shape, generator=torch.Generator().manual_seed(100 * step + number))


def run_alone(dtype, rates, **settings):
    layers = layers_of(dtype)
    for number, optimizer in enumerate(optimizers_of(layers, **settings)):
        parameters = optimizer.param_groups[0]["params"]
        for step in range(NUM_STEPS):
            optimizer.param_groups[0]["lr"] = rates(step, number)
            for parameter in parameters:
                drawn = gradient(parameter.shape, step, number).to(dtype)
                parameter.grad = torch.empty_like(parameter).copy_(drawn)
            optimizer.step()
    return layers


def run_together(dtype, rates, restack_at=None, **settings):
    layers = layers_of(dtype)
    own = optimizers_of(layers, **settings)
    optimizer, shared = stack(layers, own)
    for step in range(NUM_STEPS):
        if step == restack_at:
            optimizer, shared = stack(layers, own)
        optimizer.zero_grad()
        for number in range(NUM_RUNS):
            own[number].param_groups[0]["lr"] = rates(step, number)
        for part in shared:
            gradients = [
                gradient(p.shape, step, number).to(dtype) for number, p in enumerate(part.own)
            ]
            part.whole.grad = part.join(gradients)
        optimizer.step()
    return layers


RATES = {
    "one": lambda step, number: 0.1,
    "falling": lambda step, number: 0.1 if step < 3 else 0.05,
    "parted": lambda step, number: 0.1 if step < 2 else 0.1 * 0.5**number,
    "parted for a while": lambda step, number: 0.1 * (0.5**number if step in (2, 3) else 1),
}


@pytest.mark.parametrize("restack_at", [None, 1, 3, 5])
@pytest.mark.parametrize("settings", [{}, {"weight_decay": 0.3}, {"amsgrad": True}], ids=str)
@pytest.mark.parametrize("rates", RATES.values(), ids=RATES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_weights_are_those_of_optimizers_of_their_own(dtype, rates, settings, restack_at):
    if settings.get("amsgrad"):  # a setting of the optimizer, which the whole takes from the runs
        settings = {"amsgrad": True}
    ours = run_together(dtype, rates, restack_at, **settings)
    theirs = run_alone(dtype, rates, **settings)
    for pair, expected in zip(ours, theirs, strict=True):
        for layer, reference in zip(pair, expected, strict=True):
            for actual, wanted in zip(layer.parameters(), reference.parameters(), strict=True):
                assert torch.equal(actual, wanted)


def test_an_optimizer_that_looks_at_all_weights_at_once_is_refused():
    layers = layers_of(torch.float32)
    with pytest.raises(ValueError, match="expected no clipping"):
        stack(layers, optimizers_of(layers, global_clipnorm=1.0))
