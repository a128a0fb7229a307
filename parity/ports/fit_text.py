"""What a port has otherwise of how a program trains, or lacks: `fit`, batches, steps, rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from parity.ladder.trajectory_items import weights_by_rows

KERAS_BATCH_SIZE = 32  # of `fit` that is told none

# What decides the order of batches that `fit` gets.
_ORDERS = {
    "PyDataset": "Keras shuffles whole batches",
    "tf.data.Dataset": "the dataset has an order of its own",
    "DataLoader": "the loader has an order of its own",
    "generator": "the generator has an order of its own",
}


def batch_size_of(fit: Mapping[str, Any]) -> int:
    """Returns the batch size that train.py has by default.

    Args:
        fit: what the Keras half tells of the arguments of `fit`.
    """
    given = fit.get("batches") or {}
    return int(fit.get("batch_size") or given.get("batch_size") or KERAS_BATCH_SIZE)


def left_out_of_training(
    described: Mapping[str, Any], *, is_plain: bool = False, feeds: bool = False
) -> list[str]:
    """Returns a sentence for each part of a training that train.py has otherwise, or lacks.

    Args:
        described: the fact "program" of the Keras half.
        is_plain: whether train.py imports torch alone, and has no stub of a `train_step`.
        feeds: whether train.py makes the batches that `fit` gets.
    """
    fit = described["fit"]
    found = [*([] if feeds else _of_batches(fit)), *_of_later(fit.get("later"))]
    found += [f"{name}={value} of `fit`" for name, value in fit.get("others", {}).items()]
    has_stub = fit.get("step") is not None and not is_plain
    for name in described.get("own_steps", []):
        if name == "test_step" or (name == "train_step" and has_stub):
            continue
        told = f"{name} of the model: code of your own; train.py trains as `compile` says"
        if name == "train_step" and fit.get("step") is not None:
            told += "; without --plain, it is left as a stub"
        found.append(told)
    return found


def about_later(fit: Mapping[str, Any]) -> list[str]:
    """Returns sentences on the calls of `fit` that a port lacks, for those who read train.py.

    Args:
        fit: what the Keras half tells of the arguments of `fit`.
    """
    later = fit.get("later")
    if not later:
        return []
    told = [f"It trains what the first call of fit does ({_place(later['first'])})."]
    told += [
        f"The call stands in a loop ({_place(loop)}): later rounds are not ported."
        for loop in later["loops"]
    ]
    if calls := later["calls"]:
        noun = "call is" if len(calls) == 1 else f"{len(calls)} calls are"
        told.append(f"The other {noun} not ported: {', '.join(map(_place, calls))}.")
    return told


def rows_apart(facts: Mapping[str, Any]) -> list[str]:
    """Returns a sentence on weights whose rows Keras's optimizer moves one by one; none: no such.

    Args:
        facts: of the trace of the Keras half.
    """
    names = weights_by_rows(facts.get("not_compared") or [])
    if not names:
        return []
    return [
        f"the training of {', '.join(names)} where a row of an embedding occurs several times in "
        "a batch: Keras's optimizer takes each by itself, and torch adds up their gradients before"
    ]


def _of_later(later: Mapping[str, Any] | None) -> list[str]:
    """Returns a sentence for each call of `fit` beside the first one, and each loop around it."""
    if not later:
        return []
    first = f"the port has the first call, in {_place(later['first'])}"
    found = [
        f"later rounds of the loop `{loop['text']}` in {_place(loop)}, which calls `fit`: {first}"
        for loop in later["loops"]
    ]
    for call in later["calls"]:
        told = f"another call of `fit`, `{call['text']}` in {_place(call)}: {first}"
        if call["changes"]:
            changes = [f"`{each['text']}` (line {each['line']})" for each in call["changes"]]
            told += f"; before the other one, the script has {', '.join(changes)}"
        found.append(told)
    return found


def _place(place: Mapping[str, Any]) -> str:
    return f"{place['file']}, line {place['line']}"


def _of_batches(fit: Mapping[str, Any]) -> list[str]:
    given = fit.get("batches")
    if not given:
        return []
    kind, size = given["kind"], batch_size_of(fit)
    what = f"{given['class']}, a {kind}," if given["class"] else f"a {kind}"
    known = (
        f"batches of {size}, as its first one"
        if given["batch_size"]
        else f"batches of {size} by default, since the size of its batches is not known"
    )
    told = "train.py takes the arrays of a file, which hold what it gives, and makes"
    order = f"; it shuffles samples, where {_ORDERS[kind]}" if fit.get("shuffle", True) else ""
    return [f"the batches of {what} that `fit` gets: {told} {known}{order}"]
