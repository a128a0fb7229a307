"""The pieces of an activation, and weights under which it gets numbers from all of them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

import numpy as np

from parity.data.probe_inputs import sampled, short_name

# --------------------------------------------------------------------------------------------------
#
# The pieces of an activation: where its slope jumps, and whether numbers lie in each piece.
#
# A function goes in. `relu6` has the limits 0 and 6, `hard_sigmoid` has -3 and 3, `tanh` has none.
# Two activations with other limits are the same function between them, so that a probe tells them
# apart only if it goes beyond. Of positive numbers alone, `relu` is none at all.


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


# --- Weights under which activations get numbers from all of their pieces -------------------------
#
# The calls of a pass go in, in order. Factors for weights come out. What makes the numbers of an
# activation is multiplied, and by how much that reaches the next one is estimated: what comes
# behind a limit grows less. Numbers of one sign are moved first, so that some lie on either side of
# 0. An activation without limits keeps the size of its numbers, so that a sigmoid is not saturated.
# It is done again with the new weights until nothing changes.


# By what a layer multiplies, and what it adds: all of it by a factor, and so is its output.
_SCALED = (
    *("kernel", "gamma", "embeddings", "depthwise_kernel", "pointwise_kernel"),
    *("bias", "beta"),
)
_ADDED = ("bias", "beta")
_APART = 0.1  # two numbers of a unit, of which one is put below 0
# Their output has the same size whatever the size of their input is.
_OF_FIXED_SIZE = (
    *("layer_norm", "group_norm", "rms_norm", "unit_norm", "embedding", "attention"),
    *("lstm", "gru", "simple_rnn", "conv_lstm", "bidirectional"),
)
_NEAR_ONE = 1.01
ROUNDS = 4  # of new weights: a factor is an estimate behind the first activation
MAX_ROWS = 4_096  # of what the gates of a recurrent layer get


@dataclass
class Step:
    """A call of a pass.

    Attributes:
        kind: of the layer.
        sources: numbers of the steps that made its inputs; None or negative: no step did.
        weights: names of its weights.
        given: the numbers that an activation gets; of a recurrent layer, those that its gates get
            of its input; None of other layers.
        function: what an activation makes of single numbers; None of other layers.
        limits: of the activation, or of those of the gates.
        least: how far the numbers of an activation should go beyond 0 in any case.
    """

    kind: str
    sources: Sequence[int | None]
    weights: Sequence[str]
    given: np.ndarray | None = None
    function: Function | None = None
    limits: Sequence[float] = ()
    least: float = 0.0

    def missing(self) -> list[str]:
        """Returns the pieces in which there is no number; see the function."""
        if self.given is None or not self.given.size:
            return []
        return missing(self.limits, self.given)


def factors_for(steps: Sequence[Step]) -> dict[str, float]:
    """Returns by what weights are to be multiplied, by name; empty: nothing is to be changed.

    Args:
        steps: of a pass with the present weights, in order.
    """
    found: dict[str, float] = {}
    gains: list[float] = []  # by how much the output of each step grows
    for number, step in enumerate(steps):
        before = [gains[s] for s in step.sources if s is not None and s >= 0]
        gain = float(np.mean(before)) if before else 1.0
        if step.given is None or not step.given.size:
            gains.append(1.0 if step.kind in _OF_FIXED_SIZE else gain)
            continue
        if step.function is None:
            wanted = _wanted(step, step.given * gain)
            found |= dict.fromkeys(_scaled(step), wanted) if wanted > _NEAR_ONE else {}
            gains.append(1.0)
            continue
        given = sampled(step.given)
        wanted = _wanted(step, step.given * gain) if _has_aim(step) else 1 / gain
        if not 1 / _NEAR_ONE < wanted < _NEAR_ONE:
            makers, between = _makers_of(steps, number)
            names = [name for maker in makers for name in _scaled(steps[maker])]
            if makers and not any(name in found for name in names):
                found |= dict.fromkeys(names, wanted)
                for each in between:
                    gains[each] *= wanted
                gain *= wanted
        gains.append(_growth(step.function, given, gain))
    _keep_size(steps, gains, found)
    return found


def moves_for(steps: Sequence[Step]) -> dict[str, np.ndarray]:
    """Returns what is to be added to biases, by name: a number for each unit, and one for all.

    An activation that gets numbers of one sign alone is the same function there as another one.
    Half of its numbers are put below 0, unit by unit.

    Args:
        steps: of a pass with the present weights, in order.

    Returns:
        Arrays (units,), by the names of biases: what is added to an output with so many units. Of a
        bias of another length, the median is added.
    """
    found: dict[str, np.ndarray] = {}
    for number, step in enumerate(steps):
        if step.function is None or step.given is None or not step.missing():
            continue
        if step.given.min() < 0 < step.given.max():
            continue
        makers, _ = _makers_of(steps, number)
        biases = [n for at in makers for n in steps[at].weights if short_name(n) in _ADDED]
        if biases and biases[0] not in found:
            found[biases[0]] = -_parted(step.given.reshape(-1, step.given.shape[-1]))
    return found


def _parted(numbers: np.ndarray) -> np.ndarray:
    """Returns a number for each unit with others of its (rows, units) clearly on either side."""
    rows = np.sort(numbers, axis=0)
    middle = len(rows) // 2
    low, high = rows[max(middle - 1, 0)], rows[middle]
    # Where the two in the middle are nearly one number, it lies beside them, but within the rest.
    above, below = rows[-1] - high, low - rows[0]
    over = high + np.where(above > 0, np.minimum(above / 2, _APART), _APART)
    beside = np.where(below > above, low - np.minimum(below / 2, _APART), over)
    return np.asarray(np.where(high - low > _APART, (low + high) / 2, beside))


def _has_aim(step: Step) -> bool:
    return bool(step.limits) or step.least > 0


def _wanted(step: Step, given: np.ndarray) -> float:
    low, high = float(given.min()), float(given.max())
    limits = [*step.limits, *([step.least] if step.least else [])]

    def wanted(aim: float) -> float:
        found = (factor_beyond([limit], low, high, aim) for limit in limits)
        return max((factor for factor in found if factor < MOST_FACTOR), default=1.0)

    return min(map(wanted, AIMS), key=lambda factor: len(missing(step.limits, given * factor)))


def _scaled(step: Step) -> list[str]:
    scaled = [name for name in step.weights if short_name(name) in _SCALED]
    is_maker = any(short_name(name) not in _ADDED for name in scaled)
    return scaled if is_maker else []


def _makers_of(steps: Sequence[Step], number: int) -> tuple[list[int], list[int]]:
    """Returns the steps whose weights make what a step gets, and these and those between."""
    makers: list[int] = []
    visited: set[int] = set()
    open_ = list(_sources(steps[number]))
    while open_:
        at = open_.pop()
        if at in visited:
            continue
        visited.add(at)
        if _scaled(steps[at]) and steps[at].kind not in ("lstm", "gru", "simple_rnn"):
            makers.append(at)
        elif steps[at].function is None:
            open_ += _sources(steps[at])
    return makers, sorted(visited)


def _sources(step: Step) -> Iterator[int]:
    yield from (s for s in step.sources if s is not None and s >= 0)


def _growth(function: Function, given: np.ndarray, gain: float) -> float:
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a softmax warns of one number
        before, after = (_size(np.asarray(function(given * by))) for by in (1.0, gain))
    growth = after / before if before else gain
    return float(growth) if np.isfinite(growth) and growth > 0 else 1.0


def _size(array: np.ndarray) -> float:
    return float(np.sqrt(np.mean(array.astype(np.float64) ** 2)))


def _keep_size(steps: Sequence[Step], gains: Sequence[float], found: dict[str, float]) -> None:
    """Lets the last layer make numbers of the size that they had."""
    if not found or steps[-1].function is not None:
        return
    scaled = _scaled(steps[-1])
    if gains[-1] > _NEAR_ONE and scaled and not any(name in found for name in scaled):
        kernels = [name for name in scaled if short_name(name) not in _ADDED]
        found |= dict.fromkeys(kernels, 1 / gains[-1])
