"""One call of a layer, as its formulas see it: the batch first, channels last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class LayerCall:
    """One call of a layer.

    Attributes:
        kind: a word of `parity/halves/keras/kinds.py`.
        config: settings of the layer. Those of a bundle may be anything, and what a formula then
            raises means that there is no prediction.
        inputs: what it was given.
        shape: of its output.
        weights: by the last part of their name: "kernel", "bias".
        is_training: whether it was called in train mode.
        mask: what a dropout keeps.
    """

    kind: str
    config: Mapping[str, Any]
    inputs: Sequence[Array]
    shape: tuple[int, ...]
    weights: Mapping[str, Array]
    is_training: bool
    mask: Array | None = None


def check_channels_last(call: LayerCall) -> None:
    """Raises a ValueError if a layer has its channels first."""
    if call.config.get("data_format", "channels_last") != "channels_last":
        raise ValueError("channels first")


def with_bias(call: LayerCall, value: Array) -> Array:
    """Adds the bias of a layer, if it has one."""
    bias = call.weights.get("bias")
    if bias is None:
        return value
    if bias.shape != value.shape[-1:]:
        raise ValueError("another bias")
    return np.asarray(value + bias)


def over_samples(array: Array) -> Array:
    """Returns the sum over all axes but the last."""
    total: Array = array.reshape(-1, array.shape[-1]).sum(0)
    return total
