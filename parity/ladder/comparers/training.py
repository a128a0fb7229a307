"""The whole training: steps, weights and history of both halves; the verdict on the fit."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from parity.behaviour.rules import judge, judge_run
from parity.ladder.anchored_tolerance import (
    RATE,
    SAME_RATE,
    Rounding,
    compare_rates,
    compared_steps,
    parting,
)
from parity.ladder.compare import absolute_difference, compare_close, compare_exact
from parity.ladder.initial_weights import drawn_tolerance
from parity.ladder.items import PASS, Outcome, judged, skipped
from parity.ladder.own_loop import of_loop
from parity.ladder.rounding import EXACT, FLOAT64, NOISE_FACTOR, WHOLE_RUN
from parity.programs.run_spec import RunSpec

if TYPE_CHECKING:
    from parity.behaviour.rules import Judgement
    from parity.ladder.items import Item
    from parity.traces.trace import KerasTrace, PortTrace, Trace


# --- The whole training: steps, weights and history of both halves --------------------------------
#
# Each function takes the traces of the two trainings.


BY_SPREAD = (
    f", or {NOISE_FACTOR:g} times what a change of the initial weights makes of the training that "
    "is as large as the difference after the few steps of the probes, or as rounding, and a change "
    "of the inputs as large as that of a constant of Keras that scales them, and of every step as "
    "large as that of the constants of Keras's optimizer"
)


def trajectory(keras: KerasTrace, torch: PortTrace) -> Outcome:
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
    items = [*_of_epochs(keras, torch, num_epochs), *of_loop(torch)]
    return judged(source, items) if items else skipped(source)


def _other_steps(keras: KerasTrace, torch: PortTrace) -> int | None:
    """Returns the first epoch, from 0, in which the halves make other numbers of steps, or None."""
    ends = zip(*(trace.facts["epoch_ends"] for trace in (keras, torch)), strict=False)
    return next((epoch for epoch, (a, b) in enumerate(ends) if a != b), None)


def _parting(keras: KerasTrace, torch: PortTrace) -> int | None:
    a, b = (half["training/rates"] for half in (keras, torch))
    return parting(a, b, keras.facts["epoch_ends"], Rounding.of(keras))


def allowed(torch: PortTrace, key: str) -> float:
    """Returns the allowed difference of an array, or of a number after a step, "scalar/N"."""
    spread: dict[str, float] = torch.facts.get("spread") or {}
    return max(FLOAT64, NOISE_FACTOR * float(spread.get(key, 0.0)))


def _source(torch: PortTrace) -> str:
    return WHOLE_RUN + (BY_SPREAD if torch.facts.get("spread") else "")


def _of_epochs(keras: KerasTrace, torch: PortTrace, num_epochs: int) -> Iterator[Item]:
    """Compares the first epochs."""
    ends = [0, *keras.facts["epoch_ends"][:num_epochs]]
    for step in compared_steps(keras, torch):
        if step <= ends[-1] and (items := _weights(keras, torch, step, _epoch(ends, step))):
            yield max(items, key=lambda item: item.ratio)
    for epoch, (first, end) in enumerate(itertools.pairwise(ends)):
        if first < end and not torch.facts.get("has_own_loop"):  # which tells none
            yield _running_loss(keras, torch, epoch, first, end)
        yield from _history(keras, torch, epoch, end)


def _weights(keras: KerasTrace, torch: PortTrace, step: int, epoch: int) -> list[Item]:
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


def _running_loss(keras: KerasTrace, torch: PortTrace, epoch: int, first: int, end: int) -> Item:
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


def _history(keras: KerasTrace, torch: PortTrace, epoch: int, step: int) -> Iterator[Item]:
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


def schedule(keras: KerasTrace, torch: PortTrace) -> Outcome:
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


def _final(keras: KerasTrace, torch: PortTrace) -> Iterator[Item]:
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


# --- Behaviour: the verdict on the fit ------------------------------------------------------------


# Two counts of right answers differ by more in one of 370 pairs.
NUM_DEVIATIONS = 3.0


def of_training(keras: KerasTrace, torch: PortTrace) -> Outcome:
    """Compares the verdicts on the fit; with anchors, numbers near a limit may differ by chance."""
    sizes = keras.facts if "anchors" in keras.facts else None
    return same_verdict(judge_training(keras, keras), judge_training(torch, keras), sizes)


def judge_training(half: Trace, keras: KerasTrace) -> Judgement:
    """Returns the verdict on the history of a half, as far as Keras has its columns.

    Args:
        half: its training.
        keras: the training of the reference, which tells how much it was fed.
    """
    run = keras.spec.get("run")
    history = {name: half.history[name] for name in half.history if name in keras.history}
    if run is None:
        return judge(history)
    return judge_run(RunSpec.from_dict(run), history, keras.facts)


def same_verdict(a: Judgement, b: Judgement, sizes: Mapping[str, Any] | None) -> Outcome:
    """Compares two verdicts on the fit.

    Args:
        a: of the reference.
        b: of the port.
        sizes: "num_train" and "num_val", the numbers of samples, if two right runs may part.
    """
    source = "the same verdict"
    if a.verdict != b.verdict and sizes is not None:
        items = list(_near(a, b, sizes))
        if items and all(item.status == PASS for item in items):
            return judged(
                f"{source}, or numbers that differ by less than chance; {_why(a, b)}", items
            )
    return judged(source, [compare_exact("verdict", a.verdict, b.verdict)])


def _near(a: Judgement, b: Judgement, sizes: Mapping[str, Any]) -> Iterator[Item]:
    """Compares the numbers that decide; the limit is what counts of correct samples vary by."""
    if "diverged" in (a.verdict, b.verdict):
        return
    spreads = {}
    if not (sizes.get("num_train") and sizes.get("num_val")):
        return
    for name, part in (("train_accuracy", "num_train"), ("val_accuracy", "num_val")):
        rates = [getattr(judged, name) for judged in (a, b)]
        if None in rates:
            return
        # The variance of a count of so many samples; one sample more, since a rate may be 0 or 1.
        number = sizes[part]
        mean = (sum(rates) / 2 * number + 1) / (number + 2)
        spreads[name] = 2 * mean * (1 - mean) / number
    spreads["gap"] = sum(spreads.values())
    for name, variance in spreads.items():
        yield compare_close(
            name, getattr(a, name), getattr(b, name), allowed=NUM_DEVIATIONS * variance**0.5
        )


def _why(a: Judgement, b: Judgement) -> str:
    return f"Keras: {a.verdict}, {a.because}; torch: {b.verdict}, {b.because}"


def of_probe(keras: KerasTrace, port: PortTrace) -> Outcome:
    """Compares nothing: a probe trains too few steps."""
    return skipped(
        "a check trains a few steps; `parity run` and `parity sweep` train whole runs",
        applies=False,
    )


# --- A port that draws its own random numbers: weights, order and masks, number by number ---------
#
# Each function takes what the Keras half wrote before its training, and the training of the port.


def order(keras: KerasTrace, torch: PortTrace) -> Outcome:
    """Compares the order of the samples in an epoch."""
    if "seeded/order" not in torch:
        return skipped("the port gets the batches that Keras was fed")
    items = [compare_exact("order of the samples", keras["order"], torch["seeded/order"], step=0)]
    return judged(EXACT, items)


def weights(keras: KerasTrace, torch: PortTrace) -> Outcome:
    """Compares the initial weights that both halves have drawn."""
    items = []
    for name in keras.below("start"):
        if f"seeded/init/{name}" in torch:
            theirs, ours = keras[f"start/{name}"], torch[f"seeded/init/{name}"]
            how = keras.facts.get("initializers", {}).get(name)
            if allowed := drawn_tolerance(how, theirs.shape, str(theirs.dtype)):
                items.append(compare_close(name, theirs, ours, allowed=allowed, step=0))
            else:
                items.append(compare_exact(name, theirs, ours, step=0))
    is_rounded = any(item.allowed for item in items)
    rounded = "; of orthogonal matrices, what a decomposition rounds" if is_rounded else ""
    return judged(EXACT + rounded, items)


def masks(keras: KerasTrace, torch: PortTrace) -> Outcome:
    """Compares the generators of masks before the first step."""
    nodes = keras.facts["nodes"]
    dropouts = {node["name"].partition("#")[0] for node in nodes if node["kind"] == "dropout"}
    items = []
    for name, state in keras.facts["masks"].items():
        if name in dropouts:
            drawn = f"seeded/masks/{name}" in torch
            ours = torch[f"seeded/masks/{name}"] if drawn else "drawn by no layer of torch_impl"
            what = f"generator of {name}'s masks"
            items.append(compare_exact(what, np.array(state, np.int64), ours, step=0))
    if not items:
        return skipped("Keras draws no masks", applies=False)
    return judged(EXACT, items)
