"""Builds the ports of this package: a classifier around some modules."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from torch_impl import Port

NUM_CLASSES = 5
Function = Callable[[torch.Tensor], torch.Tensor]


def keras_init(module: nn.Module) -> nn.Module:
    """Initialises kernels and biases with Keras's defaults."""
    for layer in module.modules():
        if isinstance(layer, nn.Embedding):
            nn.init.uniform_(layer.weight, -0.05, 0.05)
        elif isinstance(layer, nn.Linear | nn.modules.conv._ConvNd):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return module


def trained(module: nn.Module) -> Port:
    """A port with the loss and the optimizer of the models of `keras_layers`."""
    optimizer = torch.optim.SGD(module.parameters(), lr=0.05)
    return Port(keras_init(module), loss=nn.CrossEntropyLoss(), optimizer=optimizer)


class Classifier(nn.Module):
    """Features, averaged over all axes but the channels, then five logits."""

    def __init__(self, num_channels: int, *features: nn.Module) -> None:
        super().__init__()
        self.features = nn.Sequential(*features)
        self.head = nn.Linear(num_channels, NUM_CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns the logits."""
        x = self.features(x)
        if x.ndim > 2:
            x = x.mean(dim=tuple(range(2, x.ndim)))
        return self.head(x)


def classified(num_channels: int, *features: nn.Module) -> Port:
    """A classifier as a port."""
    return trained(Classifier(num_channels, *features))


class Lambda(nn.Module):
    """A function as a module; the calls of the function are watched, not the module."""

    def __init__(self, function: Function) -> None:
        super().__init__()
        self.function = function
        self.inner = nn.Sequential()  # a module that contains modules is not a leaf

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns the result of the function."""
        return self.function(x)


def pad_same(kernel: int, stride: int) -> nn.Module:
    """Pads as TensorFlow does, by the size of the input, with the odd pixel at the end."""

    def padded(x: torch.Tensor) -> torch.Tensor:
        amounts: list[int] = []
        for size in reversed(x.shape[2:]):
            total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            amounts += [total // 2, total - total // 2]
        return F.pad(x, amounts)

    return Lambda(padded)
