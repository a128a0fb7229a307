"""The names of Keras's weights: a layer, and the variable in it or in a layer within."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MOVING = ("moving_mean", "moving_variance")  # moved by a pass in train mode, not drawn, not trained


def short_name(weight: str) -> str:
    """Returns the name of a variable alone: "kernel" of "lstm.lstm_cell/kernel"."""
    return weight.replace("/", ".").rpartition(".")[2]


def constraint_of(config: Mapping[str, Any], weight: str) -> Mapping[str, Any] | None:
    """Returns Keras's configuration of the constraint of a weight, or None.

    Args:
        config: of its layer.
        weight: "lstm.lstm_cell/recurrent_kernel".
    """
    variable = short_name(weight)
    for name in (variable, variable.removesuffix("_kernel")):
        given = config.get(f"{name}_constraint")
        if isinstance(given, Mapping) and "class_name" in given:
            return given
    return None
