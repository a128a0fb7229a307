"""What a loop of the port's own does in each step of its training, held against what Keras does.

loop/batches            (steps,) the batch of its epoch, from 0, that the first pass of a step is
of; -1 if it is none of them as they were given
loop/optimizer_steps    (steps,) steps of the optimizer
loop/training           (steps,) whether the module was in train mode in that pass
loop/evaluated          (validations,) whether it was so in a pass of the loop that validates
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from parity.ladder.compare import compare_exact

if TYPE_CHECKING:
    from parity.ladder.items import Item
    from parity.traces.trace import KerasTrace, PortTrace

BATCHES, OPTIMIZER_STEPS = "loop/batches", "loop/optimizer_steps"
TRAINING, EVALUATED = "loop/training", "loop/evaluated"
UNKNOWN = -1
_MOST_PERIOD = 16  # batches after which a loop with accumulated gradients steps
_USUAL = 0.9  # share of the batches that show a habit
BATCH_OF_STEP, STEPS_OF_BATCH = "batch of the step", "steps of the optimizer for the batch"


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
