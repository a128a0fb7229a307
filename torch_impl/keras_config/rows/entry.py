"""A layer as it stands in a model's config, as the rows of the table read it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from torch_impl.keras_config.graph import Config, input_shapes, name_of
from torch_impl.keras_config.planned import Planned

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
        """Its settings."""
        config: Config = self.layer["config"]
        return config

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


def dtype_of(config: Config) -> torch.dtype:
    """Returns the dtype of a layer's policy.

    Layers that number values may have one of integers.

    Raises:
        ValueError: the layer computes in another dtype than that of its weights, or in half
            precision.
    """
    policy = config.get("dtype") or "float32"
    name = policy if isinstance(policy, str) else policy["config"]["name"]
    if name not in ("float32", "float64", "int32", "int64"):
        raise ValueError(f"dtype policy {name!r}: expected 'float32' or 'float64'")
    dtype: torch.dtype = getattr(torch, name)
    return dtype
