"""Averages of weights that a port keeps beside its optimizer, as an `AveragedModel` of torch."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

_IS_UPDATED = "_parity_is_updated"


def update_after_steps(
    average: AveragedModel, module: nn.Module, optimizer: torch.optim.Optimizer | None
) -> None:
    """Lets an average be updated after every step of an optimizer; a second call does nothing.

    Raises:
        ValueError: there is no optimizer, or the average is of a module with other parameters.
    """
    if optimizer is None:
        raise ValueError("average without an optimizer: expected Port(average=..., optimizer=...)")
    if [p.shape for p in average.module.parameters()] != [p.shape for p in module.parameters()]:
        raise ValueError("average: expected an AveragedModel of the port's module")
    if not hasattr(average, _IS_UPDATED):
        object.__setattr__(average, _IS_UPDATED, True)
        optimizer.register_step_post_hook(lambda *_: average.update_parameters(module))


def averaged(
    average: AveragedModel, module: nn.Module
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yields the trained parameters of a module, each with its average."""
    for parameter, kept in zip(module.parameters(), average.module.parameters(), strict=True):
        if parameter.requires_grad:
            yield parameter, kept


@torch.no_grad()
def replace_weights(average: AveragedModel, module: nn.Module) -> None:
    """Replaces the trained parameters of a module by their averages, if there are any yet."""
    if int(average.n_averaged):
        for parameter, kept in averaged(average, module):
            parameter.copy_(kept)
