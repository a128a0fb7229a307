"""Rows of an embedding that occur more than once in a batch.

TensorFlow gives the gradient of `Embedding` as one row for each occurrence of a token. Keras's
optimizers square, clip and take signs of these rows one by one, where torch, and this check, use
their sum. With Adam, the second moment of a token is then a sum of squares in the place of the
square of a sum. An optimizer that is linear in the gradient does not tell them apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from parity.halves.keras import versions
from parity.ladder.tolerance import FLOAT64


def has_repeated_rows(gradients: Sequence[Any]) -> bool:
    """Whether a gradient, as a tape returns it, has more than one row for one row of its weight."""
    indices = [np.asarray(g.indices) for g in gradients if isinstance(g, tf.IndexedSlices)]
    return any(len(np.unique(rows)) < rows.size for rows in indices)


def taken_apart(optimizer: Any, gradients: Sequence[Any], variables: Sequence[Any]) -> list[int]:
    """Returns the places of weights that move otherwise if repeated rows are added up before.

    Args:
        optimizer: that has made a step before. It and the variables are left as they were.
        gradients: tensors, or tf.IndexedSlices.
        variables: the weights, of the same number.
    """
    as_fit = _step(optimizer, gradients, variables)
    as_sum = _step(optimizer, [tf.convert_to_tensor(g) for g in gradients], variables)
    return [
        number
        for number, (a, b) in enumerate(zip(as_fit, as_sum, strict=True))
        if np.abs(a - b).max(initial=0) > FLOAT64 * np.abs(a).max(initial=0)
    ]


def _step(optimizer: Any, gradients: Sequence[Any], variables: Sequence[Any]) -> list[np.ndarray]:
    """Returns what the variables are after a step, which is taken back."""
    state = [*versions.state_of(optimizer), *variables]
    before = [np.asarray(variable.numpy()) for variable in state]
    versions.apply(optimizer, gradients, variables)
    after = [np.asarray(variable.numpy()) for variable in variables]
    for variable, value in zip(state, before, strict=True):
        variable.assign(value)
    return after
