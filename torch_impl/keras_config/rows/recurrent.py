"""Recurrent layers, and layers that run another one over the steps of a sequence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from torch_impl import layers
from torch_impl.keras_config.custom import CustomLayer, found, names_of
from torch_impl.keras_config.graph import Config, fill, name_of
from torch_impl.keras_config.planned import Planned
from torch_impl.keras_config.rows.activation import function_of
from torch_impl.keras_config.rows.entry import Entry, Row, planned
from torch_impl.layers.conv_lstm import ConvLSTMGates
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
        options: list[dict[str, torch.Tensor]] = [{} for _ in steps]
        if mask is not None and "mask" in mask_arguments(layer):
            options = [{"mask": each} for each in mask.unbind(1)]
        return torch.stack([layer(x, **m) for x, m in zip(steps, options, strict=True)], dim=1)


class ConvRecurrent(nn.Module):
    """A convolutional LSTM with inputs, outputs and states in Keras's layout, channels last.

    Args:
        layer: takes (N, T, C, ...).
    """

    unnamed_children = ("layer",)

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer: Any = layer

    @property
    def _num_axes(self) -> int:
        """Number of the axes of a state: samples, channels, and the sides of an image."""
        first = next(m for m in self.layer.modules() if isinstance(m, ConvLSTMGates))
        return first.rank + 2

    def forward(
        self, x: torch.Tensor, initial_state: Any = None, mask: torch.Tensor | None = None
    ) -> Any:
        """Returns what the Keras layer returns."""
        states = fill(initial_state, lambda state: None if state is None else state.movedim(-1, 1))
        num_axes = self._num_axes

        def turned(tensor: torch.Tensor) -> torch.Tensor:
            return tensor.movedim(1 if tensor.ndim == num_axes else 2, -1)

        return fill(self.layer(x.movedim(-1, 2), states, mask=mask), turned)

    def compute_mask(self, inputs: Any, mask: Any) -> Any:
        """Returns the mask of each output: that of the input if all steps are returned."""
        if isinstance(self.layer, layers.Bidirectional):
            return self.layer.compute_mask(inputs, mask)
        return mask if self.layer.return_sequences else None

    def reset_states(self) -> None:
        """Begins the next call with zeros."""
        self.layer.reset_states()


_GATES = ("units", "use_bias", "dropout", "recurrent_dropout", "reset_after")
_LOOP = ("return_sequences", "return_state", "go_backwards", "stateful", "zero_output_for_mask")
_CONVOLUTION = ("filters", "kernel_size", "strides", "padding", "dilation_rate")


def _settings(entry: Entry, *names: str) -> dict[str, Any]:
    """Returns the settings of gates or layers: plain ones, activations, and the seed."""
    given = entry.pick(*names)
    for name in ("activation", "recurrent_activation"):
        if name in entry.config:
            given[name] = function_of(entry, name)
    return {**given, "seed": entry.config.get("seed") or 0}


def _recurrent(kind: Callable[..., nn.Module]) -> Row:
    return lambda entry: Planned(kind, entry.shape[-1], **_settings(entry, *_GATES, *_LOOP))


_CELLS: dict[str, Callable[..., nn.Module]] = {
    "LSTMCell": layers.LSTMCell,
    "GRUCell": layers.GRUCell,
    "SimpleRNNCell": layers.SimpleRNNCell,
}


class CustomCell(CustomLayer):
    """A cell of the user's own, as the child of an `RNN`: see `torch_impl.layers.RNN`."""

    @property
    def state_size(self) -> Any:
        """An integer, or one for each state; None if the module has none."""
        return getattr(self.layer, "state_size", None)


def _cell(entry: Entry, size: int) -> tuple[Planned, int]:
    """Returns a cell for time steps of so many features, and how many features its output has.

    Raises:
        ValueError: its class is unknown, or a factory of the user's own returned no module.
    """
    kind = entry.layer["class_name"]
    factory = found(entry.custom, names_of(entry.layer))
    if factory is not None:
        made = factory(_inner(entry, entry.layer, size))
        if not isinstance(made, nn.Module):
            kind = type(made).__name__
            raise ValueError(f"the factory of its cell returned {kind}: expected a torch.nn.Module")
        state_size: Any = getattr(made, "state_size", 0)
        ends = getattr(made, "output_size", state_size)
        return Planned(CustomCell, made), ends if isinstance(ends, int) else ends[0]
    if kind == "StackedRNNCells":
        parts = [_inner(entry, part, size) for part in entry.config["cells"]]
        cells = []
        for part in parts:
            cell, size = _cell(part, size)
            cells.append(cell)
        return Planned(layers.StackedRNNCells, cells, [part.name for part in parts]), size
    if kind not in _CELLS:
        class_name = entry.layer.get("registered_name") or kind
        raise ValueError(
            f"cell of class {kind!r}: expected {sorted([*_CELLS, 'StackedRNNCells'])}, or "
            f"custom={{{class_name!r}: factory}}"
        )
    made = planned(lambda cell: Planned(_CELLS[kind], size, **_settings(cell, *_GATES)), entry)
    return made, entry.config["units"]


def _inner(entry: Entry, layer: Config, size: int) -> Entry:
    """Returns a cell inside of a layer, which gets so many features."""
    return Entry(
        {**layer, "build_config": {"input_shape": [None, size]}}, entry.build, entry.custom
    )


def _rnn(entry: Entry) -> Planned:
    inner = _inner(entry, entry.config["cell"], entry.shape[-1])
    cell, _ = _cell(inner, entry.shape[-1])
    return Planned(layers.RNN, cell, inner.name, **entry.pick(*_LOOP))


def _conv_lstm(kind: Callable[..., nn.Module]) -> Row:
    names = (*_CONVOLUTION, *_GATES, *_LOOP)
    return lambda entry: Planned(
        ConvRecurrent, Planned(kind, entry.shape[-1], **_settings(entry, *names))
    )


def _bidirectional(entry: Entry) -> Planned:
    parts = [entry.config["layer"], entry.config["backward_layer"]]
    built = {"build_config": {"input_shape": entry.shape}}
    first, second = (entry.build({**part, **built}) for part in parts)
    names = (name_of(parts[0]), name_of(parts[1]))
    merge_mode: Any = entry.config["merge_mode"]
    if isinstance(first, ConvRecurrent) and isinstance(second, ConvRecurrent):
        both = Planned(layers.Bidirectional, first.layer, second.layer, merge_mode, names)
        return Planned(ConvRecurrent, both)
    return Planned(layers.Bidirectional, first, second, merge_mode, names)


def _time_distributed(entry: Entry) -> Planned:
    batch, _, *rest = entry.shape
    inner = {"build_config": {"input_shape": [batch, *rest]}, **entry.config["layer"]}
    return Planned(TimeDistributed, name_of(inner), entry.build(inner))


ROWS: dict[str, Row] = {
    "LSTM": _recurrent(layers.LSTM),
    "GRU": _recurrent(layers.GRU),
    "SimpleRNN": _recurrent(layers.SimpleRNN),
    "RNN": _rnn,
    **{f"ConvLSTM{rank}D": _conv_lstm(getattr(layers, f"ConvLSTM{rank}D")) for rank in (1, 2, 3)},
    "Bidirectional": _bidirectional,
    "TimeDistributed": _time_distributed,
}
