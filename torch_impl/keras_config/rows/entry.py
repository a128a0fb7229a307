"""A layer as it stands in a model's config, and the modules around a layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import nn

from torch_impl.keras_config.graph import Config, input_shapes, name_of
from torch_impl.keras_config.planned import Planned
from torch_impl.masks import mask_arguments

# --- A layer as it stands in a model's config, as the rows of the table read it -------------------


Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class Entry:
    """One layer of a model's config.

    Attributes:
        layer: the entry in the config, with class name, settings and calls.
        build: makes the module of a layer or model inside of this one, from its entry.
        custom: functions and factories of the user's own, by name.
    """

    layer: Config
    build: Callable[[Config], nn.Module]
    custom: Mapping[str, Callable[..., Any]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Keras's name of the layer."""
        return name_of(self.layer)

    @property
    def config(self) -> Config:
        """Its settings; those that are looked up count as read."""
        return self._noted

    @cached_property
    def _noted(self) -> _Noted:
        return _Noted(self.layer["config"])

    def unread(self) -> dict[str, Any]:
        """Returns the settings that nothing has read, but for those that have a usual value."""
        usual = USUAL.get(self.layer["class_name"], {})
        return {
            name: value
            for name, value in self._noted.items()
            if name not in self._noted.read
            and name not in _READ_ELSEWHERE
            and not name.endswith(_OF_WEIGHTS)
            and value is not None
            and usual.get(name) not in (..., value)
        }

    @property
    def shapes(self) -> list[Shape]:
        """Shapes of its inputs, batch axis included.

        Raises:
            ValueError: the config does not contain them.
        """
        return input_shapes(self.layer)

    @property
    def shape(self) -> Any:
        """Shape of its first input, batch axis included; its lengths are known where needed."""
        return self.shapes[0]

    def pick(self, *names: str) -> dict[str, Any]:
        """Returns the settings of these names that the config has."""
        return {name: self.config[name] for name in names if name in self.config}


Row = Callable[[Entry], Planned]

# Settings of all layers, which the table of layers does not read: `model.py` and others do.
_READ_ELSEWHERE = frozenset(
    [
        *("name", "trainable", "dtype", "data_format"),
        *("batch_shape", "batch_input_shape"),  # of the first layer of a Sequential
        *("unit_forget_bias", "l1", "l2"),  # `initial.py`, `rules.py`
    ]
)
_OF_WEIGHTS = ("_initializer", "_regularizer", "_constraint")
# Settings that no row reads, with the value that they have unless a program says otherwise, if that
# is not None; `...`: any, since they change nothing that is computed. A test holds them against
# Keras.
USUAL: dict[str, dict[str, Any]] = {
    **{kind: {"unroll": ...} for kind in ("LSTM", "GRU", "SimpleRNN", "RNN")},
    **{f"ConvLSTM{rank}D": {"unroll": ...} for rank in (1, 2, 3)},
    "BatchNormalization": {"synchronized": False, "renorm_momentum": ...},  # renorm is refused
    "Discretization": {"num_bins": ..., "epsilon": ...},  # of adapting, which made the boundaries
    "IntegerLookup": {
        "oov_token": ...,
        "idf_weights": ...,
        "vocabulary_dtype": "int64",
        "vocabulary_size": ...,
    },
}


class _Noted(dict[str, Any]):
    """Settings that note which of them were looked up."""

    def __init__(self, settings: Config) -> None:
        super().__init__(settings)
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.read.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """Returns a setting, or a default."""
        self.read.add(name)
        return super().get(name, default)


def planned(row: Row, entry: Entry) -> Planned:
    """Returns the module that a row plans for a layer.

    Raises:
        ValueError: the layer has a setting that the row does not read, such as one of a newer
            Keras.
    """
    made = row(entry)
    if left := entry.unread():
        text = ", ".join(f"{name}={value!r}" for name, value in left.items())
        raise ValueError(f"{text}: expected no such setting, since the twin does not heed it")
    return made


def dtype_of(config: Config) -> torch.dtype:
    """Returns the dtype of a layer's policy.

    Layers that number values may have one of integers.

    Raises:
        ValueError: the layer computes in another dtype than that of its weights, or in half
            precision.
    """
    policy = config.get("dtype") or "float32"
    if not isinstance(policy, str):  # one without a name is of a layer that was quantized
        policy = policy["config"].get("name", policy["class_name"])
    name: str = policy
    if name not in ("float32", "float64", "int32", "int64"):
        raise ValueError(f"dtype policy {name!r}: expected 'float32' or 'float64'")
    dtype: torch.dtype = getattr(torch, name)
    return dtype


# --- Modules around a layer of `torch_impl.layers`, so that it takes and gives Keras's layout -----


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
