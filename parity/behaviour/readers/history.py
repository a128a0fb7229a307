"""Reads a training history from JSON, CSV or TensorBoard's event files.

In: a path. Out: a `History` with Keras 3's names, columns of equal length, at least one epoch.

    JSON         `History.history`, alone or under the key "history"; a list with a log per epoch;
                 pandas' `to_json()`; `history.json` of a run directory
    CSV          see `parity.behaviour.readers.csv_log`
    event files  see `parity.behaviour.readers.event_files`

The content decides the format of a file. Nothing is unpickled. A value that was not measured (NA,
null, an epoch without validation) becomes NaN. Columns without any measured value, columns of
arrays, and the number of the epoch are left out.
"""

import json
import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from parity.behaviour.readers.csv_log import read_csv_log
from parity.behaviour.readers.event_files import event_files, is_event_file, read_events
from parity.errors import InputError
from parity.files.floats import decode_floats
from parity.programs.halves import HALVES
from parity.traces.folder import HISTORY, RunFolder
from parity.traces.trace import History

MAX_BYTES = 100_000_000  # a thousand epochs of ten metrics have 0.2e6

# Keras 3's names, each with its other names in the order of preference. A prefix "val_" means
# validation; upper and lower case are the same.
ALIASES = {
    "loss": ("train_loss",),
    "accuracy": (
        "acc",
        "binary_accuracy",
        "categorical_accuracy",
        "sparse_categorical_accuracy",
        "train_accuracy",
        "train_acc",
    ),
    "learning_rate": ("lr",),
}

_COUNTERS = ("epoch", "", "unnamed: 0")  # CSVLogger's first column; the index that pandas writes
_EXAMPLE = '{"loss": [0.9, 0.5], "val_loss": [1.0, 0.7]}'
_WANTED = "a training history (JSON, a file of CSVLogger, or a folder of TensorBoard)"

_Value = TypeVar("_Value")
_Columns = Mapping[str, list[float | None]]


def read_history(path: Path) -> History:
    """Reads a training history from a file or a folder.

    Args:
        path: a JSON, CSV or event file; a half of a run directory (it has `history.json`); or the
            `log_dir` of `keras.callbacks.TensorBoard`.

    Returns:
        Name to one float per epoch. A name of `ALIASES` becomes Keras 3's, unless that exists too;
        all other names stay.

    Raises:
        InputError: the path cannot be read, or does not contain one history.
    """
    try:
        if path.is_dir():
            return _from_folder(path)
        content = _content(path)
        if is_event_file(content):
            return _from_events(path, [path])
        text = _text(path, content)
        if text.lstrip().startswith(("{", "[")) or path.suffix.lower() == ".json":
            return _finished(path, _from_json(path, text))
        return _finished(path, read_csv_log(path, text))
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror or error}); expected {_WANTED}; "
            "check the path and its permissions"
        ) from None
    except RecursionError:
        raise _bad(path, "is nested too deeply", _EXAMPLE) from None


def keras_names(columns: Mapping[str, _Value]) -> dict[str, _Value]:
    """Returns the same columns, with names of `ALIASES` replaced by Keras 3's."""
    by_lower = {name.lower(): name for name in columns}
    names = {}
    for prefix in ("", "val_"):
        for keras_name, aliases in ALIASES.items():
            candidates = [prefix + name for name in (keras_name, *aliases)]
            found = next((by_lower[name] for name in candidates if name in by_lower), None)
            if found is not None and candidates[0] not in columns:
                names[found] = candidates[0]
    return {names.get(name, name): column for name, column in columns.items()}


def _from_folder(path: Path) -> History:
    folder = RunFolder(path)
    if folder.history.is_file():
        return read_history(folder.history)
    if any(folder.half(name).history.is_file() for name in HALVES):
        raise _two_histories(path)
    files = event_files(path)
    if not files:
        raise _bad(path, f"is a folder without {HISTORY} or event files", _WANTED)
    return _from_events(path, files)


def _from_events(path: Path, files: list[Path]) -> History:
    points = read_events(path, ((file, _content(file)) for file in files))
    return _finished(path, _by_epoch(keras_names(points)))


def _content(path: Path) -> bytes:
    """Reads a file that is not too large; a pipe, whose size is unknown, up to the limit."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        content = file.read(MAX_BYTES + 1) if size <= MAX_BYTES else b""
    if max(size, len(content)) > MAX_BYTES:
        raise _bad(path, "is too large for a history", f"at most {MAX_BYTES // 10**6} MB")
    return content


def _text(path: Path, content: bytes) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(
            f"{path} is not text in UTF-8; expected {_WANTED}; save text as UTF-8; convert pickles "
            "and NumPy files with json.dump"
        ) from None
    if not text.strip():
        raise _bad(path, "is empty", _WANTED)
    return text


def _from_json(path: Path, text: str) -> _Columns:
    try:
        content = decode_floats(json.loads(text))
    except ValueError as error:  # not JSON, or an integer of thousands of digits
        raise _bad(path, f"cannot be read as JSON ({error})", _EXAMPLE) from None
    inner = content.get("history") if isinstance(content, dict) else None
    # A list of numbers would be a column of that name.
    if isinstance(inner, dict) or (isinstance(inner, list) and isinstance((inner or [0])[0], dict)):
        content = inner
    if isinstance(content, list):
        content = _from_logs(path, content)
    if not isinstance(content, dict) or not content:
        raise _bad(path, "is JSON, but not a history", f"a list for every name: {_EXAMPLE}")
    if content.keys() >= set(HALVES) or isinstance(content.get("results"), list):
        raise _two_histories(path)
    if all(isinstance(column, dict) for column in content.values()):
        content = _by_epoch({name: _by_step(path, name, c) for name, c in content.items()})
    columns = {}
    for name, column in content.items():
        if not isinstance(column, list):
            found = f"has {column!r:.60} under {name!r:.60}"
            raise _bad(path, found, f"a list of numbers for every name: {_EXAMPLE}")
        if not any(isinstance(value, list) for value in column):
            columns[name] = [_number(path, name, value) for value in column]
    return columns


def _from_logs(path: Path, logs: list[Any]) -> dict[str, list[Any]]:
    """Turns a list with a log per epoch into columns; a log may lack a name."""
    for log in logs:
        if not isinstance(log, dict):
            found = f"is a list with {log!r:.60} in it, which is not a log of an epoch"
            raise _bad(path, found, f'[{{"loss": 0.9}}, {{"loss": 0.5}}] or {_EXAMPLE}')
    names = dict.fromkeys(name for log in logs for name in log)
    return {name: [log.get(name) for log in logs] for name in names}


def _by_step(path: Path, name: str, column: dict[str, _Value]) -> dict[int, _Value]:
    """Returns a column of pandas' to_json(), such as {"0": 0.9, "1": 0.5}, in the order of keys."""
    if not all(re.fullmatch("[0-9]{1,9}", key) for key in column):
        found = f"has a mapping under {name!r:.60} with keys that are not epochs"
        raise _bad(path, found, f"a list of numbers for every name: {_EXAMPLE}")
    return {int(key): value for key, value in column.items()}


def _by_epoch(columns: Mapping[str, Mapping[int, _Value]]) -> dict[str, list[_Value | None]]:
    """Makes columns from values by step. The steps of the loss are the epochs, if there is one."""
    steps = set(columns.get("loss", ())) or set().union(*columns.values())
    epochs = sorted(steps)
    return {
        name: [column.get(epoch) for epoch in epochs]
        for name, column in columns.items()
        if column.keys() <= steps
    }


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
    raise _bad(path, found, "numbers that a float can hold, as json.dump(..., default=float) does")


def _finished(path: Path, columns: _Columns) -> History:
    """Returns the history: measured columns of equal length, with Keras's names."""
    columns = {n: column for n, column in columns.items() if n.strip().lower() not in _COUNTERS}
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name!r:.60} {length}" for name, length in list(lengths.items())[:6])
        raise InputError(
            f"{path} has columns of different lengths ({shown}); expected one value per epoch: "
            "History.history does not show the epochs with validation for validation_freq > 1; "
            "train with validation_freq=1, or use a file of keras.callbacks.CSVLogger"
        )
    if not any(lengths.values()):
        found = "has no epoch" if lengths else "has no column of numbers"
        raise _bad(path, found, f"numbers of at least one epoch: {_EXAMPLE}")
    measured = {
        name: [math.nan if value is None else value for value in column]
        for name, column in columns.items()
        if any(value is not None for value in column)
    }
    if not measured:
        raise _bad(path, "has no number in any epoch", _EXAMPLE)
    return keras_names(measured)


def _two_histories(path: Path) -> InputError:
    return InputError(
        f"{path} has the histories of both halves; expected one history; name keras/history.json "
        "or torch/history.json of the run directory, or write one of them to a separate file"
    )


def _bad(path: Path, found: str, expected: str) -> InputError:
    return InputError(f"{path} {found}; expected {expected}; name another file or write it again")
