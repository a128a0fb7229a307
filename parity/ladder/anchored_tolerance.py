"""How far steps from anchors, and learning rates, may differ, and how two free runs part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from parity.ladder.anchored import in_float32
from parity.ladder.compare import (
    absolute_difference,
    compare_close,
    compare_exact,
    relative_differences,
)
from parity.ladder.items import ROUNDINGS
from parity.ladder.rounding import LEARNING_RATE, MOST_RATE_ROUNDING, NOISE_FACTOR
from parity.traces.anchors import MOVED, NUM_STEPS, SIZE

if TYPE_CHECKING:
    from parity.ladder.items import Item, Level
    from parity.traces.trace import KerasTrace, PortTrace


# --- AnchoredTolerance: how far what a port computes from an anchor may be from the reference -----
#
# The steps of both halves are made in float64, where rounding is a billionth of the least fault. Of
# an array they may differ by
#
#     RELATIVE, or NOISE_FACTOR times what one unit in the last place of the state changes in the
#     reference, whichever is more, relative to the largest value of the array
#
# Keras keeps some constants in float32, such as the betas of Adam; a port that writes 0.999 is
# right. Where they matter, it may differ by KERAS_CONSTANTS of what is usual around a state, since
# momentum and gradient may nearly cancel in one, and, if it does not have Keras's, by
# CONSTANTS_FACTOR times what they change in the reference. A port has Keras's if it does not show
# at the first states what others would change there.
#
# How far weights have moved is also off by some roundings of the weights: at the end of a schedule
# that is more, since a weight of 0.1 moves by 1e-10 there.


RELATIVE = 1e-9
# What constants change is measured at few states, and differs by state. It is up to 1e-6, but where
# 1 - 0.999 matters, which is 1.3e-5 off in float32.
CONSTANTS_FACTOR, KERAS_CONSTANTS = 10.0, 1e-6
NUM_FIRST = 2  # states at which it is seen whether a port has them
NUM_USUAL = 2  # states on each side, in which the size of an array is usual
MOST_USUAL = 100.0  # by which an array may be smaller than those of other weights
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

    def __init__(self, keras: KerasTrace, torch: PortTrace) -> None:
        self._keras, self._torch = keras, torch
        self.steps: list[int] = list(keras.facts["anchors"])
        self._noise = _Measured(keras, "anchor_noise", keras.facts["anchors_measured"])
        with_constants = keras.facts["anchors_with_constants"]
        self._constants = _Measured(keras, "anchor_constants", with_constants)
        self._most_by_constants = max(map(self._constants.largest, self._constants.keys), default=0)
        # Of all weights, asked for each of them.
        self._near_of_kind, self._size_of_kind = cache(self._found_near), cache(self._found_size)
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
        # At the states that are measured. There a number may be the same by chance, such as where
        # nothing is clipped, and an array may change less than elsewhere. So whether constants
        # matter is told by all arrays, and how much, by those of a kind.
        if self._most_by_constants <= RELATIVE:
            return CONSTANTS_FACTOR * self._most_by_constants
        is_array = key.startswith((f"{MOVED}/", "slots/"))
        near = self._near_of_kind(step, _kind(key)) if is_array else self._constants.near(step, key)
        changed = CONSTANTS_FACTOR * near
        is_large = changed > KERAS_CONSTANTS and not self._has_keras_constants(key)
        return max(changed if is_large else 0.0, KERAS_CONSTANTS * self._usual(step, key))

    def _usual(self, step: int, key: str) -> float:
        """Returns by how much an array is usually larger: it may nearly cancel.

        What is usual is its own size around the state, or up to `MOST_USUAL` times its size that of
        the same of other weights: constants change the gradient of each sample, and the mean of
        these may nearly cancel for a long time, as that of a single bias at the end does.
        """
        place = int(np.searchsorted(self.steps, step))
        near = self.steps[max(0, place - NUM_USUAL) : place + NUM_USUAL + 1]
        keys = [f"anchored/{each}/{key}" for each in near]
        sizes = [self._keras.largest(each) for each in keys if each in self._keras]
        own = f"anchored/{step}/{key}"
        size = self._keras.largest(own) if own in self._keras else 0.0
        if not size:
            return 1.0
        of_others = min(MOST_USUAL, self._size_of_kind(step, _kind(key)) / size)
        return max(1.0, float(np.median(sizes)) / size, of_others)

    def _found_near(self, step: int, kind: str) -> float:
        alike = [each for each in self._constants.keys if each.startswith(kind)]
        return max((self._constants.near(step, each) for each in alike), default=0.0)

    def _found_size(self, step: int, kind: str) -> float:
        prefix = f"anchored/{step}/{kind}"
        names = self._keras.below(prefix[:-1])
        return max((self._keras.largest(prefix + name) for name in names), default=0.0)

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


def _kind(key: str) -> str:
    """Returns with what the keys of the same of all weights begin, such as "moved/1/"."""
    kind, *rest = key.split("/")
    return "/".join([kind, *rest[: 2 if kind == "slots" else 1], ""])


class _Measured:
    """What a change makes of the steps from some anchors, by the key of the array.

    Args:
        keras: trace of the reference.
        name: of the change.
        steps: anchors from which it was measured.
    """

    def __init__(self, keras: KerasTrace, name: str, steps: Sequence[int]) -> None:
        self.steps = list(steps)
        self._apart = {key: keras[f"{name}/{key}"] for key in keras.below(name)}
        self.keys = list(self._apart)

    def largest(self, key: str) -> float:
        """Returns the largest of all measured anchors."""
        return float(np.nanmax(self._apart[key], initial=0.0)) if key in self._apart else 0.0

    def near(self, step: int, key: str) -> float:
        """Returns the larger one of the last measured anchor before a step, and of the next."""
        if key not in self._apart:
            return 0.0
        place = int(np.searchsorted(self.steps, step))
        return float(np.nanmax(self._apart[key][max(0, place - 1) : place + 1], initial=0.0))


# --- What a result tells of anchors, and of how the two free runs part ----------------------------


# Two runs have parted when a weight differs by so many units in the last place of the largest one.
PARTED = 100
WEIGHTS = "training/weights"


def anchors_record(keras: KerasTrace, level: Level) -> dict[str, Any] | None:
    """Returns how far the port is from the reference at each anchor; None without anchors.

    Args:
        keras: trace of the reference.
        level: the level "trajectory".

    Returns:
        The fields of `parity.ladder.result_record.AnchorsRecord`.
    """
    if "anchors" not in keras.facts:
        return None
    worst = worst_of_anchors(level)
    return {
        "num_steps": NUM_STEPS,
        "num_trained": len(keras["training/rates"]),
        "steps": [item.step for item in worst],
        "difference": [item.worst for item in worst],
        "allowed": [item.allowed for item in worst],
        "rounding": [item.worst for item in level.items if item.unit == ROUNDINGS],
    }


def worst_of_anchors(level: Level) -> list[Item]:
    """Returns, of the steps from each anchor, the item that is nearest to its limit."""
    found: dict[int, Item] = {}
    for item in level.items:
        if item.unit == "rel" and item.step is not None:
            found[item.step] = max(found.get(item.step, item), item, key=lambda each: each.ratio)
    return [found[step] for step in sorted(found)]


def compared_steps(keras: KerasTrace, torch: PortTrace) -> list[int]:
    """Returns the steps after which weights are compared.

    Behind its last batch, a loop of the port's own may put in place what the training ends with,
    such as averages, which Keras does a moment later. That is compared by itself.
    """
    steps = sorted(keras.numbers(WEIGHTS))
    return steps[:-1] if torch.facts.get("has_own_loop") else steps


def drift_record(keras: KerasTrace, torch: PortTrace) -> dict[str, Any]:
    """Returns how the weights of the two free runs part.

    Returns:
        The "steps" at which both recorded their weights, the greatest "difference" of a weight at
        each, and the first step at which they have "parted", or None.
    """
    steps = [step for step in compared_steps(keras, torch) if step in torch.numbers(WEIGHTS)]
    differences, parted = [], None
    epsilon = float(np.finfo(keras.spec["dtype"]).eps)
    for step in steps:
        keys = [f"{WEIGHTS}/{step}/{name}" for name in torch.below(f"{WEIGHTS}/{step}")]
        apart = [float(absolute_difference(keras[key], torch[key]).max()) for key in keys]
        differences.append(max(apart))
        size = max(float(np.abs(keras[key]).max()) for key in keys)
        if parted is None and not max(apart) <= PARTED * epsilon * size:
            parted = step
    return {"steps": steps, "difference": differences, "parted": parted}


# --- The learning rates of all steps of a training ------------------------------------------------


RATE = "learning_rate"
# Keras keeps a rate in float32 or float64, torch in float64.
SAME_RATE = LEARNING_RATE


@dataclass(frozen=True)
class Rounding:
    """How Keras rounds its rates.

    Attributes:
        is_scheduled: whether they are those of a schedule, which Keras computes in float32: it is
            off by some units in the last place of its largest rate, as in the probes. Without one,
            a rate is a number that callbacks change.
        in_float32: whether it is rounded to float32 at every change.
    """

    is_scheduled: bool = True
    in_float32: bool = False

    @classmethod
    def of(cls, keras: KerasTrace) -> Rounding:
        """Returns how a training of Keras rounds them."""
        return cls(bool(keras.facts["has_schedule"]), in_float32(keras))


def compare_rates(
    keras: np.ndarray, torch: np.ndarray, epoch_ends: Sequence[int], rounding: Rounding
) -> Item:
    """Compares the rates: the first step with another one, else the largest difference.

    Args:
        keras: (steps,) rates.
        torch: likewise; of the longer one the last steps are left out.
        epoch_ends: number of steps after each epoch.
        rounding: of Keras's rates.
    """
    shorter = min(len(keras), len(torch))
    if not shorter:
        return compare_exact("steps", len(keras), len(torch))
    keras, torch = keras[:shorter], torch[:shorter]
    most = allowed_rates(keras, rounding)
    apart = absolute_difference(keras, torch)
    above = np.flatnonzero(apart > most)
    row = int(above[0] if above.size else (apart / most).argmax())
    return compare_close(
        RATE,
        keras[row],
        torch[row],
        allowed=float(most[row] / (_sizes(keras)[row] or 1.0)),
        unit="rel",
        epoch=int(np.searchsorted(epoch_ends, row, side="right")),
        step=row + 1,
    )


def parting(
    keras: np.ndarray, torch: np.ndarray, epoch_ends: Sequence[int], rounding: Rounding
) -> int | None:
    """Returns the first epoch, from 0, in which a step has another rate, or None.

    The arguments are those of `compare_rates`.
    """
    shorter = min(len(keras), len(torch))
    keras, torch = keras[:shorter], torch[:shorter]
    apart = absolute_difference(keras, torch)
    differs = np.flatnonzero(apart > allowed_rates(keras, rounding))
    return int(np.searchsorted(epoch_ends, differs[0], side="right")) if differs.size else None


def allowed_rates(rates: np.ndarray, rounding: Rounding) -> np.ndarray:
    """Returns the allowed difference of each rate; see `compare_rates`."""
    sizes = _sizes(rates)
    most: np.ndarray = SAME_RATE * sizes + 1e-300
    if rounding.is_scheduled:
        most = most + MOST_RATE_ROUNDING * float(sizes.max(initial=0.0))
    if rounding.in_float32:
        changes = np.cumsum(np.diff(rates, prepend=rates[:1]) != 0)
        most = most + changes * float(np.finfo(np.float32).eps) * sizes
    return most


def _sizes(rates: np.ndarray) -> np.ndarray:
    """Returns absolute values; 0 for a rate that is not finite, to which no other one is near."""
    return np.where(np.isfinite(rates), np.abs(rates), 0.0)
