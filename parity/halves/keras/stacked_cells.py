"""Cells on top of one another in one RNN layer of Keras, as a layer for each cell.

The layer computes all cells of a time step before the next step. A layer for each cell computes the
same, one after the other; a PyTorch program is written so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from parity.halves.keras import versions


def layers_of(layer: Any, keywords: Mapping[str, Any]) -> list[Any]:
    """Returns a layer for each cell, from the first to the last; none for any other layer.

    They share the cells. A stateful layer stays whole, and so does one that is given a mask.

    Args:
        layer: of any kind.
        keywords: of its call.
    """
    if versions.IS_KERAS_2 or type(layer) is not keras.layers.RNN:
        return []
    cells = getattr(layer.cell, "cells", None)
    if not cells or layer.stateful or keywords.get("mask") is not None:
        return []
    if not all(versions.is_kerass_own(cell) for cell in cells):
        return []
    return [
        keras.layers.RNN(
            cell,
            return_sequences=layer.return_sequences or number < len(cells) - 1,
            return_state=True,
            go_backwards=layer.go_backwards and number == 0,
            name=f"{layer.name}.{cell.name}",
            dtype=layer.dtype_policy,
        )
        for number, cell in enumerate(cells)
    ]


def states_of(layers: list[Any], states: Any) -> list[Any]:
    """Returns the first states of each layer, None for zeros; `states` may be in any nesting."""
    if states is None:
        return [None] * len(layers)
    places = iter(tf.nest.flatten(states))
    return [[next(places) for _ in layer.state_size] for layer in layers]
