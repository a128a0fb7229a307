"""The names of Keras's weights: a layer, and the variable in it or in a layer within."""

from __future__ import annotations

MOVING = ("moving_mean", "moving_variance")  # moved by a pass in train mode, not drawn, not trained


def short_name(weight: str) -> str:
    """Returns the name of a variable alone: "kernel" of "lstm.lstm_cell/kernel"."""
    return weight.replace("/", ".").rpartition(".")[2]
