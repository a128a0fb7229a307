"""Loops of a port's own: what they may make good, and what they do in each step of a training.

loop/batches            (steps,) the batch of its epoch, from 0, that the first pass of a step
is of; -1 if it is none of them as they were given
loop/optimizer_steps    (steps,) steps of the optimizer
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from parity.ladder.compare import compare_exact
from parity.ladder.items import FAIL, SKIPPED, Level

if TYPE_CHECKING:
    from parity.ladder.items import Item
    from parity.traces.trace import KerasTrace, PortTrace

BATCHES, OPTIMIZER_STEPS = "loop/batches", "loop/optimizer_steps"
UNKNOWN = -1
_MOST_PERIOD = 16  # batches after which a loop with accumulated gradients steps
_USUAL = 0.9  # share of the batches that show a habit
BATCH_OF_STEP, STEPS_OF_BATCH = "batch of the step", "steps of the optimizer for the batch"


# What plain steps of a probe compare, and a loop may do by itself: clip, accumulate, set rates.
_OF_STEPS = ("optimizer", "trajectory", "schedule")
OWN_LOOP = "the steps of the port's own loop"
_WHY = "the port's own loop makes the steps, and may do what a plain step lacks"


def left_to_loop(levels: Sequence[Level], port: PortTrace) -> tuple[Level, ...]:
    """Returns levels without those of plain steps that differ, if the port has its own loop."""
    if not port.facts["given"].get("train_epoch"):
        return tuple(levels)
    return tuple(
        Level(each.id, SKIPPED, _WHY) if each.id in _OF_STEPS and each.status == FAIL else each
        for each in levels
    )


def loop_left_open(levels: Sequence[Level]) -> Iterator[dict[str, str]]:
    """Yields {"what", "why", "do"} if `left_to_loop` has left something out."""
    if names := [each.id for each in levels if each.tolerance_source == _WHY]:
        why = f"a plain step differs from Keras's ({', '.join(names)}), and a check makes no others"
        yield {"what": OWN_LOOP, "why": why, "do": "`parity run` trains by the loop"}


def of_loop(keras: KerasTrace, torch: PortTrace) -> Iterator[Item]:
    """Yields which batch each step is of, and how often the optimizer steps for it.

    Keras takes the batches in their order. How often an optimizer steps is a habit of the loop,
    such as twice, or for every second batch: one that it leaves in single steps is a difference.
    """
    if BATCHES not in torch:
        return
    ends = torch.facts["epoch_ends"]
    number = ends[-1] if ends else 0
    found = torch[BATCHES][:number]
    expected = np.concatenate([[], *map(np.arange, np.diff([0, *ends]))]).astype(int)
    wrong = np.flatnonzero((found != UNKNOWN) & (found != expected[: len(found)]))
    yield _item(BATCH_OF_STEP, expected + 1, found + 1, wrong, ends)
    steps = torch[OPTIMIZER_STEPS][:number]
    if (usual := _habit(steps, expected[: len(steps)])) is not None:
        yield _item(STEPS_OF_BATCH, usual, steps, np.flatnonzero(steps != usual), ends)


def _item(
    name: str, theirs: np.ndarray, ours: np.ndarray, wrong: np.ndarray, ends: list[int]
) -> Item:
    if not wrong.size:
        return compare_exact(name, True, True)
    step = int(wrong[0])
    place = {"epoch": int(np.searchsorted(ends, step, side="right")), "step": step + 1}
    return compare_exact(name, int(theirs[step]), int(ours[step]), **place)


def _habit(steps: np.ndarray, places: np.ndarray) -> np.ndarray | None:
    """Returns what is usual at each place, which repeats after some batches of an epoch.

    Args:
        steps: of the optimizer, by batch.
        places: of the batches in their epochs.

    Returns:
        None if nothing is usual.
    """
    for period in range(1, _MOST_PERIOD + 1):
        usual = np.zeros_like(steps)
        for first in range(period):
            of_it = places % period == first
            values, counts = np.unique(steps[of_it], return_counts=True)
            usual[of_it] = values[counts.argmax()] if len(values) else 0
        if len(steps) and (steps == usual).mean() >= _USUAL:
            return usual
    return None
