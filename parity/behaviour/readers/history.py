"""Reads a training history from the files that programs leave.

In: a path. Out: a `History` with Keras 3's names, columns of equal length, at least one epoch.

    JSON          see `parity.behaviour.readers.json_log`; also notebooks and trainer_state.json
    CSV           see `parity.behaviour.readers.tables`; also Lightning, Weights & Biases
    Markdown      see `parity.behaviour.readers.printed`
    event files   see `parity.behaviour.readers.event_files`
    printed text  see `parity.behaviour.readers.printed`

The content decides the format of a file. Nothing is unpickled. A value that was not measured (NA,
null, an epoch without validation) becomes NaN. Columns without any measured value, columns of
arrays, and the number of the epoch are left out. Notes say what else was left out or put together.
A file without any loss or accuracy that is understood is refused.
"""

import math
import os
import re
from pathlib import Path
from typing import NamedTuple

from parity.behaviour.readers.event_files import event_files, is_event_file, read_events
from parity.behaviour.readers.json_log import EXAMPLE, bad, read_json_log, two_histories
from parity.behaviour.readers.printed import (
    has_log,
    has_tables,
    looks_printed,
    read_markdown,
    read_printed,
)
from parity.behaviour.readers.tables import (
    JUDGED,
    UNDERSTOOD,
    Read,
    keras_names,
    named,
    read_csv_log,
    validation_names,
)
from parity.behaviour.rules import check_accuracies
from parity.errors import InputError
from parity.programs.halves import HALVES
from parity.traces.folder import HISTORY, RunFolder
from parity.traces.trace import History

MAX_BYTES = 100_000_000  # a thousand epochs of ten metrics have 0.2e6

# CSVLogger's first column; the index that pandas writes; counters of other programs.
_COUNTERS = ("epoch", "epochs", "step", "", "unnamed: 0")
_WANTED = (
    "a training history (JSON, CSV, a table in Markdown, a printed log, or a folder of TensorBoard)"
)


class Reading(NamedTuple):
    """A history, and how it was read.

    Attributes:
        history: name to one float per epoch. A name of `parity.behaviour.readers.tables.ALIASES`
            becomes Keras 3's, unless that exists too; all other names stay.
        notes: what was left out, put together, or not understood, as sentences.
    """

    history: History
    notes: tuple[str, ...]


def read_history(path: Path) -> History:
    """Reads a training history as `read_with_notes` does, without the notes."""
    return read_with_notes(path).history


def read_with_notes(path: Path) -> Reading:
    """Reads a training history from a file or a folder.

    Args:
        path: a JSON, CSV, text or event file; a half of a run directory (it has `history.json`); or
            the `log_dir` of `keras.callbacks.TensorBoard`.

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
        if has_log(text):
            return _finished(path, read_markdown(path, text))
        if _is_json(text) or path.suffix.lower() in (".json", ".ipynb"):
            return _finished(path, read_json_log(path, text))
        is_printed = looks_printed(text)
        if has_tables(text) and not is_printed:
            return _finished(path, read_markdown(path, text))
        if _is_table(text) or not is_printed:
            return _finished(path, read_csv_log(path, text))
        return _finished(path, read_printed(path, text))
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror or error}); expected {_WANTED}; "
            "check the path and its permissions"
        ) from None
    except RecursionError:
        raise bad(path, "is nested too deeply", EXAMPLE) from None


def _from_folder(path: Path) -> Reading:
    folder = RunFolder(path)
    for each in (folder.training, folder):  # a half has its training beside its probes
        if each.history.is_file():
            return read_with_notes(each.history)
    if any(folder.half(name).history.is_file() for name in HALVES):
        raise two_histories(path)
    files = event_files(path)
    if not files:
        raise bad(path, f"is a folder without {HISTORY} or event files", _WANTED)
    return _from_events(path, files)


def _from_events(path: Path, files: list[Path]) -> Reading:
    return _finished(path, read_events(path, ((file, _content(file)) for file in files)))


def _content(path: Path) -> bytes:
    """Reads a file that is not too large; a pipe, whose size is unknown, up to the limit."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        content = file.read(MAX_BYTES + 1) if size <= MAX_BYTES else b""
    if max(size, len(content)) > MAX_BYTES:
        raise bad(path, "is too large for a history", f"at most {MAX_BYTES // 10**6} MB")
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
        raise bad(path, "is empty", _WANTED)
    return text


def _is_json(text: str) -> bool:
    """Whether text begins as JSON does, and not as a log with the epoch or the time in brackets."""
    start = text.lstrip()
    return start.startswith("{") or bool(re.match(r"\[(?!\s*(?:epoch|\d+[-:/]\d))", start, re.I))


def _is_table(text: str) -> bool:
    """Whether the first two lines have as many cells, and the first has no number after a name."""
    lines = [line for line in text.split("\n") if line.strip()][:2]
    cells = [len(re.findall(r"[,;\t|]", line)) for line in lines]
    has_numbers = re.search(r"[A-Za-z]\s*[:=]\s*[-+.]?\d", lines[0])
    return cells[0] > 0 and cells[:1] == cells[1:] and not has_numbers


def _finished(path: Path, read: Read) -> Reading:
    """Returns the history: measured columns of equal length, with Keras's names."""
    columns = {n: c for n, c in read.columns.items() if n.strip().lower() not in _COUNTERS}
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
        raise bad(path, found, f"numbers of at least one epoch: {EXAMPLE}")
    measured = {
        name: [math.nan if value is None else value for value in column]
        for name, column in columns.items()
        if any(value is not None for value in column)
    }
    if not measured:
        raise bad(path, "has no number in any epoch", EXAMPLE)
    history = keras_names(measured)
    if history.keys().isdisjoint(JUDGED):
        raise InputError(
            f"{path} has no loss or accuracy under a known name, but {named(history)}; expected "
            f"Keras's names: {EXAMPLE}; rename the columns or name another file"
        )
    check_accuracies(history, str(path))
    return Reading(history, (*read.notes, *_notes(measured, history)))


def _notes(measured: History, history: History) -> list[str]:
    """Returns what the names say that a verdict does not use."""
    notes = []
    validation = validation_names(measured)
    if validation:
        notes.append(f"taken as validation: {named(validation)}")
    unknown = [name for name in history if name not in UNDERSTOOD]
    if unknown:
        notes.append(f"not used for the verdict: {named(unknown)}")
    return notes
