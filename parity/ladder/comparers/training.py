"""The whole training: steps, weights and history of both halves.

Each function takes the traces of the two trainings.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from parity.ladder.compare import absolute_difference, compare_close, compare_exact
from parity.ladder.comparers.rates import RATE, SAME_RATE, Rounding, compare_rates, parting
from parity.ladder.outcome import Outcome, judged, skipped
from parity.ladder.tolerance import FLOAT64, NOISE_FACTOR, WHOLE_RUN

if TYPE_CHECKING:
    from parity.ladder.items import Item
    from parity.traces.trace import Trace

BY_SPREAD = (
    f", or {NOISE_FACTOR:g} times what a change of the initial weights makes of the training that "
    "is as large as the difference after the few steps of the probes, or as rounding, and a change "
    "of the inputs as large as that of a constant of Keras that scales them, and of every step as "
    "large as that of the constants of Keras's optimizer"
)


def trajectory(keras: Trace, torch: Trace) -> Outcome:
    """Compares steps, weights at recorded steps, running losses and the history of epochs.

    It compares as long as both halves make the same steps with the same rates: later differences
    belong to the schedule.
    """
    ends = [trace.facts["epoch_ends"] for trace in (keras, torch)]
    if (epoch := _other_steps(keras, torch)) is not None:
        before, steps = [0, *ends[0]][epoch], [end[epoch] for end in ends]
        item = compare_exact(
            "number of steps", *(step - before for step in steps), epoch=epoch, step=min(steps)
        )
        return judged(_source(torch), [*_of_epochs(keras, torch, epoch), item])
    parted = _parting(keras, torch)
    num_epochs = min(map(len, ends)) if parted is None else parted
    source = _source(torch)
    if parted is not None:
        source += f"; not compared from epoch {parted + 1} on, where the learning rates differ"
    items = list(_of_epochs(keras, torch, num_epochs))
    return judged(source, items) if items else skipped(source)


def _other_steps(keras: Trace, torch: Trace) -> int | None:
    """Returns the first epoch, from 0, in which the halves make other numbers of steps, or None."""
    ends = zip(*(trace.facts["epoch_ends"] for trace in (keras, torch)), strict=False)
    return next((epoch for epoch, (a, b) in enumerate(ends) if a != b), None)


def _parting(keras: Trace, torch: Trace) -> int | None:
    a, b = (half["training/rates"] for half in (keras, torch))
    return parting(a, b, keras.facts["epoch_ends"], Rounding.of(keras))


def allowed(torch: Trace, key: str) -> float:
    """Returns the allowed difference of an array, or of a number after a step, "scalar/N"."""
    spread: dict[str, float] = torch.facts.get("spread") or {}
    return max(FLOAT64, NOISE_FACTOR * float(spread.get(key, 0.0)))


def _source(torch: Trace) -> str:
    return WHOLE_RUN + (BY_SPREAD if torch.facts.get("spread") else "")


def _of_epochs(keras: Trace, torch: Trace, num_epochs: int) -> Iterator[Item]:
    """Compares the first epochs."""
    ends = [0, *keras.facts["epoch_ends"][:num_epochs]]
    for step in keras.numbers("training/weights"):
        if step <= ends[-1] and (items := _weights(keras, torch, step, _epoch(ends, step))):
            yield max(items, key=lambda item: item.ratio)
    for epoch, (first, end) in enumerate(itertools.pairwise(ends)):
        if first < end and not torch.facts.get("has_own_loop"):  # which tells none
            yield _running_loss(keras, torch, epoch, first, end)
        yield from _history(keras, torch, epoch, end)


def _weights(keras: Trace, torch: Trace, step: int, epoch: int) -> list[Item]:
    """Compares the weights that have a place in the port; a port that draws may have none."""
    return [
        compare_close(
            name,
            keras[f"training/weights/{step}/{name}"],
            torch[f"training/weights/{step}/{name}"],
            allowed=allowed(torch, f"training/weights/{step}/{name}"),
            scaled=True,
            epoch=epoch,
            step=step,
        )
        for name in torch.below(f"training/weights/{step}")
    ]


def _running_loss(keras: Trace, torch: Trace, epoch: int, first: int, end: int) -> Item:
    """Compares the running losses of an epoch: the first one above the limit, else the worst."""
    a, b = (trace["training/loss"][first:end] for trace in (keras, torch))
    difference = absolute_difference(a, b)
    difference = difference / np.maximum(1, np.where(np.isfinite(a), np.abs(a), 1))
    most = allowed(torch, f"scalar/{end}")
    above = np.flatnonzero(difference > most)
    row = int(above[0] if above.size else difference.argmax())
    return compare_close(
        "running loss",
        a[row],
        b[row],
        allowed=most,
        scaled=True,
        epoch=epoch,
        step=first + row + 1,
    )


def _history(keras: Trace, torch: Trace, epoch: int, step: int) -> Iterator[Item]:
    """Compares what both halves report of an epoch; what a half does not report is left out."""
    for key in keras.history:
        column, other = keras.history[key], torch.history.get(key)
        # Validation may be left out in some epochs; a column then has fewer numbers.
        is_full = len(column) == len(keras.facts["epoch_ends"])
        if key == RATE or other is None or not is_full or epoch >= len(other):
            continue
        yield compare_close(
            key,
            column[epoch],
            other[epoch],
            allowed=allowed(torch, f"scalar/{step}"),
            scaled=True,
            epoch=epoch,
            step=step,
        )


def schedule(keras: Trace, torch: Trace) -> Outcome:
    """Compares the rate of every step, the last epoch, and what the training ends with."""
    if _other_steps(keras, torch) is not None:
        return skipped("the halves make different steps")
    items = [
        compare_rates(
            keras["training/rates"],
            torch["training/rates"],
            keras.facts["epoch_ends"],
            Rounding.of(keras),
        ),
        compare_exact("epochs", *(len(trace.facts["epoch_ends"]) for trace in (keras, torch))),
    ]
    if keras.facts["epoch_ends"] == torch.facts["epoch_ends"] and _parting(keras, torch) is None:
        items += _final(keras, torch)
    return judged(f"{_source(torch)}; rates within {SAME_RATE:g} of themselves", items)


def _final(keras: Trace, torch: Trace) -> Iterator[Item]:
    step = keras.facts["epoch_ends"][-1] if keras.facts["epoch_ends"] else 0
    for name in torch.below("training/final"):
        yield compare_close(
            f"{name} that the training ends with",
            keras[f"training/final/{name}"],
            torch[f"training/final/{name}"],
            allowed=allowed(torch, f"training/final/{name}"),
            scaled=True,
            step=step,
        )


def _epoch(ends: list[int], step: int) -> int:
    """Returns the epoch, from 0, that a step belongs to; step 0 is before the first."""
    return max(0, int(np.searchsorted(ends, step, side="left")) - 1)
