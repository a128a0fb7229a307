"""Functions of a number in float32 as the C library computes them, which TensorFlow calls, too.

Where the library has none of the name, the result is rounded once from float64, as it nearly always
is in the library.
"""

from __future__ import annotations

import ctypes
import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np


def sine(x: Any) -> Any:
    """Returns sin(x) in the type of x, np.float32 or np.float64."""
    return _call("sinf", math.sin, x)


def cosine(x: Any) -> Any:
    """Returns cos(x) in the type of x, np.float32 or np.float64."""
    return _call("cosf", math.cos, x)


def logarithm(x: Any) -> Any:
    """Returns log(x) in the type of x, np.float32 or np.float64; NaN if it is undefined."""
    return _call("logf", lambda value: math.log(value) if value > 0 else math.nan, x)


def _call(name: str, exact: Callable[[float], float], x: Any) -> Any:
    function = _function(name) if isinstance(x, np.float32) else None
    return type(x)((function or exact)(float(x)))


@functools.cache
def _function(name: str) -> Callable[[float], float] | None:
    """Returns a function of the C library from float to float, if there is one."""
    try:
        function: Any = getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):  # TypeError: Windows has no library of the process
        return None
    function.restype, function.argtypes = ctypes.c_float, [ctypes.c_float]
    found: Callable[[float], float] = function
    return found
