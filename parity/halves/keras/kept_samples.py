"""Which samples a layer keeps, as stochastic depth does."""

from __future__ import annotations

from typing import Any

import numpy as np

_FLOAT32 = 1e-6  # what is left of a product in float32, relative to the largest value


def kept_samples(given: Any, output: Any) -> tuple[np.ndarray | None, float]:
    """Returns which samples a layer keeps, if it drops some and multiplies the others by a number.

    Stochastic depth does so.

    Args:
        given: input of the layer, (N, ...).
        output: what it made of it.

    Returns:
        The mask (N, ...), equal for all values of a sample, and the number, 0 if nothing is kept;
        None and 0 if the layer does something else.
    """
    x, y = np.asarray(given, np.float64), np.asarray(output, np.float64)
    if x.shape != y.shape or x.ndim < 2:
        return None, 0.0
    rows, made = x.reshape(len(x), -1), y.reshape(len(y), -1)
    kept = np.asarray(made.any(axis=1))
    length = float((rows[kept] ** 2).sum())
    factor = float((rows[kept] * made[kept]).sum()) / length if length else 0.0
    rest = np.abs(made - np.where(kept[:, None], rows * factor, 0)).max(initial=0)
    if factor < 0 or rest > _FLOAT32 * np.abs(made).max(initial=0):
        return None, 0.0
    return np.broadcast_to(kept.reshape(-1, *[1] * (x.ndim - 1)), x.shape), factor
