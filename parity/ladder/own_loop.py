"""Loops of a port's own: what they may make good, and what they do in each step of a training.

loop/batches            (steps,) the batch of its epoch, from 0, that the first pass of a step
is of; -1 if it is none of them as they were given
loop/optimizer_steps    (steps,) steps of the optimizer
loop/passes             (steps,) passes in train mode, if they move statistics
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from parity.data.probe_inputs import AVERAGE
from parity.ladder.compare import compare_exact
from parity.ladder.items import FAIL, SKIPPED, Level

if TYPE_CHECKING:
    from parity.ladder.items import Item
    from parity.traces.trace import PortTrace

BATCHES, OPTIMIZER_STEPS = "loop/batches", "loop/optimizer_steps"
PASSES, PERIOD, TRAINING = "loop/passes", "loop/period", "loop/training"
UNKNOWN = -1
BATCH_OF_STEP, STEPS_OF_BATCH = "batch of the step", "steps of the optimizer for the batch"
PASSES_OF_BATCH = "passes in train mode for the batch"
MODE_OF_STEP = "train mode"


# What plain steps of a probe compare, and a loop may do by itself: weight samples, add penalties to
# the loss, clip, accumulate, set rates.
OF_STEPS = ("loss", "gradient", "optimizer", "trajectory", "schedule")
OWN_LOOP = "the steps of the port's own loop"
_WHY = "the port's own loop makes the steps, and may do what a plain step lacks"


def left_to_loop(
    levels: Sequence[Level], port: PortTrace, names: Sequence[str] = OF_STEPS
) -> tuple[Level, ...]:
    """Returns levels without those of plain steps that differ, if the port has its own loop.

    Args:
        levels: of a probe.
        port: its trace.
        names: of the levels that may be left out; that of the schedule is if the port gives none.
    """
    given = port.facts["given"]
    if not given.get("train_epoch"):
        return tuple(levels)
    left = {*names, *(() if given["scheduler"] else ("schedule",))}
    return tuple(
        Level(each.id, SKIPPED, _WHY)
        if each.status == FAIL and (each.id in left or _is_of_averages(each))
        else each
        for each in levels
    )


def _is_of_averages(level: Level) -> bool:
    """Whether averages alone differ, which a loop may keep."""
    differing = [item.name for item in level.items if not item.agrees]
    return bool(differing) and all(name.endswith(f".{AVERAGE}") for name in differing)


def loop_left_open(levels: Sequence[Level]) -> Iterator[dict[str, str]]:
    """Yields {"what", "why", "do"} if `left_to_loop` has left something out."""
    if names := [each.id for each in levels if each.tolerance_source == _WHY]:
        why = f"a plain step differs from Keras's ({', '.join(names)}), and a check makes no others"
        yield {"what": OWN_LOOP, "why": why, "do": "`parity run` trains by the loop"}


def loop_not_compared(levels: Sequence[Level], port: PortTrace) -> Iterator[dict[str, str]]:
    """Yields {"what", "why"} if the port has a loop, of which `loop_left_open` tells nothing."""
    if port.facts["given"].get("train_epoch") and not any(loop_left_open(levels)):
        yield {"what": OWN_LOOP, "why": "a check makes no epochs; `parity run` trains by the loop"}


def of_loop(torch: PortTrace) -> Iterator[Item]:
    """Yields which batch each step is of, and how often optimizer and module are called for it.

    Keras takes the batches in their order. How often they are called is a habit of the loop, such
    as twice, or for every second batch: one that it leaves in single steps is a difference.
    """
    if BATCHES not in torch:
        return
    ends = torch.facts["epoch_ends"]
    number = ends[-1] if ends else 0
    found = torch[BATCHES][:number]
    expected = np.concatenate([[], *map(np.arange, np.diff([0, *ends]))]).astype(int)
    wrong = np.flatnonzero((found != UNKNOWN) & (found != expected[: len(found)]))
    yield _item(BATCH_OF_STEP, expected + 1, found + 1, wrong, ends)
    modes = torch[TRAINING][:number]
    yield _item(MODE_OF_STEP, np.ones_like(modes), modes, np.flatnonzero(~modes), ends)
    for name, key in ((STEPS_OF_BATCH, OPTIMIZER_STEPS), (PASSES_OF_BATCH, PASSES)):
        if key in torch and (key != PASSES or modes.all()):
            counts = torch[key][:number]
            usual = _habit(counts, int(torch[PERIOD]))
            yield _item(name, usual, counts, np.flatnonzero(counts != usual), ends)


def _item(
    name: str, theirs: np.ndarray, ours: np.ndarray, wrong: np.ndarray, ends: list[int]
) -> Item:
    if not wrong.size:
        return compare_exact(name, True, True)
    step = int(wrong[0])
    place = {"epoch": int(np.searchsorted(ends, step, side="right")), "step": step + 1}
    return compare_exact(name, int(theirs[step]), int(ours[step]), **place)


def _habit(steps: np.ndarray, period: int) -> np.ndarray:
    """Returns how often the optimizer usually steps, by the number of the batch in a period.

    A loop that adds gradients up over a period shows it in the first one: once its count is off, it
    stays so. Any other does in most steps what it usually does.
    """
    if period > 1:
        return np.resize(steps[:period], steps.shape)
    values, counts = np.unique(steps, return_counts=True)
    return np.full_like(steps, values[counts.argmax()] if values.size else 0)
