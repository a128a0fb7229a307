"""Histories in tables: CSV of Keras, pandas and others, with Keras 3's names for their columns."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, TypeGuard, TypeVar

from parity.errors import InputError

# --- What a reader returns: columns, and notes on what was not taken as it stands in the file -----


# Name to a value per epoch; None was not measured.
Columns = Mapping[str, list[float | None]]

MAX_NAMED = 6


class Read(NamedTuple):
    """The columns of a file under its own names.

    Attributes:
        columns: name to a value per epoch.
        notes: what was left out, or put together, as sentences.
    """

    columns: Columns
    notes: tuple[str, ...] = ()


def named(names: Iterable[str]) -> str:
    """Returns names for a message, a few of them."""
    shown = [f"{name:.40}" for name in names]
    return ", ".join(shown[:MAX_NAMED]) + (", ..." if len(shown) > MAX_NAMED else "")


# --------------------------------------------------------------------------------------------------
#
# Keras 3's names for the columns of a history, from the names that other programs give them.


# Keras 3's names, each with its other names in the order of preference. Upper and lower case are
# the same.
ALIASES = {
    "loss": ("train_loss", "training_loss", "losses", "train_losses", "training_losses"),
    "accuracy": (
        "acc",
        "binary_accuracy",
        "categorical_accuracy",
        "sparse_categorical_accuracy",
        "train_accuracy",
        "train_acc",
        "training_accuracy",
        "training_acc",
        "accuracies",
        "train_accuracies",
        "acc1",
    ),
    "learning_rate": ("lr",),
}
# The first prefix that occurs means validation. Runs of this project have "eval_" beside "val_" for
# training in eval mode. Alone, it is what other programs call validation.
VALIDATION = ("val_", "valid_", "validation_", "dev_", "eval_", "test_")
# What a verdict is made from.
JUDGED = ("loss", "accuracy", "val_loss", "val_accuracy", "eval_loss", "eval_accuracy")
UNDERSTOOD = (*JUDGED, "learning_rate")

_Value = TypeVar("_Value")


def keras_names(columns: Mapping[str, _Value]) -> dict[str, _Value]:
    """Returns the same columns, with names of `ALIASES` replaced by Keras 3's."""
    names = _new_names(columns)
    return {names.get(name, name): column for name, column in columns.items()}


def validation_names(names: Iterable[str]) -> list[str]:
    """Returns those names that say "eval" or "test" and are taken as validation."""
    new = _new_names(dict.fromkeys(names))
    return [name for name in new if name.lower().startswith(("eval_", "test_"))]


def _new_names(columns: Mapping[str, object]) -> dict[str, str]:
    by_lower = {name.lower(): name for name in columns}
    names = {}
    for prefix in ("", _validation(by_lower)):
        for keras_name, aliases in ALIASES.items():
            target = ("val_" if prefix else "") + keras_name
            candidates = [prefix + name for name in (keras_name, *aliases)]
            found = next((by_lower[name] for name in candidates if name in by_lower), None)
            if found is not None and target not in columns:
                names[found] = target
    return names


def _validation(names: Iterable[str]) -> str:
    """Returns the prefix of validation."""
    found = (prefix for prefix in VALIDATION if any(n.startswith(prefix) for n in names))
    return next(found, VALIDATION[0])


# --------------------------------------------------------------------------------------------------
#
# Rows of a log that are not epochs: steps and evaluations apart, put together to one row each.
#
#     Lightning's metrics.csv   a row for each logging step, and one for each validation
#     trainer_state.json        a log every few steps, and one for each evaluation
#
# A training value that was logged several times becomes its mean, since Keras's loss of an epoch is
# one; a learning rate becomes its last value. A name that was logged as `..._epoch` too keeps that
# value, and the one of `..._step` is left out.


Row = Mapping[str, float]

_Cell = TypeVar("_Cell")

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


def by_step(values: Mapping[str, Mapping[int, _Cell]]) -> dict[str, list[_Cell | None]]:
    """Makes columns from values by step. The steps of the loss are the epochs, if there is one."""
    loss = next((values[name] for name in ("loss", "train_loss") if name in values), {})
    steps = set(loss) or set().union(*values.values())
    ordered = sorted(steps)
    return {
        name: [column.get(step) for step in ordered]
        for name, column in values.items()
        if column.keys() <= steps
    }


# --------------------------------------------------------------------------------------------------
#
# The CSV that Weights & Biases exports: "Step", and for each run and metric `run - metric`.
#
# Beside each metric stand `__MIN` and `__MAX`.


_BOUND = re.compile(r"__(MIN|MAX)$")


def is_wandb(columns: Columns) -> bool:
    """Whether the names are `run - metric` beside "Step"."""
    names = [name for name in columns if name not in ("Step", "epoch")]
    return "Step" in columns and bool(names) and all(" - " in name for name in names)


def read_wandb(path: Path, columns: Columns) -> Read:
    """Returns the columns of one run, without the bounds of each value.

    Raises:
        InputError: it has several runs.
    """
    kept = {name: c for name, c in columns.items() if " - " in name and not _BOUND.search(name)}
    runs = {name.rpartition(" - ")[0] for name in kept}
    if len(runs) > 1:
        raise InputError(
            f"{path} has the values of {len(runs)} runs ({named(sorted(runs))}); expected one run; "
            "export one of them alone"
        )
    short = {name: name.rpartition(" - ")[2] for name in kept}
    plain = {name: metric.replace("/", "_") for name, metric in short.items()}
    if len(set(plain.values())) < len(plain):  # train/loss beside train_loss
        plain = short
    return Read({plain[name]: column for name, column in kept.items()})


# --- A CSV file with a row per epoch, from `keras.callbacks.CSVLogger` or pandas' to_csv ----------
#
# In: the text. Out: columns in which None is a value that was not measured. CSVLogger's format:
#
#     lines end with CR LF, on Windows with an empty line after each
#     missing values are NA; without validation, every metric has a column val_... of NA
#     an array is one cell, in two pairs of quotes: its column is left out
#     append=True adds the next fit, with epochs from 0 again: it follows, in file order
#
# Other programs write such tables too: Lightning (a row per step, see `rows`), Weights & Biases
# (see `exports`). A column of texts is left out.


_MISSING = ("", "NA")  # missing values of pandas and CSVLogger


def read_csv_log(path: Path, text: str) -> Read:
    """Reads the columns of numbers, including the epoch.

    Args:
        path: path of the file, for messages.
        text: the content, not blank; an incomplete last line is left out.

    Raises:
        InputError: the text is not a table with a header, or a cell is not a number.
    """
    return read_rows(path, *_table(path, text))


def read_rows(path: Path, names: list[str], body: list[tuple[int, list[str]]]) -> Read:
    """Makes columns of a table's rows, whatever its format.

    Args:
        path: path of the file, for messages.
        names: names of the columns, all different.
        body: the number of each row's line, and its cells without space around them.

    Raises:
        InputError: a cell is not a number, or a row has another number of cells.
    """
    columns, notes = _columns(path, names, body)
    if is_wandb(columns):
        read = read_wandb(path, columns)
    elif is_apart(columns):
        read = together(columns)
    else:
        read = Read(columns, _restarts(columns))
    return Read(read.columns, (*notes, *read.notes))


def _table(path: Path, text: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Returns the header, and each row with the number of its line."""
    text = text.lstrip("\r\n")
    header = text.splitlines()[0]
    separator = _separator(header)
    lines = io.StringIO(text, newline="")
    try:
        reader = csv.reader(lines, delimiter=separator, skipinitialspace=separator != " ")
        rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(row)]
    except (csv.Error, TypeError, ValueError) as error:
        raise _bad(path, f"is not a table ({error})") from None
    names = rows[0][1] if rows else []
    if not any(names) or len(set(names)) < len(names) or any(map(_is_a_number, names)):
        raise _bad(path, f"starts with {header!r:.60} instead of the header of a CSV file")
    body = [(line, row) for line, row in rows[1:] if row != names]  # joined files repeat it
    # CSVLogger ends every line; another program may not, so a complete last row counts.
    if body and not text.endswith(("\r", "\n")):
        whole = len(body[-1][1]) == len(names) and all(map(is_known, body[-1][1]))
        if "\r\n" in text or not whole:
            del body[-1]  # the run still continues, or was killed
    return names, body


def _columns(
    path: Path, names: list[str], body: list[tuple[int, list[str]]]
) -> tuple[Columns, tuple[str, ...]]:
    """Returns the columns of numbers, and which ones hold texts."""
    cells = {name: [row[n] for _, row in body if n < len(row)] for n, name in enumerate(names)}
    arrays = {name for name, column in cells.items() if any(map(_is_array, column))}
    new_names = dict(zip(names, keras_names(dict.fromkeys(names)), strict=True))
    texts = [
        name
        for name, column in cells.items()
        if new_names[name] not in JUDGED
        and any(column)
        and not any(cell not in _MISSING and is_known(cell) for cell in column)
        and not all(cell in _MISSING for cell in column)
    ]
    columns: dict[str, list[float | None]] = {
        name: [] for name in names if name not in arrays and name not in texts
    }
    _check_lengths(path, names, body)
    for line, row in body:
        for name, cell in zip(names, row, strict=True):
            if name in texts:
                continue
            if not is_known(cell):
                raise _bad(path, f"has {cell!r:.60} under {name!r:.60} in line {line}")
            if name in columns:
                columns[name].append(None if cell in _MISSING else float(cell))
    return columns, ((f"no numbers, left out: {named(texts)}",) if texts else ())


def _check_lengths(path: Path, names: list[str], body: list[tuple[int, list[str]]]) -> None:
    for line, row in body:
        if len(row) != len(names):
            raise _bad(path, f"has {len(row)} cells in line {line}, its header {len(names)}")


def _restarts(columns: Columns) -> tuple[str, ...]:
    """Returns a note if the epochs start again."""
    epochs = [epoch for epoch in columns.get("epoch", ()) if epoch is not None]
    fits = 1 + sum(later <= earlier for earlier, later in pairwise(epochs))
    return (f"{fits} fits follow one another, and are judged as one",) if fits > 1 else ()


def _separator(header: str) -> str:
    """Returns a usual separator, or the character after `epoch`, which CSVLogger writes first."""
    usual = next((separator for separator in ",;\t|" if separator in header), None)
    first = re.match(r"epoch([^\w\"])", header)
    return usual or (first[1] if first else ",")


def _is_a_number(cell: str) -> bool:
    """Whether a float can hold the cell's number; an integer may be too large."""
    try:
        return not math.isinf(float(cell)) or "inf" in cell.lower()
    except ValueError:
        return False


def _is_array(cell: str) -> bool:
    return cell.lstrip('"').startswith("[")


def is_known(cell: str) -> bool:
    """Whether a cell is a number, an array, or was not measured."""
    return cell in _MISSING or _is_a_number(cell) or _is_array(cell)


def _bad(path: Path, found: str) -> InputError:
    return InputError(
        f"{path} {found}; expected a table as keras.callbacks.CSVLogger writes it: a header such "
        "as epoch,loss,val_loss, and a number or NA in every cell; name another file or repair it"
    )
