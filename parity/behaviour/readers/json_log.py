"""A history in JSON: of Keras, of Hugging Face's Trainer, and what other programs write."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from parity.behaviour.readers.printed import is_notebook, read_notebook
from parity.behaviour.readers.tables import JUDGED, Read, Row, by_group, by_step, keras_names, named
from parity.errors import InputError
from parity.files.floats import decode_floats
from parity.programs.halves import HALVES

# --- trainer_state.json of Hugging Face's Trainer, or its `state.log_history` alone ---------------
#
# In: the logs. Out: a row for each evaluation, or for each epoch without one. "eval_" means
# validation there. The training loss is logged every few steps: its mean since the evaluation
# before.


_SUMMARY = "train_runtime"  # the last log sums up the training: its "train_loss" is of all epochs


def trainer_logs(content: Any) -> list[dict[str, Any]] | None:
    """Returns the logs, if the content of a JSON file has them."""
    logs = content.get("log_history") if isinstance(content, dict) else content
    if not isinstance(logs, list) or not logs or not all(isinstance(log, dict) for log in logs):
        return None
    has_steps = all("step" in log for log in logs)
    is_trainer = isinstance(content, dict) or any(
        name.startswith("eval_") or name == "grad_norm" for log in logs for name in log
    )
    return logs if has_steps and is_trainer else None


def read_trainer_logs(path: Path, logs: list[dict[str, Any]]) -> Read:
    """Puts the logs together.

    Args:
        path: path of the file, for messages.
        logs: each with "step", and most with "epoch", a fraction.

    Raises:
        InputError: a step or an epoch is no finite number, or a number is too large for a float.
    """
    left_out: dict[str, None] = {}
    training: list[tuple[float, float, Row]] = []
    evaluations: dict[float, Row] = {}
    repeated = 0
    for log in logs:
        row = _numbers(path, log)
        left_out.update(dict.fromkeys(name for name in log if name not in row))
        step, epoch = row.pop("step", math.nan), row.pop("epoch", 0.0)
        if not (math.isfinite(step) and math.isfinite(epoch)):
            raise InputError(
                f"{path} has a log of step {log['step']!r:.60} and epoch {log.get('epoch')!r:.60}; "
                "expected finite numbers; name another file or repair it"
            )
        if _SUMMARY in row:
            continue
        found = {f"val_{n.removeprefix('eval_')}": v for n, v in row.items() if "eval_" in n[:5]}
        if found and step in evaluations:
            repeated += 1  # evaluate() after training, or on the test set
        elif found:
            evaluations[step] = found
        elif row:
            training.append((step, epoch, row))
    notes = [f"{repeated} more evaluations of the same step are left out"] if repeated else []
    notes += [f"no numbers, left out: {named(left_out)}"] if left_out else []
    if evaluations:
        ends = sorted(evaluations)
        rows = [(row, next((end for end in ends if end >= at), None)) for at, _, row in training]
        late = sum(end is None for _, end in rows)
        if late:
            notes.append(f"{late} logs after the last evaluation are left out")
        kept = [(row, end) for row, end in rows if end is not None]
        kept += [(row, step) for step, row in evaluations.items()]
        unit = "evaluation"
        notes.append('a row is an evaluation of Trainer; "eval_" is validation')
    else:
        kept = [(row, math.ceil(epoch - 1e-6)) for _, epoch, row in training]
        unit = "epoch"
    read = by_group([row for row, _ in kept], [group for _, group in kept], unit)
    return Read(read.columns, (*notes, *read.notes))


def _numbers(path: Path, log: dict[str, Any]) -> dict[str, float]:
    """Returns the numbers of a log."""
    try:
        return {
            name: float(value)
            for name, value in log.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        }
    except OverflowError:
        raise InputError(
            f"{path} has a number of thousands of digits; expected numbers that a float can hold; "
            "name another file or repair it"
        ) from None


# --- A history in JSON: `History.history` of Keras, and what other programs write -----------------
#
# a list for every name      alone, or under the key "history"; scalars and texts beside the lists
# (a test accuracy, settings) are left out a list with a log per epoch, or a mapping from the epoch
# to its log pandas' `to_json()`        a mapping from the row to the value, for every name
# trainer_state.json         see `trainer_state` a notebook                 see `notebook`


EXAMPLE = '{"loss": [0.9, 0.5], "val_loss": [1.0, 0.7]}'

_EPOCH = re.compile(r"(?:epoch[ _-]?)?([0-9]{1,9})")

_Value = TypeVar("_Value")


def read_json_log(path: Path, text: str) -> Read:
    """Reads the columns of a JSON file, including the epoch.

    Args:
        path: path of the file, for messages.
        text: the content.

    Raises:
        InputError: it is not JSON, or not one history.
    """
    try:
        content = decode_floats(json.loads(text))
    except ValueError as error:  # not JSON, or an integer of thousands of digits
        raise bad(path, f"cannot be read as JSON ({error})", EXAMPLE) from None
    if is_notebook(content):
        return read_notebook(path, content)
    logs = trainer_logs(content)
    if logs is not None:
        return read_trainer_logs(path, logs)
    inner = content.get("history") if isinstance(content, dict) else None
    # A list of numbers would be a column of that name.
    if isinstance(inner, dict) or (isinstance(inner, list) and isinstance((inner or [0])[0], dict)):
        content = inner
    if isinstance(content, dict):
        content = _logs_by_epoch(content) or content
    if isinstance(content, list):
        content = _from_logs(path, content)
    if not isinstance(content, dict) or not content:
        raise bad(path, "is JSON, but not a history", f"a list for every name: {EXAMPLE}")
    if content.keys() >= set(HALVES) or isinstance(content.get("results"), list):
        raise two_histories(path)
    if all(isinstance(column, dict) for column in content.values()):
        content = by_step({name: _by_row(path, name, c) for name, c in content.items()})
    return _columns(path, content)


def _columns(path: Path, content: Mapping[str, Any]) -> Read:
    """Returns the lists of numbers; what stands beside them is left out, but for a judged name."""
    # A single "test_accuracy" is a result after training, and no column that is cut off.
    named_so = [n for n, c in content.items() if isinstance(c, list) or not _is_result(n)]
    new_names = dict(zip(named_so, keras_names(dict.fromkeys(named_so)), strict=True))
    judged = {name for name in content if new_names.get(name) in JUDGED}
    lists = [n for n, c in content.items() if isinstance(c, list) and (n in judged or _numeric(c))]
    columns: dict[str, list[float | None]] = {}
    beside = []
    for name, column in content.items():
        if name not in judged and name not in lists and (lists or judged):
            beside.append(name)
        elif not isinstance(column, list):
            found = f"has {column!r:.60} under {name!r:.60}"
            raise bad(path, found, f"a list of numbers for every name: {EXAMPLE}")
        elif not any(isinstance(value, list) for value in column):
            columns[name] = [_number(path, name, value) for value in column]
    # Of lists that are not judged, those of another length are of something else than epochs.
    lengths = Counter(len(c) for name, c in columns.items() if name in judged)
    if len(lengths) == 1:
        (length,) = lengths
        beside += [name for name, column in columns.items() if len(column) != length]
        columns = {name: column for name, column in columns.items() if len(column) == length}
    notes = (f"not a number per epoch, left out: {named(beside)}",) if beside else ()
    return Read(columns, notes)


def _is_result(name: str) -> bool:
    return name.lower().startswith(("test_", "eval_"))


def _numeric(column: list[Any]) -> bool:
    """Whether a list has only numbers, values that were not measured, or arrays."""
    return all(
        value is None or (isinstance(value, int | float | list) and not isinstance(value, bool))
        for value in column
    )


def _logs_by_epoch(content: dict[str, Any]) -> list[Any] | None:
    """Returns the logs of a mapping from the epoch to its log, in the order of the epochs."""
    numbers = [_EPOCH.fullmatch(key) for key in content]
    if not content or not all(numbers) or not all(isinstance(v, dict) for v in content.values()):
        return None
    counted = zip((int(match[1]) for match in numbers if match), content.values(), strict=True)
    logs = [log for _, log in sorted(counted, key=lambda pair: pair[0])]
    return logs if any(set(keras_names(log)) & set(JUDGED) for log in logs) else None


def _from_logs(path: Path, logs: list[Any]) -> dict[str, list[Any]]:
    """Turns a list with a log per epoch into columns; a log may lack a name."""
    for log in logs:
        if not isinstance(log, dict):
            found = f"is a list with {log!r:.60} in it, which is not a log of an epoch"
            raise bad(path, found, f'[{{"loss": 0.9}}, {{"loss": 0.5}}] or {EXAMPLE}')
    names = dict.fromkeys(name for log in logs for name in log)
    return {name: [log.get(name) for log in logs] for name in names}


def _by_row(path: Path, name: str, column: dict[str, _Value]) -> dict[int, _Value]:
    """Returns a column of pandas' to_json(), such as {"0": 0.9, "1": 0.5}, in the order of keys."""
    if not all(re.fullmatch("[0-9]{1,9}", key) for key in column):
        found = f"has a mapping under {name!r:.60} with keys that are not epochs"
        raise bad(path, found, f"a list of numbers for every name: {EXAMPLE}")
    return {int(key): value for key, value in column.items()}


def _number(path: Path, name: str, value: Any) -> float | None:
    """Returns a value of a JSON column; null stays None."""
    if value is None:
        return None
    try:
        if isinstance(value, float | int) and not isinstance(value, bool):
            return float(value)
    except OverflowError:
        pass
    found = f"has {value!r:.60} under {name!r:.60}"
    raise bad(path, found, "numbers that a float can hold, as json.dump(..., default=float) does")


def two_histories(path: Path) -> InputError:
    """Returns the error of a file with both halves."""
    return InputError(
        f"{path} has the histories of both halves; expected one history; name the folder keras "
        "or torch of the run directory, or write one of them to a separate file"
    )


def bad(path: Path, found: str, expected: str) -> InputError:
    """Returns the error of a file that is no history."""
    return InputError(f"{path} {found}; expected {expected}; name another file or write it again")
