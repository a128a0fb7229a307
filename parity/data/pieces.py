"""The pieces of an activation: where its slope jumps, and whether numbers lie in each piece.

A function goes in. `relu6` has the limits 0 and 6, `hard_sigmoid` has -3 and 3, `tanh` has none.
Two activations with other limits are the same function between them, so that a probe tells them
apart only if it goes beyond. Of positive numbers alone, `relu` is none at all.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from itertools import groupby, pairwise

import numpy as np

Function = Callable[[np.ndarray], np.ndarray]

_FINE, _COARSE = 1 / 64, 1 / 4  # between two numbers of a grid
_NEAR, _FAR = 16.0, 512.0  # to which the grids go, on both sides
# Slopes of smooth activations change by less between two numbers of a grid: GELU by 2e-4.
_JUMP = 3e-4
# Where a slope begins to bend at once, as that of ELU at 0, these changes differ by 1.2e-4; where
# it bends smoothly, by less than 1e-5.
_BEND = 5e-5
_WIDEST = 3  # numbers of a grid over which a slope may jump; a curve bends over more
_MOST_LIMITS = 4  # more has a staircase, such as a rounding, which any numbers show
_AT_ZERO = 0.02  # a limit nearer to 0 counts as 0; numbers nearer to it are on neither side
_BEYOND = 1.02  # times a limit: from there on the other piece decides
# Times a limit: so far the numbers should go; the second where the first leaves a piece empty.
AIMS = (1.5, 1.1)
MOST_FACTOR = 256.0


def limits_of(function: Function) -> list[float]:
    """Returns where the slope or the value of a function of single numbers jumps, or bends at once.

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
            bends = _bends(fine, np.asarray(function(fine), np.float64))
    except Exception:  # code of the user's, or a layer that takes other shapes
        return []
    found += [each for each in bends if all(abs(each - other) > _AT_ZERO for other in found)]
    found = sorted({0.0 if abs(limit) <= _AT_ZERO else limit for limit in found})
    return found if len(found) - (0.0 in found) <= _MOST_LIMITS else []


def _is_by_entry(function: Function, grid: np.ndarray) -> bool:
    some = grid[:: len(grid) // 7]
    whole, alone = np.asarray(function(grid)), np.asarray(function(some))
    if whole.shape != grid.shape or alone.shape != some.shape:
        return False
    return bool(np.allclose(whole[:: len(grid) // 7], alone, rtol=1e-6, atol=0, equal_nan=True))


def _jumps(grid: np.ndarray, made: np.ndarray) -> list[float]:
    bends = np.abs(made[2:] - 2 * made[1:-1] + made[:-2]) / np.maximum(1, np.abs(made[1:-1]))
    return _places(grid, np.flatnonzero(~(bends <= _JUMP)) + 1)


def _bends(grid: np.ndarray, made: np.ndarray) -> list[float]:
    changes = np.diff(made, 3) / np.maximum(1, np.abs(made[1:-2]))
    return _places(grid, np.flatnonzero(~(np.abs(changes) <= _BEND)) + 2)


def _places(grid: np.ndarray, places: np.ndarray) -> list[float]:
    runs = groupby(enumerate(places.tolist()), key=lambda pair: pair[1] - pair[0])
    groups = [[place for _, place in run] for _, run in runs]
    return [float(grid[group].mean()) for group in groups if len(group) <= _WIDEST]


def factor_beyond(limits: Sequence[float], low: float, high: float, aim: float = AIMS[0]) -> float:
    """Returns by how much numbers are to be multiplied so that some lie beyond each limit.

    Args:
        limits: of an activation.
        low: the least of the numbers.
        high: the greatest.
        aim: times a limit: so far they should go.

    Returns:
        1 if they lie there; MOST_FACTOR if no factor does it that is not larger, as of numbers of
        one sign.
    """
    wanted = 1.0
    for limit in limits:
        far = high if limit > 0 else -low
        size = abs(limit)
        if far <= (_beyond(size) if size else 0.0):
            wanted = max(wanted, MOST_FACTOR if far <= 0 else aim * size / far)
    return min(wanted, MOST_FACTOR)


def missing(limits: Sequence[float], numbers: np.ndarray) -> list[str]:
    """Returns the pieces of an activation in which none of some numbers lies: "above 6", "below 0".

    Args:
        limits: of the activation.
        numbers: that it gets, of any shape.
    """
    found = []
    ends = [-np.inf, *sorted(set(limits)), np.inf]
    for low, high in pairwise(ends):
        if not np.any((numbers > _beyond(low)) & (numbers < -_beyond(-high))):
            both = f"from {low:.3g} to {high:.3g}"
            found.append(f"above {low:.3g}" if high == np.inf else both)
            found[-1] = f"below {high:.3g}" if low == -np.inf else found[-1]
    return found if limits else []


def _beyond(limit: float) -> float:
    """Returns from where on a number is clearly above a limit."""
    return limit + max(_AT_ZERO, (_BEYOND - 1) * abs(limit)) if np.isfinite(limit) else limit
