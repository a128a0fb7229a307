"""What a twin is called with, beside the inputs of its graph: in a row, in lists or by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from torch_impl.keras_config.graph import Tensor, tensors_in


def paired(places: Any, inputs: tuple[Any, ...]) -> tuple[list[Tensor], list[torch.Tensor]]:
    """Returns the input tensors of a graph and their values, in one order.

    Args:
        places: nest of the inputs of the graph.
        inputs: that a model was called with: tensors in a row, or one nest.

    Raises:
        ValueError: there are others, or another number of them.
    """
    given: Any = inputs[0] if len(inputs) == 1 else list(inputs)
    if isinstance(given, Mapping):
        is_named = isinstance(places, Mapping)
        return _by_key(places if is_named else {p.layer: p for p in tensors_in(places)}, given)
    wanted, values = tensors_in(places), flat(given)
    if len(values) != len(wanted):
        raise ValueError(f"{len(values)} inputs: expected {len(wanted)}")
    return wanted, values


def _by_key(
    places: Mapping[str, Any], given: Mapping[str, Any]
) -> tuple[list[Tensor], list[torch.Tensor]]:
    """Returns the places in a nest of dicts and lists, and what is given for each."""
    if given.keys() != places.keys():
        raise ValueError(f"inputs {sorted(given)}: expected {sorted(places)}")
    wanted: list[Tensor] = []
    values: list[torch.Tensor] = []
    for key, part in places.items():
        if isinstance(part, Mapping):
            if not isinstance(given[key], Mapping):
                raise ValueError(f"input {key!r}: expected a dictionary of {sorted(part)}")
            inner, parts = _by_key(part, given[key])
        else:
            inner, parts = tensors_in(part), flat(given[key])
        if len(inner) != len(parts):
            raise ValueError(f"{len(parts)} inputs under {key!r}: expected {len(inner)}")
        wanted += inner
        values += parts
    return wanted, values


def flat(value: Any) -> list[Any]:
    """Returns the tensors of nested lists, tuples and dicts as one list, in Keras's order."""
    if isinstance(value, Mapping):
        return [leaf for key in sorted(value) for leaf in flat(value[key])]
    if isinstance(value, list | tuple):
        return [leaf for entry in value for leaf in flat(entry)]
    return [value]
