"""Variants of a port: what each changes, and why it does not apply."""

import pytest
import torch
from rows import each_row
from torch import nn

from parity.bench.server import NotApplicable
from parity.halves.torch.program.bench import varied, with_channels_last
from torch_impl import Port, optim


def dense():
    return nn.Sequential(nn.Linear(4, 3))


def conv():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 2))


def port_with(optimizer, module=dense):
    def build():
        net = module()
        return Port(net, loss=nn.MSELoss(), optimizer=optimizer(net.parameters()))

    return build


@each_row(
    "optimizer", [optim.Adam, optim.AdamW, torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD]
)
def test_an_optimizer_with_a_fused_form_makes_its_steps_by_it(optimizer):
    port = varied(port_with(optimizer), "torch-fused")()
    assert port.optimizer.param_groups[0]["fused"] is True
    before = port.module[0].weight.detach().clone()
    port.module(torch.ones(2, 4)).sum().backward()
    port.optimizer.step()
    assert not torch.equal(before, port.module[0].weight)


@each_row(
    "variant, build, reason",
    [
        ("torch-fused", port_with(optim.SGD), "torch_impl's SGD has no fused form"),
        ("torch-fused", port_with(torch.optim.RMSprop), "torch's RMSprop has no fused form"),
        (
            "torch-fused",
            port_with(lambda p: torch.optim.Adam(p, fused=True)),
            "torch's Adam of the port is fused already",
        ),
        ("torch-channels-last", port_with(optim.Adam), "no two-dimensional convolutions"),
        (
            "torch-channels-last",
            lambda: conv().to(memory_format=torch.channels_last),
            "have channels last already",
        ),
        ("torch-tuned", port_with(optim.Adam), "no two-dimensional convolutions"),
        ("torch-tuned", port_with(optim.SGD, conv), "no fused form"),
    ],
)
def test_a_variant_that_changes_nothing_says_why(variant, build, reason):
    with pytest.raises(NotApplicable, match=reason):
        varied(build, variant)()


@each_row("variant", ["torch-channels-last", "torch-tuned"])
def test_kernels_and_images_have_channels_last(variant):
    port = varied(port_with(optim.Adam, conv), variant)()
    kernel = port.module[0].weight
    assert kernel.stride() == (27, 1, 9, 3)
    assert port.optimizer.param_groups[0]["params"][0] is kernel
    assert with_channels_last(torch.zeros(2, 3, 8, 8)).stride() == (192, 1, 24, 3)


def test_other_arguments_stay_as_they_are():
    for given in (torch.zeros(2, 3, 8, 8, dtype=torch.int64), torch.zeros(2, 5)):
        assert with_channels_last(given) is given


def test_the_port_as_it_stands_is_not_touched():
    port = varied(port_with(optim.Adam, conv), "torch-eager")()
    assert port.optimizer.param_groups[0]["fused"] is False
    assert port.module[0].weight.is_contiguous()
