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


def stepped(kind: Any, *arguments: Any, before_step: Any = None, **keywords: Any) -> Port:
    """Squared error and an optimizer."""
    module = mlp()
    optimizer = kind(module.parameters(), *arguments, **keywords)
    return Port(module, loss=nn.MSELoss(), optimizer=optimizer, before_step=before_step)


def watched(optimizer: Any, scheduler: Any = None, stopping: Any = None, **keywords: Any) -> Port:
    """Squared error and callbacks.

    Args:
        optimizer: makes one of the parameters.
        scheduler: makes one of the optimizer.
        stopping: makes one of the module.
        **keywords: of the port.
    """
    module = mlp()
    made = optimizer(module.parameters())
    return Port(
        module,
        loss=nn.MSELoss(),
        optimizer=made,
        scheduler=scheduler and scheduler(made),
        early_stopping=stopping and stopping(module),
        **keywords,
    )


def by_lambda(factor: Any) -> Any:
    """Torch's own scheduler with a factor for each step, for `watched`."""
    return lambda optimizer: torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
