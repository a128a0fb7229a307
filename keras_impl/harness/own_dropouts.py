"""Dropouts of the user's own: subclasses of Keras's, which may drop in eval mode, too.

A layer with its input and output goes in. Its mask comes out, if it is nothing but a dropout.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_impl.harness import versions

_FLOAT32 = 1e-6  # what is left of a product in float32, relative to the largest value


def is_own_dropout(layer: Any) -> bool:
    """Whether a layer is a subclass of the user's of Keras's Dropout."""
    return isinstance(layer, keras.layers.Dropout) and not versions.is_kerass_own(layer)


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
