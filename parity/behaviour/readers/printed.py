"""What a training prints: progress, lines of epochs, tables in Markdown, outputs of a notebook."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

from parity.behaviour.readers.tables import (
    JUDGED,
    Columns,
    Read,
    is_known,
    keras_names,
    named,
    read_rows,
)
from parity.errors import InputError

# --- What a training prints: Keras's progress, or another program's lines of epochs ---------------
#
# In: text, as it was copied from a terminal or stored in a notebook. Out: a row for each epoch that
# ended. An epoch begins with `Epoch 3/10` (or `Epoch [3/10]`, `Epoch: 3`). Its values are the last
# ones that stand for each name before the next begins. Where `Epoch 1` comes again, another
# training begins: only the last one is read.


_EPOCH = re.compile(
    r"\bepoch\s*[:#]?\s*\[?(\d{1,6})(?:\s*/\s*\d+|\]|\s*[:,|-]|\s+[a-z]|\s*$)", re.IGNORECASE
)
_CALLBACK = re.compile(r"\bEpoch 0\d+: .*")
_NUMBER = r"[-+]?(?:nan|inf|\d+\.?\d*(?:e[-+]?\d+)?|\.\d+(?:e[-+]?\d+)?)"
_PAIR = re.compile(
    rf"([A-Za-z][\w/ ]{{0,40}}?)\s*[:=]\s*({_NUMBER})(%|[a-zA-Z]+)?(?![\d:])", re.IGNORECASE
)
_PROGRESS = re.compile(r"(?:^|\s)(\d+)/(\d+)\s")
# Times, and what programs print beside the numbers of an epoch.
_NOT_MEASURED = re.compile(r"eta|time|elapsed|epoch|step|batch|seed|it/s", re.IGNORECASE)
# Lines that name an epoch which has ended long ago.
_SUMMARY = re.compile(r"best|early|restor|resum|sav(?:e|ed|ing)\b|final|load", re.IGNORECASE)
_METRIC = re.compile(r"loss|acc", re.IGNORECASE)


def looks_printed(text: str) -> bool:
    """Whether text is a printed log: it names an epoch, and a loss or an accuracy with a number."""
    pairs = (name for name, _, _ in _PAIR.findall(text))
    return bool(_EPOCH.search(text)) and any(_METRIC.search(name) for name in pairs)


def read_printed(path: Path, text: str) -> Read:
    """Reads the last training of a printed log.

    Args:
        path: path of the file, for messages.
        text: what was printed; lines that say nothing of an epoch are passed over.

    Raises:
        InputError: no epoch has a number.
    """
    fits, cut = _fits(text)
    if not fits:
        raise InputError(
            f"{path} names epochs, but none has numbers; expected lines such as "
            "'Epoch 1/2' and 'loss: 0.9 - accuracy: 0.7'; name another file"
        )
    notes = []
    if len(fits) > 1:
        notes.append(f"the log has {len(fits)} trainings, and the last one is read")
    if cut:
        notes.append("the last epoch did not end and is left out")
    epochs = fits[-1]
    names = dict.fromkeys(name for epoch in epochs for name in epoch)
    columns: Columns = {name: [epoch.get(name) for epoch in epochs] for name in names}
    return Read(columns, tuple(notes))


def _fits(text: str) -> tuple[list[list[dict[str, float]]], bool]:
    """Returns the trainings, each a list of epochs, and whether the last epoch is unfinished."""
    fits: list[list[dict[str, float]]] = []
    last_number, is_open = 0, False
    # A progress bar is drawn again after a carriage return, or after backspaces.
    for line in re.split(r"[\r\n\x08]+", text):
        said = _CALLBACK.sub("", line)
        if _SUMMARY.search(said):
            continue
        epoch = _header(said)
        if epoch is not None:
            number = int(epoch[1])
            if not fits or number < last_number:
                fits.append([{}])
            elif number > last_number:
                fits[-1].append({})
            last_number = number
            said = said[epoch.end() - 1 :]
        found = _pairs(said)
        if fits and found:
            fits[-1][-1].update(found)
            progress = _PROGRESS.search(said)
            is_open = progress is not None and int(progress[1]) < int(progress[2])
    fits = [[epoch for epoch in fit if epoch] for fit in fits]
    fits = [fit for fit in fits if fit]
    if is_open and fits and len(fits[-1]) > 1:
        del fits[-1][-1]
        return fits, True
    return fits, False


def _header(line: str) -> re.Match[str] | None:
    """Returns the number of the epoch that begins here: at the start, or before its numbers."""
    epoch = _EPOCH.search(line)
    if epoch is None:
        return None
    is_start = not line[: epoch.start()].strip(" \t[(*#=-")
    return epoch if is_start or _pairs(line[epoch.end() - 1 :]) else None


def _pairs(line: str) -> dict[str, float]:
    found = {}
    for name, value, unit in _PAIR.findall(line):
        word = "_".join(name.lower().split())
        is_number = unit in ("", "%") or unit.startswith("Epoch")
        if is_number and not _NOT_MEASURED.search(word):
            found[word] = float(value)
    return found


# --- A training log that stands as a table in Markdown, alone or among other text -----------------
#
#     | epoch | loss | val_loss |
#     |------:|------|----------|
#     | 1     | 0.9  | 1.0      |
#
# In: text. Out: columns, and notes on what was not taken. A table has a line of dashes below its
# header. It is a training log if it names a loss or an accuracy, and an epoch or a step too, or
# else only numbers: a table with a row for each model is none. Of several logs, the last one is
# read.


_COUNTERS = ("epoch", "epochs", "step", "steps")
_BAR = re.compile(r"(?<!\\)\|")  # not one that is escaped
_DASHES = re.compile(r":?-+:?")
_MARKS = "*_`~ \t"  # of bold, italic, code and crossed-out text
_MISSING = ("-", "--", "–", "—", "n/a", "N/A", "none", "None", "null", "/")
_OF_ALL = re.compile(r"(\d+)\s*/\s*\d+")  # epoch 3/10


class _Table(NamedTuple):
    names: list[str]
    rows: list[tuple[int, list[str]]]  # the number of the line, and its cells
    is_torn: bool  # whether the last line lacks the bar that the header ends with


def has_tables(text: str) -> bool:
    """Whether text has a table in Markdown, of whatever it is."""
    return bool(_tables(text))


def has_log(text: str) -> bool:
    """Whether a table of the text is a training log."""
    return any(map(_is_log, _tables(text)))


def read_markdown(path: Path, text: str) -> Read:
    """Reads the last training log among the tables of a text.

    Args:
        path: path of the file, for messages.
        text: text with at least one table.

    Raises:
        InputError: no table is a training log, or a cell of it is not a number.
    """
    tables = _tables(text)
    logs = [table for table in tables if _is_log(table)]
    if not logs:
        found = "; ".join(named(table.names) for table in tables[:3])
        raise InputError(
            f"{path} has tables in Markdown, but none is a training log (columns: {found}); "
            "expected a row per epoch: a header such as | epoch | loss | val_loss |; "
            "name the columns so, or name another file"
        )
    names, rows, is_torn = logs[-1]
    notes = []
    if len(logs) > 1:
        notes.append(f"the text has {len(logs)} training logs in tables, and the last one is read")
    if is_torn and len(rows[-1][1]) <= len(names):
        notes.append("the last row of the table is not complete and is left out")
        rows = rows[:-1]
    counter = next((number for number, name in enumerate(names) if name in _COUNTERS), None)
    if counter is not None:
        rows, others = _of_epochs(rows, counter)
        if others:
            notes.append(f"rows of no {names[counter]}, left out: {named(others)}")
    read = read_rows(path, names, rows)
    return Read(read.columns, (*notes, *read.notes))


def _of_epochs(
    rows: list[tuple[int, list[str]]], counter: int
) -> tuple[list[tuple[int, list[str]]], list[str]]:
    """Returns rows with a number under the counter, and what the other rows have there."""
    kept, others = [], []
    for line, cells in rows:
        cell = cells[counter] if counter < len(cells) else ""
        of_all = _OF_ALL.fullmatch(cell)
        if of_all is not None:
            cells = [*cells[:counter], of_all[1], *cells[counter + 1 :]]
        elif not (cell and is_known(cell)):
            others.append(cell or "(empty)")
            continue
        kept.append((line, cells))
    return kept, others


def _is_log(table: _Table) -> bool:
    if not set(keras_names(dict.fromkeys(table.names))) & set(JUDGED):
        return False
    if set(table.names) & set(_COUNTERS):
        return True
    return all(is_known(cell) for _, cells in table.rows for cell in cells)


def _tables(text: str) -> list[_Table]:
    if "|" not in text or "-" not in text:
        return []
    raw = text.splitlines()
    lines = [_cells(line) for line in raw]
    found = []
    for number in range(1, len(lines)):
        head, dashes = lines[number - 1], lines[number]
        if len(head) != len(dashes) or not all(map(_DASHES.fullmatch, dashes)) or not dashes:
            continue
        names = [_name(cell) for cell in head]
        end = number + 1
        while end < len(lines) and lines[end]:
            end += 1
        rows = [(at + 1, [_value(cell) for cell in lines[at]]) for at in range(number + 1, end)]
        if rows and any(names) and len(set(names)) == len(names):
            is_closed = raw[number - 1].rstrip().endswith("|")
            is_torn = is_closed and not raw[end - 1].rstrip().endswith("|")
            found.append(_Table(names, rows, is_torn))
    return found


def _cells(line: str) -> list[str]:
    """Returns the cells of a line of a table; none for other lines."""
    line = line.strip().lstrip("> ")  # of a quotation
    cells = _BAR.split(line)
    if len(cells) < 2:
        return []
    if not cells[0].strip():
        del cells[0]
    if len(cells) > 1 and not cells[-1].strip() and line.endswith("|"):
        del cells[-1]
    return [cell.strip() for cell in cells]


def _name(cell: str) -> str:
    """Returns `val_acc` for **Val acc (%)**."""
    return "_".join(cell.strip(_MARKS).removesuffix("(%)").lower().split())


def _value(cell: str) -> str:
    cell = cell.strip(_MARKS)
    if cell in _MISSING:
        return ""
    number = cell.removesuffix("%").rstrip()
    return number if number and is_known(number) else cell


# --- A Jupyter notebook: the training that its outputs show last ----------------------------------


def is_notebook(content: Any) -> bool:
    """Whether the content of a JSON file is a notebook."""
    return isinstance(content, dict) and isinstance(content.get("cells"), list)


def read_notebook(path: Path, content: dict[str, Any]) -> Read:
    """Reads the last cell that printed epochs.

    Raises:
        InputError: no cell did.
    """
    printed = [text for cell in content["cells"] if looks_printed(text := _output(cell))]
    if not printed:
        raise InputError(
            f"{path} is a notebook without a training in its outputs; expected a cell that printed "
            "epochs, as model.fit does; run it and save it, or name another file"
        )
    read = read_printed(path, printed[-1])
    notes = read.notes
    if len(printed) > 1:
        notes = (f"{len(printed)} cells print a training, and the last one is read", *notes)
    return Read(read.columns, notes)


def _output(cell: Any) -> str:
    """Returns all text that a cell has printed."""
    outputs = cell.get("outputs") if isinstance(cell, dict) else None
    texts = []
    for output in outputs if isinstance(outputs, list) else []:
        if isinstance(output, dict):
            data = output.get("data")
            plain = data.get("text/plain") if isinstance(data, dict) else None
            texts += [_text(output.get("text")), _text(plain)]
    return "\n".join(texts)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "".join(part for part in value if isinstance(part, str))
    return value if isinstance(value, str) else ""
