"""The learning rates of all steps of a training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from parity.ladder.anchored import in_float32
from parity.ladder.compare import absolute_difference, compare_close, compare_exact
from parity.ladder.tolerance import LEARNING_RATE, MOST_RATE_ROUNDING

if TYPE_CHECKING:
    from parity.ladder.items import Item
    from parity.traces.trace import Trace

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
    def of(cls, keras: Trace) -> Rounding:
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
