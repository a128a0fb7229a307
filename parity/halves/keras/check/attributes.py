"""The weights and layers that a layer of the user's own holds, by the names of its attributes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras

from parity.halves.keras.versions import path_of

_OF_KERAS = frozenset(
    ["_layers", "_metrics", "_losses", "_trainable_variables", "_non_trainable_variables"]
)


def attributes_of(layer: Any) -> Iterator[tuple[str, Any]]:
    """Yields the attributes of a layer, and the entries of those that are lists: "blocks.0".

    What is held in a way that no attribute tells has the name of its own.
    """
    yield from named_attributes_of(layer)
    for variable in [*layer._trainable_variables, *layer._non_trainable_variables]:
        yield path_of(variable).rpartition("/")[2], variable
    for inner in layer._layers:
        yield inner.name, inner


def named_attributes_of(layer: Any) -> Iterator[tuple[str, Any]]:
    """Yields the same without what no attribute tells."""
    for name, value in vars(layer).items():
        if name in _OF_KERAS:
            continue
        is_list = isinstance(value, list | tuple)
        entries = [(f"{name}.{n}", each) for n, each in enumerate(value)] if is_list else []
        for each in entries or [(name, value)]:
            if isinstance(each[1], keras.layers.Layer | keras.Variable):
                yield each
