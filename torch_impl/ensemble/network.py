"""StackedNetwork: the networks of R runs as one."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import nn

from torch_impl.ensemble.layers import (
    Shared,
    StackedConv2d,
    StackedDropout,
    StackedFlatten,
    StackedLayer,
    StackedLinear,
)
from torch_impl.ensemble.streams import Stream
from torch_impl.fast import fused
from torch_impl.layers import Dropout, Flatten

# What works on images of any number of channels, each for itself, is taken as it is.
_OF_CHANNELS = (nn.ReLU, nn.MaxPool2d)
_OF_IMAGES = (nn.Conv2d, nn.MaxPool2d, Flatten)
_NOT_OF_IMAGES = (nn.Linear,)


class StackedNetwork(nn.Module):
    """Computes what each run's own network computes, up to rounding, all runs at a time.

    The parameters of the models become parts of its own, so that the models always have the newest
    weights; counters of masks are those of the models too.

    Args:
        models: of each run: layers of the same kinds and shapes under the same names.
        streams: of each run.

    Raises:
        ValueError: a layer that cannot be stacked; its name and what can be are told.
    """

    def __init__(self, models: Sequence[nn.Module], streams: Sequence[Stream]) -> None:
        super().__init__()
        found: OrderedDict[str, nn.Module] = OrderedDict()
        is_image = True
        columns = [dict(model.named_children()) for model in models]
        for name, first in columns[0].items():
            if type(first) in (_NOT_OF_IMAGES if is_image else _OF_IMAGES):
                expected = "behind" if is_image else "before"
                raise ValueError(
                    f"layer {name} ({first}) cannot be stacked: expected it {expected} Flatten"
                )
            found[name] = _stacked(name, [column[name] for column in columns], streams)
            is_image = is_image and type(first) is not Flatten
        self.layers: nn.Sequential = fused(nn.Sequential(found))
        self._stacked = {k: layer for k, layer in found.items() if isinstance(layer, StackedLayer)}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns logits, (R, N, classes), of images (N, R * C, H, W)."""
        return self.layers(x)

    def shared(self) -> Iterator[tuple[str, Shared]]:
        """Yields all parameters by the names that they have in the models."""
        for name, layer in self._stacked.items():
            for attribute, shared in layer.shared.items():
                yield f"{name}.{attribute}", shared


def _stacked(name: str, layers: Sequence[Any], streams: Sequence[Stream]) -> nn.Module:
    kind = type(layers[0])  # not what is derived from it, which computes something else
    if kind is nn.Conv2d:
        return StackedConv2d(layers)
    if kind is nn.Linear:
        return StackedLinear(layers)
    if kind is Flatten:
        return StackedFlatten(len(layers))
    if kind in (Dropout, nn.Dropout):
        return StackedDropout(layers, streams)
    if kind in _OF_CHANNELS:
        return layers[0]
    raise ValueError(
        f"layer {name} ({layers[0]}) cannot be stacked: expected Conv2d, Linear, Flatten, Dropout, "
        "ReLU or MaxPool2d; train the runs one by one"
    )
