"""The small network of `keras_net` as a port, with a loss, an optimizer, or callbacks."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from benchmarks.pairs.torch_base import keras_init
from torch_impl import Port


def mlp(num: int = 3, *last: nn.Module) -> nn.Module:
    """The network of nearly all of these models."""
    return keras_init(nn.Sequential(nn.Linear(7, 5), nn.Tanh(), nn.Linear(5, num), *last))


def port(loss: Any, module: nn.Module | None = None, **keywords: Any) -> Port:
    """A loss and plain SGD."""
    module = module or mlp()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.05)
    return Port(module, loss=loss, optimizer=optimizer, **keywords)


def stepped(kind: Any, *arguments: Any, **keywords: Any) -> Port:
    """Squared error and an optimizer."""
    module = mlp()
    optimizer = kind(module.parameters(), *arguments, **keywords)
    return Port(module, loss=nn.MSELoss(), optimizer=optimizer)


def by_lambda(optimizer: torch.optim.Optimizer, function: Any) -> Any:
    """Torch's own scheduler with a factor for each step."""
    return torch.optim.lr_scheduler.LambdaLR(optimizer, function)


def watched(optimizer: torch.optim.Optimizer, module: nn.Module, **keywords: Any) -> Port:
    """Squared error and callbacks."""
    return Port(module, loss=nn.MSELoss(), optimizer=optimizer, **keywords)
