"""The pieces of an activation: where its slope jumps, and whether numbers lie beyond.

A function goes in. `relu6` has the limits 0 and 6, `hard_sigmoid` has -3 and 3, `tanh` has none.
Two activations with other limits are the same function between them, so that a probe tells them
apart only if it goes beyond.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from itertools import groupby

import numpy as np

Function = Callable[[np.ndarray], np.ndarray]

_FINE, _COARSE = 1 / 64, 1 / 4  # between two numbers of a grid
_NEAR, _FAR = 16.0, 512.0  # to which the grids go, on both sides
# Slopes of smooth activations change by less between two numbers of a grid: GELU by 2e-4.
_JUMP = 3e-4
_WIDEST = 3  # numbers of a grid over which a slope may jump; a curve bends over more
_MOST_LIMITS = 4  # more has a staircase, such as a rounding, which any numbers show
_AT_ZERO = 0.02  # a limit nearer to 0 is met by numbers of any size
_BEYOND = 1.02  # times a limit: from there on the other piece decides
_AIM = 1.5  # times a limit: so far the numbers should go
MOST_FACTOR = 256.0


def limits_of(function: Function) -> list[float]:
    """Returns where the slope or the value of a function of single numbers jumps, but for 0.

    Args:
        function: of a float64 array of any length, by entry. What is none, such as a softmax, or
            raises, has no limits.

    Returns:
        Numbers from -512 to 512, rising, each right within 1/64, and above 16 within 1/4.
    """
    fine = np.arange(-_NEAR, _NEAR + _FINE / 2, _FINE)
    coarse = np.arange(_NEAR, _FAR + _COARSE / 2, _COARSE)
    found: list[float] = []
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a softmax warns of one number
            if not _is_by_entry(function, fine):
                return []
            for grid in (-coarse[::-1], fine, coarse):
                found += _jumps(grid, np.asarray(function(grid), np.float64))
    except Exception:  # code of the user's, or a layer that takes other shapes
        return []
    found = [limit for limit in found if abs(limit) > _AT_ZERO]
    return found if len(found) <= _MOST_LIMITS else []


def _is_by_entry(function: Function, grid: np.ndarray) -> bool:
    some = grid[:: len(grid) // 7]
    whole, alone = np.asarray(function(grid)), np.asarray(function(some))
    if whole.shape != grid.shape or alone.shape != some.shape:
        return False
    return bool(np.allclose(whole[:: len(grid) // 7], alone, rtol=1e-6, atol=0, equal_nan=True))


def _jumps(grid: np.ndarray, made: np.ndarray) -> list[float]:
    bends = np.abs(made[2:] - 2 * made[1:-1] + made[:-2]) / np.maximum(1, np.abs(made[1:-1]))
    places = np.flatnonzero(~(bends <= _JUMP)) + 1
    runs = groupby(enumerate(places.tolist()), key=lambda pair: pair[1] - pair[0])
    groups = [[place for _, place in run] for _, run in runs]
    return [float(grid[group].mean()) for group in groups if len(group) <= _WIDEST]


def factor_beyond(limits: Sequence[float], low: float, high: float) -> float:
    """Returns by how much numbers are to be multiplied so that some lie beyond each limit.

    Args:
        limits: of an activation.
        low: the least of the numbers.
        high: the greatest.

    Returns:
        1 if they lie there; MOST_FACTOR if no factor does it that is not larger, as of numbers of
        one sign.
    """
    wanted = 1.0
    for limit in limits:
        far = high if limit > 0 else -low
        size = abs(limit)
        if far <= size * _BEYOND:
            wanted = max(wanted, MOST_FACTOR if far <= 0 else _AIM * size / far)
    return min(wanted, MOST_FACTOR)


def not_beyond(limits: Sequence[float], low: float, high: float) -> list[float]:
    """Returns the limits of an activation beyond which none of some numbers lies.

    Args:
        limits: of the activation.
        low: the least of the numbers.
        high: the greatest.
    """
    return [limit for limit in limits if factor_beyond([limit], low, high) > 1]
