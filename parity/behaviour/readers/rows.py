"""Rows of a log that are not epochs: steps and evaluations apart, put together to one row each.

    Lightning's metrics.csv   a row for each logging step, and one for each validation
    trainer_state.json        a log every few steps, and one for each evaluation

A training value that was logged several times becomes its mean, since Keras's loss of an epoch is
one; a learning rate becomes its last value. A name that was logged as `..._epoch` too keeps that
value, and the one of `..._step` is left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TypeGuard, TypeVar

from parity.behaviour.readers.reading import Columns, Read, named

Row = Mapping[str, float]

_Value = TypeVar("_Value")

_RATES = ("lr", "learning_rate")


def is_apart(columns: Columns) -> bool:
    """Whether rows are steps: the file counts steps, and an epoch has several rows."""
    epochs = columns.get("epoch")
    if epochs is None or "step" not in columns:
        return False
    known = [epoch for epoch in epochs if epoch is not None]
    return len(known) < len(epochs) or len(set(known)) < len(known)


def together(columns: Columns) -> Read:
    """Puts the rows of steps together by epoch.

    Args:
        columns: "epoch" and "step", and others; None is not measured.
    """
    # A row without a number of its epoch, or with NaN, is that of no epoch.
    epochs, steps = columns["epoch"], columns["step"]
    dropped = 0
    reached = sorted(
        (step, epoch)
        for step, epoch in zip(steps, epochs, strict=True)
        if _is_number(step) and _is_number(epoch)
    )
    rows: list[Row] = []
    groups: list[float] = []
    for number, (step, known) in enumerate(zip(steps, epochs, strict=True)):
        # Lightning's monitor of the rate writes no epoch: it is that of the next row with one.
        epoch = known if _is_number(known) else None
        if epoch is None and _is_number(step):
            epoch = next((found for at, found in reached if at >= step), None)
        row = {
            name: value
            for name, column in columns.items()
            if name not in ("epoch", "step") and (value := column[number]) is not None
        }
        if epoch is not None and row:
            rows.append(row)
            groups.append(epoch)
        dropped += epoch is None and bool(row)
    read = by_group(rows, groups, "epoch")
    lost = (f"{dropped} rows of no epoch are left out",) if dropped else ()
    return Read(read.columns, (*lost, *read.notes))


def by_group(rows: Sequence[Row], groups: Sequence[float], unit: str) -> Read:
    """Returns a value of each name for each group, in the order of the groups.

    A group without a training loss is left out if others have one: it is a test after training.

    Args:
        rows: the values that were logged together.
        groups: the group of each row.
        unit: what a group is, for notes: "epoch" or "evaluation".
    """
    values: dict[float, dict[str, list[float]]] = {}
    for row, group in sorted(zip(rows, groups, strict=True), key=lambda pair: pair[1]):
        for name, value in row.items():
            values.setdefault(group, {}).setdefault(name, []).append(value)
    names = list(dict.fromkeys(name for group in values.values() for name in group))
    renamed = {name: _whole_name(name, names) for name in names}
    notes = []
    often = [n for n in names if renamed[n] and any(len(g.get(n, ())) > 1 for g in values.values())]
    means = [name for name in often if not _is_rate(name)]
    if means:
        notes.append(f"the mean of what was logged in one {unit}: {named(means)}")
    columns = {
        renamed[name]: [_one(name, group.get(name)) for group in values.values()]
        for name in names
        if renamed[name]
    }
    loss = next((columns[name] for name in ("loss", "train_loss") if name in columns), None)
    if loss is not None and any(value is not None for value in loss) and None in loss:
        kept = [number for number, value in enumerate(loss) if value is not None]
        notes.append(f"{len(loss) - len(kept)} rows without a training loss are left out")
        columns = {name: [column[n] for n in kept] for name, column in columns.items()}
    return Read(columns, tuple(notes))


def _whole_name(name: str, names: Sequence[str]) -> str:
    """Returns the name without its kind of row; empty if the value of the epoch stands beside."""
    if name.endswith("_epoch"):
        return name.removesuffix("_epoch")
    stem = name.removesuffix("_step")
    if f"{stem}_epoch" in names or (stem != name and stem in names):
        return ""
    return "learning_rate" if _is_rate(name) and "learning_rate" not in names else stem


def _is_number(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)


def _is_rate(name: str) -> bool:
    return name in _RATES or name.startswith("lr-")


def _one(name: str, values: Sequence[float] | None) -> float | None:
    if not values:
        return None
    return values[-1] if _is_rate(name) else sum(values) / len(values)


def by_step(values: Mapping[str, Mapping[int, _Value]]) -> dict[str, list[_Value | None]]:
    """Makes columns from values by step. The steps of the loss are the epochs, if there is one."""
    loss = next((values[name] for name in ("loss", "train_loss") if name in values), {})
    steps = set(loss) or set().union(*values.values())
    ordered = sorted(steps)
    return {
        name: [column.get(step) for step in ordered]
        for name, column in values.items()
        if column.keys() <= steps
    }
