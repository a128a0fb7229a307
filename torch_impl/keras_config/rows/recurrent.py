"""Recurrent layers, and layers that run another one over the steps of a sequence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from torch_impl import layers
from torch_impl.keras_config.graph import name_of
from torch_impl.keras_config.rows.entry import Entry, Row
from torch_impl.masks import mask_arguments


class TimeDistributed(nn.Module):
    """Applies a layer to each time step of (N, T, ...), one after the other.

    Args:
        name: Keras's name of the layer.
        layer: takes (N, ...).
    """

    def __init__(self, name: str, layer: nn.Module) -> None:
        super().__init__()
        self.name = name
        self.add_module(name, layer)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Returns (N, T, ...).

        A layer that takes a mask is told that of each step, without the axis of the steps.
        """
        layer = self.get_submodule(self.name)
        steps = x.unbind(1)
        told: list[dict[str, torch.Tensor]] = [{} for _ in steps]
        if mask is not None and "mask" in mask_arguments(layer):
            told = [{"mask": each} for each in mask.unbind(1)]
        return torch.stack([layer(x, **m) for x, m in zip(steps, told, strict=True)], dim=1)


def _recurrent(kind: Callable[..., nn.Module]) -> Row:
    def build(entry: Entry) -> nn.Module:
        for name in ("dropout", "recurrent_dropout", "stateful"):
            if entry.config.get(name):
                raise ValueError(f"{name}={entry.config[name]!r}: expected none")
        names = ("units", "use_bias", "return_sequences", "return_state", "go_backwards")
        more = ("activation", "recurrent_activation", "reset_after", "zero_output_for_mask")
        return kind(entry.shape[-1], **entry.pick(*names, *more))

    return build


def _bidirectional(entry: Entry) -> nn.Module:
    parts = [entry.config["layer"], entry.config["backward_layer"]]
    built = {"build_config": {"input_shape": entry.shape}}
    first, second = (entry.build({**part, **built}) for part in parts)
    names = (name_of(parts[0]), name_of(parts[1]))
    merge_mode: Any = entry.config["merge_mode"]
    return layers.Bidirectional(first, second, merge_mode, names)  # type: ignore[arg-type]


def _time_distributed(entry: Entry) -> nn.Module:
    batch, _, *rest = entry.shape
    inner = {"build_config": {"input_shape": [batch, *rest]}, **entry.config["layer"]}
    return TimeDistributed(name_of(inner), entry.build(inner))


ROWS: dict[str, Row] = {
    "LSTM": _recurrent(layers.LSTM),
    "GRU": _recurrent(layers.GRU),
    "SimpleRNN": _recurrent(layers.SimpleRNN),
    "Bidirectional": _bidirectional,
    "TimeDistributed": _time_distributed,
}
