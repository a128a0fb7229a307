"""Constants of an optimizer, rounded where Keras rounds them.

Keras 3.15 on TensorFlow turns a Python float into a tensor in two ways. `ops.cast(0.9, dtype)`
makes it float32 first, in float64 runs too. In `0.9 * tensor` it gets the dtype of the tensor
directly. The optimizers use both.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

_DTYPES = {torch.float32: np.float32, torch.float64: np.float64}


def numpy_dtype(dtype: torch.dtype) -> Any:
    """Returns NumPy's type for the dtype of weights.

    Raises:
        ValueError: the dtype is neither float32 nor float64.
    """
    if dtype not in _DTYPES:
        known = ", ".join(map(str, _DTYPES))
        raise ValueError(f"parameters of dtype {dtype}: expected one of {known}")
    return _DTYPES[dtype]


def through_float32(value: float) -> float:
    """Returns what Keras's `ops.cast(value, dtype)` makes of a Python float."""
    return float(np.float32(value))


def power(base: float, exponent: int, dtype: Any) -> Any:
    """Returns base ** exponent in NumPy's `dtype`, from a base that was rounded to float32.

    Equals `ops.power(ops.cast(base, dtype), exponent)` bit for bit for the 300 exponents tried.
    """
    return dtype(np.float32(base)) ** dtype(exponent)
