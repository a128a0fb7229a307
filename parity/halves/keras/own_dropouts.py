"""Dropouts of the user's own: subclasses of Keras's, and layers that drop in eval mode, too.

A layer with its input and output goes in. Its mask comes out, if it is nothing but a dropout.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from parity.halves.keras import versions

_RATE = "_parity_rate"  # attribute of a layer that was seen to drop in eval mode
_FLOAT32 = 1e-6  # what is left of a product in float32, relative to the largest value


def is_own_dropout(layer: Any) -> bool:
    """Whether a layer is a subclass of the user's of Keras's Dropout."""
    return isinstance(layer, keras.layers.Dropout) and not versions.is_kerass_own(layer)


def rate_of(layer: Any, given: Any, output: Any, *, draws_in_eval: bool) -> float | None:
    """Returns the rate of a dropout of the user's; None if a layer is none.

    A layer that only draws in train mode is none, unless it is a subclass: in eval mode, where the
    nodes of a model are told, nothing shows what it is.

    Args:
        layer: that was called.
        given: its input.
        output: what it made of it.
        draws_in_eval: whether the call was in eval mode, and drew. What it makes then decides, also
            for later calls of the same layer.
    """
    if versions.is_kerass_own(layer):
        return None
    if is_own_dropout(layer):
        return float(layer.rate)
    if draws_in_eval:
        vars(layer)[_RATE] = _seen_rate(given, output)
    found: float | None = vars(layer).get(_RATE)
    return found


def _seen_rate(given: Any, output: Any) -> float | None:
    """Returns the rate of which a dropout makes an output; None if no rate does."""
    x, y = np.asarray(given, np.float64), np.asarray(output, np.float64)
    if x.shape != y.shape or not y.any():
        return None
    kept = y != 0
    factor = float((x[kept] * y[kept]).sum() / (x[kept] ** 2).sum())
    rate = round(1 - 1 / factor, 6) if factor > 1 else 0.0
    is_dropout, mask = kept_entries(given, output, rate)
    return rate if is_dropout and mask is not None else None


def kept_entries(given: Any, output: Any, rate: float) -> tuple[bool, np.ndarray | None]:
    """Returns whether a layer is a dropout in this call, and which entries it keeps.

    Without a mask it is off. A mask may keep all: what is kept is scaled. An entry that is 0 counts
    as kept: whether it is dropped changes nothing.

    Args:
        given: input of the layer, (N, ...).
        output: what it made of it.
        rate: of the layer.
    """
    x, y = np.asarray(given, np.float64), np.asarray(output, np.float64)
    if x.shape != y.shape:
        return False, None
    largest = _FLOAT32 * np.abs(x).max(initial=0)
    if np.abs(y - x).max(initial=0) <= largest:
        return True, None
    if not 0 < rate < 1:
        return False, None
    kept = (y != 0) | (x == 0)
    rest = np.abs(y - np.where(kept, x / (1 - rate), 0)).max(initial=0)
    return (True, kept) if rest * (1 - rate) <= largest else (False, None)
