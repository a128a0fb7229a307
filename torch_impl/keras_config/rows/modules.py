"""Modules around a layer of `torch_impl.layers`, so that it takes and gives Keras's layout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from torch_impl.keras_config.planned import Planned
from torch_impl.keras_config.rows.entry import Entry, Row
from torch_impl.masks import mask_arguments


class KerasLayer(nn.Module):
    """A layer with inputs and outputs in Keras's layout, (N, ..., C), then an activation.

    Args:
        layer: takes (N, C, ...).
        activation: applied to its output, in Keras's layout; None for no activation.
    """

    # Weights have Keras's path, which does not name this wrapper.
    unnamed_children = ("layer",)

    def __init__(self, layer: nn.Module, activation: nn.Module | None = None) -> None:
        super().__init__()
        self.layer = layer
        self.activation = activation

    @property
    def mask_arguments(self) -> frozenset[str]:
        """Those of the layer: see `torch_impl.masks`."""
        return mask_arguments(self.layer)

    def forward(self, x: torch.Tensor, **masks: torch.Tensor | None) -> torch.Tensor:
        """Returns the output of the Keras layer."""
        y: torch.Tensor = self.layer(x.movedim(-1, 1), **masks).movedim(1, -1)
        if self.activation is not None:
            y = self.activation(y)
        return y


class Activated(KerasLayer):
    """A layer that works on Keras's layout itself, then an activation."""

    def forward(self, x: torch.Tensor, **masks: torch.Tensor | None) -> torch.Tensor:
        """Returns the output of the Keras layer."""
        y: torch.Tensor = self.layer(x, **masks)
        if self.activation is not None:
            y = self.activation(y)
        return y


def plain(kind: Callable[..., nn.Module], *names: str) -> Row:
    """Returns the row of a layer that works on Keras's layout."""
    return lambda entry: Planned(kind, **entry.pick(*names))


def moved(kind: Callable[..., nn.Module], *names: str, **settings: Any) -> Row:
    """Returns the row of a layer that works on torch's layout."""

    def plan(entry: Entry) -> Planned:
        return Planned(KerasLayer, Planned(kind, **entry.pick(*names), **settings))

    return plan


def seeded(kind: Callable[..., nn.Module], *names: str) -> Row:
    """Returns the row of a layer that draws; without a seed in the config, the seed is 0."""

    def plan(entry: Entry) -> Planned:
        seed = entry.config.get("seed") or 0
        return Planned(KerasLayer, Planned(kind, **entry.pick(*names), seed=seed))

    return plan
