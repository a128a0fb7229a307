"""AnchoredTolerance: how far what a port computes from an anchor may be from the reference.

The steps of both halves are made in float64, where rounding is a billionth of the least fault. Of
an array they may differ by

    RELATIVE, or NOISE_FACTOR times what one unit in the last place of the state changes in the
    reference, whichever is more, relative to the largest value of the array

Keras keeps some constants in float32, such as the betas of Adam; a port that writes 0.999 is right.
Where they matter, it may differ by KERAS_CONSTANTS, and, if it does not have Keras's, by
CONSTANTS_FACTOR times what they change in the reference. A port has Keras's if it does not show at
the first states what others would change there.

How far weights have moved is also off by some roundings of the weights: at the end of a schedule
that is more, since a weight of 0.1 moves by 1e-10 there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from parity.ladder.compare import relative_differences
from parity.ladder.tolerance import NOISE_FACTOR
from parity.traces.anchors import MOVED, SIZE

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
NUM_ROUNDINGS = 8  # of a weight, by two halves in NUM_STEPS steps, and by what the noise misses


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
