"""Initial weights of the twin of a layer: drawn by the initialisers in the layer's config.

The distributions are Keras's, the numbers are not, unless an initialiser has a seed of its own: the
other seeds come from torch's generator. A weight whose config names no initialiser keeps its value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from torch_impl.initial_weights import with_axes
from torch_impl.initializers import Initializer, UnitForgetBias, from_config
from torch_impl.keras_config.graph import Config
from torch_impl.keras_config.settings import holder, setting
from torch_impl.layouts import variables
from torch_impl.weights import put

_MAX_SEED = 2**31 - 1


@torch.no_grad()
def initialise(module: nn.Module, layer: Config) -> None:
    """Draws the weights of a layer.

    Args:
        module: its twin.
        layer: its entry in the config of a model.

    Raises:
        ValueError: an initialiser is none of Keras's.
    """
    for variable in variables(module):
        config = holder(layer, variable.name)
        initializer = initializer_of(variable.name, config)
        if initializer is None:
            continue
        if variable.name.endswith("kernel"):
            initializer = with_axes(initializer, variable.module)
        shape = tuple(variable.to_keras(variable.tensors).shape)
        seed = int(torch.randint(_MAX_SEED, ())) if initializer.draws_seed else None
        value = initializer(shape, seed=seed, dtype=_dtype(variable.tensors[0]))
        for tensor, part in zip(variable.tensors, variable.to_torch(value), strict=True):
            put(variable, tensor, part)


def initializer_of(path: str, config: Mapping[str, Any]) -> Initializer | None:
    """Returns what Keras makes a weight with; None: the config says nothing.

    Args:
        path: of the weight below its layer.
        config: of the layer or cell that holds it.
    """
    found = setting(config, path, "initializer")
    if found is None:
        return None
    initializer = from_config(found[1])
    is_forgetting = config.get("unit_forget_bias") and path.endswith("/bias")
    return UnitForgetBias(initializer) if is_forgetting else initializer


def _dtype(tensor: torch.Tensor) -> torch.dtype:
    """Returns the dtype in which Keras draws: initialisers have no other two."""
    return torch.float64 if tensor.dtype == torch.float64 else torch.float32
