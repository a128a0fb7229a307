"""What both halves computed in the steps from anchors, and by how little a rule has decided."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from parity.traces.anchors import EXPECTED, FLOAT32, MASKS, MOVED, SIZE

if TYPE_CHECKING:
    from parity.traces.trace import KerasTrace, PortTrace, Trace


# --- What both halves computed in the steps from anchors, and how float32 rounded them ------------
#
# The first step from an anchor is made in float64 and in float32. How far the two are apart is the
# rounding of a half. Where rounding decides a pool or a ReLU, one step in some hundred is thousands
# of times further off, in either half; so what counts is what is usual around an anchor:
#
#     rounding(anchor) = median of the port's, over the upper fifth of the reference's


ROUNDING_FACTOR = 10.0
# Rounding changes a step by a thousandth, or, where it decides a pool, by some hundredths.
MOST_APART = 0.1
NUM_NEIGHBOURS = 6  # anchors on each side, in which rounding is usual
QUANTILE = 0.8

CHANGES = (
    "the Keras program changes on its way what no recorded state has, such as which layers are "
    "trained: the same steps, made again in float64, are others"
)


def in_float32(keras: KerasTrace) -> bool:
    """Whether a training is one in float32; older traces do not tell it."""
    return bool(keras.spec.get("dtype", FLOAT32) == FLOAT32)


def read_steps(trace: Trace, step: int) -> dict[str, np.ndarray]:
    """Returns the arrays of `AnchoredSteps` of one anchor, by key."""
    prefix = f"anchored/{step}"
    others = (MASKS, FLOAT32, SIZE, EXPECTED)
    keys = [key for key in trace.below(prefix) if key.partition("/")[0] not in others]
    return {key: trace[f"{prefix}/{key}"] for key in keys}


def roundings(keras: KerasTrace, torch: PortTrace, steps: list[int]) -> list[dict[str, float]]:
    """Returns for each anchor how the port rounds, by weight: 1 is as much as the reference.

    Args:
        keras: trace of the reference.
        torch: trace of the port.
        steps: anchors that both have.
    """
    names = keras.below(f"anchored/{steps[0]}/{FLOAT32}") if steps else ()
    found: list[dict[str, float]] = [{} for _ in steps]
    for name in names:
        of_halves = [[_rounding(half, step, name) for step in steps] for half in (keras, torch)]
        for place in range(len(steps)):
            near = slice(max(0, place - NUM_NEIGHBOURS), place + NUM_NEIGHBOURS + 1)
            theirs, ours = (np.array(rows[near]) for rows in of_halves)
            usual = float(np.quantile(theirs, QUANTILE, method="higher"))
            median = float(np.median(ours))
            found[place][name] = median / usual if usual else (float("inf") if median else 0.0)
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


def is_repeated(keras: KerasTrace, steps: list[int]) -> bool:
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
            recorded = keras[f"anchored/{step}/{FLOAT32}/{name}"]
            weight = float(keras[f"anchored/{step}/{SIZE}/{name}"])
            rounding = float(np.finfo(np.float32).eps) * weight
            with np.errstate(invalid="ignore", over="ignore"):
                apart += float(np.square(np.maximum(np.abs(exact - recorded) - rounding, 0)).sum())
                size += float(np.square(exact).sum())
        others += bool(apart > MOST_APART**2 * size)
    return others * 4 < max(len(steps), 1) or others < 2


# --- Decisions: by how little a rule has decided --------------------------------------------------
#
# Two right halves may decide differently in float32, where their losses differ.
#
# Source: keras 3.15 `callbacks/reduce_lr_on_plateau.py`, `early_stopping.py`,
# `monitor_callback.py`.


def closest_call(
    losses: Sequence[float], min_delta: float = 0.0, start: int = 0
) -> tuple[int, float]:
    """Returns the epoch from 0 in which an improvement was decided by least, and by how much.

    Args:
        losses: what a rule watches, of each epoch; less is better.
        min_delta: an improvement is a decrease by more than this.
        start: the first epoch that is watched.
    """
    best, closest = float("inf"), (0, float("inf"))
    for epoch, loss in enumerate(losses[start:], start):
        margin = best - (loss + min_delta)
        if abs(margin) < closest[1]:
            closest = epoch, abs(margin)
        if margin > 0:
            best = loss
    return closest


def close_call_text(key: str, apart: float, epoch: int, margin: float) -> str:
    """Returns by how little two halves decided otherwise.

    Args:
        key: column of the history that a rule watches.
        apart: the largest difference of the halves in it before they did.
        epoch: from 0, of Keras's closest call.
        margin: of that call.
    """
    return (
        f"the {key} of the halves differ by up to {apart:.2g}, and Keras decided on an "
        f"improvement by {margin:.2g} in epoch {epoch + 1}"
    )
