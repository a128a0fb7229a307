"""Decisions of a training that is compared from recorded states: cuts of the rate, and its end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from parity.data.probe_inputs import of_step
from parity.ladder.anchored import in_float32
from parity.ladder.compare import compare_exact
from parity.ladder.comparers.rates import Rounding, compare_rates, parting
from parity.ladder.decisions import closest_call, told_call
from parity.ladder.outcome import Outcome, judged
from parity.ladder.tolerance import EXACT

if TYPE_CHECKING:
    from parity.ladder.items import Item
    from parity.traces.trace import Trace

ENDS_WITH = "that the training ends with"


def decisions(keras: Trace, torch: Trace) -> Outcome:
    """Compares what the rules of the port decide, given Keras's history, with what Keras did.

    The halves have other losses, and may cut or stop in other epochs. So each half is
    compared with its own rules: those of the port must have decided in its own training as they do
    of its history.
    """
    items = [*_of_history(keras, torch), *_of_its_own(torch, Rounding.of(keras))]
    source = f"{EXACT}; the port's rules, given Keras's history, and each half by its rules"
    if in_float32(keras):
        source += "; rates within the rounding of float32"
    if (told := _parted(keras, torch)) is not None:
        source += f"; {told}"
    return judged(source, items)


def _parted(keras: Trace, torch: Trace) -> str | None:
    """Tells where the halves decided otherwise in their own trainings, and by how little."""
    epoch = _parting(keras, torch)
    if not epoch:  # what differs from the start was not decided
        return None
    texts = []
    for rule in keras.facts.get("watched", ()):
        key, sign = rule["monitor"], -1.0 if rule["is_max"] else 1.0
        columns = [sign * np.array(half.history.get(key, ())[:epoch]) for half in (keras, torch)]
        if not all(len(column) == epoch for column in columns):  # of some epochs only
            continue
        apart = float(np.abs(columns[0] - columns[1]).max())
        call = closest_call(columns[0].tolist(), rule["min_delta"], rule["start"])
        texts.append(told_call(key, apart, *call))
    told = f"from epoch {epoch + 1} on the halves decide otherwise"
    return f"{told}: {'; '.join(texts)}" if texts else None


def _parting(keras: Trace, torch: Trace) -> int | None:
    """Returns the first epoch, from 0, that has another rate or is there in one half only."""
    ends = [half.facts["epoch_ends"] for half in (keras, torch)]
    a, b = (half["training/rates"] for half in (keras, torch))
    epoch = parting(a, b, ends[0], Rounding.of(keras))
    if epoch is None and len(ends[0]) != len(ends[1]):
        return min(map(len, ends))
    return epoch


def _of_history(keras: Trace, torch: Trace) -> Iterator[Item]:
    ends = keras.facts["epoch_ends"]
    theirs, ours = keras["training/rates"], torch["rules/keras/rates"]
    yield compare_rates(theirs, ours, ends, Rounding.of(keras))
    yield compare_exact("epochs", len(ends), int(torch["rules/keras/epochs"]))
    if int(torch["rules/keras/epochs"]) == len(ends):
        yield from _endings("", keras, torch, "keras")


def _of_its_own(torch: Trace, rounding: Rounding) -> Iterator[Item]:
    ends = torch.facts["epoch_ends"]
    item = compare_rates(torch["rules/torch/rates"], torch["training/rates"], ends, rounding)
    yield replace(item, name="learning rates of torch by its rules")
    yield compare_exact("epochs of torch by its rules", int(torch["rules/torch/epochs"]), len(ends))
    yield from _endings(" of torch by its rules", torch, torch, "torch")


def _endings(whose: str, half: Trace, torch: Trace, history: str) -> Iterator[Item]:
    """Compares the epoch whose weights a half ends with, by weight, with what the rules say."""
    ends = half.facts["epoch_ends"]
    for name in torch.below(f"rules/{history}/ends"):
        key = f"training/final/{name}"
        if key not in half:
            continue
        final = of_step(half[key])
        epochs = [
            number
            for number, step in enumerate([0, *ends])
            if np.array_equal(half[f"training/weights/{step}/{name}"], final)
        ]
        told = int(torch[f"rules/{history}/ends/{name}"])
        if epochs:  # else they are of no epoch, such as averages
            yield compare_exact(
                f"{name} {ENDS_WITH}{whose}",
                f"of epoch {told if told in epochs else epochs[-1]}",
                f"of epoch {told}",
                step=ends[-1],
            )
