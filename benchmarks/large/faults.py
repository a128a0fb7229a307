"""Twins of ResNet50 with one fault each, in all depths; `fault_table` says where.

Each function returns a port. Layers have Keras's names.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.large.changes import After, layer, put, reroute
from benchmarks.large.torch_models import RATE, port, twin
from torch_impl import Port, losses, optim
from torch_impl.keras_config import KerasModel


class _UnbiasedNorm(nn.Module):
    """torch's normalisation of Keras's layout, with the unbiased variance."""

    def __init__(self, old: Any) -> None:
        super().__init__()
        momentum = 1 - old.momentum
        self.norm = nn.BatchNorm2d(old.num_features, eps=old.epsilon, momentum=momentum).double()

    def forward(self, x: torch.Tensor, **_: Any) -> torch.Tensor:
        """Returns the normalised x, (N, H, W, C)."""
        normalised: torch.Tensor = self.norm(x.movedim(-1, 1))
        return normalised.movedim(1, -1)


def _net() -> KerasModel:
    return twin("ResNet50")


def one_sided_stem() -> Port:
    """The first padding is one pixel further to one side."""
    net = _net()
    layer(net, "conv1_pad").padding = ((3, 3), (2, 4))
    return port(net)


def pool_border() -> Port:
    """The padding before the first pool is 0.5 and not 0, which only borders see."""
    net = _net()

    def padded(x: torch.Tensor) -> torch.Tensor:
        return F.pad(x.movedim(-1, 1), (1, 1, 1, 1), value=0.5).movedim(1, -1)

    return put(net, "pool1_pad", After(nn.Identity(), padded))


def missing_activation() -> Port:
    """A block of stage 2 has no ReLU behind its first normalisation."""
    return put(_net(), "conv2_block2_1_relu", nn.Identity())


def frozenlayer() -> Port:
    """The last convolution of stage 2 does not train."""
    net = _net()
    layer(net, "conv2_block3_3_conv").weight.requires_grad_(False)
    return port(net)


def replicated_border() -> Port:
    """A convolution of stage 3 repeats the border where Keras pads zeros, on one side."""
    net = _net()
    conv = layer(net, "conv3_block1_2_conv")

    def convolved(x: torch.Tensor) -> torch.Tensor:
        x = F.pad(x.movedim(-1, 1), (1, 0, 1, 1))
        x = F.pad(x, (0, 1, 0, 0), mode="replicate")
        return F.conv2d(x, conv.weight, conv.bias).movedim(1, -1)

    class Bordered(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = conv

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return convolved(x)

    return put(net, "conv3_block1_2_conv", Bordered())


def norm_epsilon() -> Port:
    """One normalisation of stage 3 has the epsilon 1e-5; Keras has 1.001e-5."""
    net = _net()
    layer(net, "conv3_block2_2_bn").epsilon = 1e-5
    return port(net)


def dilated() -> Port:
    """One convolution of stage 3 is dilated, with fitting padding."""
    net = _net()
    layer(net, "conv3_block3_2_conv").dilation = (2, 2)
    return port(net)


def wrong_shortcut() -> Port:
    """A shortcut of stage 3 starts one block too early."""
    net = _net()
    reroute(net, "conv3_block4_add", "conv3_block3_out", "conv3_block2_out")
    return port(net)


def norm_momentum() -> Port:
    """One normalisation of stage 4 has the momentum 0.9."""
    net = _net()
    layer(net, "conv4_block3_1_bn").momentum = 0.9
    return port(net)


def detached_branch() -> Port:
    """The shortcut of the first block of stage 4 passes no gradient."""
    net = _net()
    conv = net.get_submodule("conv4_block1_0_bn")
    return put(net, "conv4_block1_0_bn", After(conv, torch.Tensor.detach))


def relu6() -> Port:
    """One block of stage 4 ends with ReLU6."""
    return put(_net(), "conv4_block6_out", nn.ReLU6())


def one_bias() -> Port:
    """One channel of a convolution of stage 5 is 1e-6 too large."""
    net = _net()
    conv = net.get_submodule("conv5_block2_1_conv")

    def moved(y: torch.Tensor) -> torch.Tensor:
        return y + 1e-6 * F.one_hot(torch.tensor(77), y.shape[-1]).to(y)

    return put(net, "conv5_block2_1_conv", After(conv, moved))


def one_corner() -> Port:
    """One corner of a feature map of stage 4 is lost, in one channel of one sample."""
    net = _net()

    def lost(y: torch.Tensor) -> torch.Tensor:
        mask = torch.ones_like(y)
        mask[-1, 0, -1, 5] = 0
        return y * mask

    return put(net, "conv4_block2_2_bn", After(net.get_submodule("conv4_block2_2_bn"), lost))


def swapped_channels() -> Port:
    """Two channels of a normalisation of stage 5 are swapped."""
    net = _net()

    def swapped(y: torch.Tensor) -> torch.Tensor:
        order = torch.arange(y.shape[-1])
        order[[10, 400]] = order[[400, 10]]
        return y[..., order]

    norm = net.get_submodule("conv5_block1_2_bn")
    return put(net, "conv5_block1_2_bn", After(norm, swapped))


def unbiased_variance() -> Port:
    """One normalisation of stage 5 is torch's, with the unbiased variance."""
    net = _net()
    return put(net, "conv5_block3_2_bn", _UnbiasedNorm(net.get_submodule("conv5_block3_2_bn")))


def max_at_the_end() -> Port:
    """The last pool takes the maximum."""

    class Greatest(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.amax((1, 2))

    return put(_net(), "avg_pool", Greatest())


def scaled_loss() -> Port:
    """The loss is a billionth too large."""

    def loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return losses.SparseCategoricalCrossentropy()(output, target) * (1 + 1e-9)

    return replace(port(_net()), loss=loss)


def _grouped(options: dict[str, Any]) -> Port:
    net = _net()
    first = [p for name, p in net.named_parameters() if not name.startswith("predictions")]
    last = list(net.predictions.parameters())  # type: ignore[union-attr,operator]
    groups = [{"params": first}, {"params": last, **options}]
    return replace(port(net), optimizer=optim.Adam(groups, learning_rate=RATE))


def group_rate() -> Port:
    """The last layer trains with a tenth of the rate."""
    return _grouped({"lr": RATE / 10})


def group_decay() -> Port:
    """The last layer has weight decay."""
    return _grouped({"weight_decay": 1e-3})


def adam_of_torch() -> Port:
    """Adam of torch, with Keras's epsilon."""
    net = _net()
    optimizer = torch.optim.Adam(net.parameters(), lr=RATE, eps=1e-7)
    return replace(port(net), optimizer=optimizer)


def adam_beta() -> Port:
    """Adam with the second beta 0.99."""
    net = _net()
    optimizer = optim.Adam(net.parameters(), learning_rate=RATE, beta_2=0.99)
    return replace(port(net), optimizer=optimizer)
