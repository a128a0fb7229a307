"""How far a port may be from the reference after steps from an anchor.

Two questions, each in the arithmetic that can answer it.

Do both halves compute the same? Their steps from an anchor are made in float64, where rounding is a
billionth of the least fault. Of an array they may differ by

    RELATIVE, or NOISE_FACTOR times what one unit in the last place of the state changes in the
    reference, whichever is more, relative to the largest value of the array

Keras keeps some constants in float32, such as the betas of Adam; a port that writes 0.999 is right.
Where they matter, it may differ by KERAS_CONSTANTS, and, if it does not have Keras's, by
CONSTANTS_FACTOR times what they change in the reference. A port has Keras's if it does not show at
the first states what others would change there.

How far weights have moved is also off by some roundings of the weights: at the end of a schedule
that is more, since a weight of 0.1 moves by 1e-10 there.

Does float32 round alike? The first step is also made in float32. How far that is from the step in
float64 is the rounding of a half. Where rounding decides a pool or a ReLU, one step in some hundred
is thousands of times further off, in either half; so what counts is what is usual around an anchor:

    rounding(anchor) = median of the port's, over the upper fifth of the reference's
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from parity.ladder.compare import relative_differences
from parity.ladder.tolerance import NOISE_FACTOR
from parity.traces.anchors import FLOAT32, MASKS, MOVED, SIZE

if TYPE_CHECKING:
    from parity.traces.trace import Trace

RELATIVE = 1e-9
# What constants change is measured at few states, and differs by state. It is up to 1e-6, but where
# 1 - 0.999 matters, which is 1.3e-5 off in float32.
CONSTANTS_FACTOR, KERAS_CONSTANTS = 10.0, 1e-6
NUM_FIRST = 2  # states at which it is seen whether a port has them
SHOWN = 0.1  # of what constants change: a port that is nearer than that has Keras's
# An array that rounding alone changes more is not compared: its exact value is 0.
MOST = 1e-3
ROUNDING_FACTOR = 10.0
# Rounding changes a step by a thousandth, or, where it decides a pool, by some hundredths.
MOST_APART = 0.1
NUM_ROUNDINGS = 8  # of a weight, by two halves in NUM_STEPS steps, and by what the noise misses
NUM_NEIGHBOURS = 6  # anchors on each side, in which rounding is usual
QUANTILE = 0.8

CHANGES = (
    "the Keras program changes on its way what no recorded state has, such as which layers are "
    "trained: the same steps, made again in float64, are others"
)


class AnchoredTolerance:
    """What the arrays of `AnchoredSteps` may differ by, from each anchor.

    Args:
        keras: trace of the reference.
        torch: trace of the port.
    """

    def __init__(self, keras: Trace, torch: Trace) -> None:
        self._keras, self._torch = keras, torch
        self.steps: list[int] = list(keras.facts["anchors"])
        self._noise = _Measured(keras, "anchor_noise", "anchors_measured")
        self._constants = _Measured(keras, "anchor_constants", "anchors_with_constants")
        self._has_constants: dict[str, bool] = {}

    def allowed(self, step: int, key: str) -> float:
        """Returns the allowed difference, relative to the largest value of an array.

        Args:
            step: of the anchor.
            key: of the array.
        """
        floor = RELATIVE
        kind, _, rest = key.partition("/")
        if kind == MOVED:
            weight = float(self._keras[f"anchored/{step}/{SIZE}/{rest.partition('/')[2]}"])
            epsilon = float(np.finfo(np.float64).eps)
            largest = self._keras.largest(f"anchored/{step}/{key}") or 1.0
            floor = max(floor, NUM_ROUNDINGS * epsilon * weight / largest)
        return max(floor, NOISE_FACTOR * self._noise.near(step, key), self._by_constants(step, key))

    def _by_constants(self, step: int, key: str) -> float:
        if self._constants.largest(key) <= RELATIVE:
            return 0.0
        changed = CONSTANTS_FACTOR * self._constants.near(step, key)
        is_large = changed > KERAS_CONSTANTS and not self._has_keras_constants(key)
        return changed if is_large else KERAS_CONSTANTS

    def _has_keras_constants(self, key: str) -> bool:
        """Whether the port is nearer to Keras at the first states than other constants would be."""
        if key not in self._has_constants:
            first = self._constants.steps[:NUM_FIRST]
            self._has_constants[key] = all(
                self._apart(step, key) < SHOWN * self._constants.near(step, key) for step in first
            )
        return self._has_constants[key]

    def _apart(self, step: int, key: str) -> float:
        name = f"anchored/{step}/{key}"
        if name not in self._keras or name not in self._torch:
            return float("inf")
        arrays = ({name: half[name]} for half in (self._keras, self._torch))
        return next(apart for _, apart in relative_differences(*arrays))


class _Measured:
    """What a change makes of the steps from some anchors, by the key of the array.

    Args:
        keras: trace of the reference.
        name: of the change.
        steps: name of the fact that has the anchors.
    """

    def __init__(self, keras: Trace, name: str, steps: str) -> None:
        self.steps: list[int] = list(keras.facts[steps])
        self._apart = {key: keras[f"{name}/{key}"] for key in keras.below(name)}

    def largest(self, key: str) -> float:
        """Returns the largest of all measured anchors."""
        return float(np.nanmax(self._apart[key], initial=0.0)) if key in self._apart else 0.0

    def near(self, step: int, key: str) -> float:
        """Returns the larger one of the last measured anchor before a step, and of the next."""
        if key not in self._apart:
            return 0.0
        place = int(np.searchsorted(self.steps, step))
        return float(np.nanmax(self._apart[key][max(0, place - 1) : place + 1], initial=0.0))


def read_steps(trace: Trace, step: int) -> dict[str, np.ndarray]:
    """Returns the arrays of `AnchoredSteps` of one anchor, by key."""
    prefix = f"anchored/{step}"
    others = (MASKS, FLOAT32, SIZE)
    keys = [key for key in trace.below(prefix) if key.partition("/")[0] not in others]
    return {key: trace[f"{prefix}/{key}"] for key in keys}


def roundings(keras: Trace, torch: Trace, steps: list[int]) -> list[dict[str, float]]:
    """Returns for each anchor how the port rounds, by weight: 1 is as much as the reference.

    Args:
        keras: trace of the reference.
        torch: trace of the port.
        steps: anchors that both have.
    """
    names = keras.names(f"anchored/{steps[0]}/{FLOAT32}") if steps else ()
    found: list[dict[str, float]] = [{} for _ in steps]
    for name in names:
        of_halves = [[_rounding(half, step, name) for step in steps] for half in (keras, torch)]
        for place in range(len(steps)):
            near = slice(max(0, place - NUM_NEIGHBOURS), place + NUM_NEIGHBOURS + 1)
            theirs, ours = (np.array(rows[near]) for rows in of_halves)
            usual = float(np.quantile(theirs, QUANTILE, method="higher"))
            own = float(np.median(ours))
            found[place][name] = own / usual if usual else (float("inf") if own else 0.0)
    return found


def _rounding(half: Trace, step: int, name: str) -> float:
    """Returns the root of the mean squared rounding of a half's own step; infinite without it."""
    exact, rounded = (f"anchored/{step}/{kind}/{name}" for kind in (f"{MOVED}/1", FLOAT32))
    if exact not in half or rounded not in half or half[exact].shape != half[rounded].shape:
        return float("inf")
    with np.errstate(invalid="ignore", over="ignore"):
        square = np.square(half[rounded] - half[exact])
    # A half that diverges does so in both.
    same = np.isnan(half[rounded]) & np.isnan(half[exact]) | (half[rounded] == half[exact])
    mean = float(np.mean(np.where(same, 0.0, square))) if square.size else 0.0
    return float("inf") if np.isnan(mean) else mean**0.5


def is_repeated(keras: Trace, steps: list[int]) -> bool:
    """Whether the reference's steps in float64 are those that its training made in float32.

    They are not if the program changes on its way what belongs to no recorded state, such as which
    layers are trained: at a fourth of the states, the first step then is another one. How a float32
    weight is rounded where it is kept does not count: late in a schedule, that may be more than the
    step moves it.

    Args:
        keras: trace of the reference.
        steps: its anchors.
    """
    others = 0
    for step in steps:
        apart = size = 0.0
        for name in keras.below(f"anchored/{step}/{FLOAT32}"):
            exact = keras[f"anchored/{step}/{MOVED}/1/{name}"]
            own = keras[f"anchored/{step}/{FLOAT32}/{name}"]
            weight = float(keras[f"anchored/{step}/{SIZE}/{name}"])
            rounding = float(np.finfo(np.float32).eps) * weight
            with np.errstate(invalid="ignore", over="ignore"):
                apart += float(np.square(np.maximum(np.abs(exact - own) - rounding, 0)).sum())
                size += float(np.square(exact).sum())
        others += bool(apart > MOST_APART**2 * size)
    return others * 4 < max(len(steps), 1) or others < 2
