"""A training log that stands as a table in Markdown, alone or among other text.

    | epoch | loss | val_loss |
    |------:|------|----------|
    | 1     | 0.9  | 1.0      |

In: text. Out: columns, and notes on what was not taken. A table has a line of dashes below its
header. It is a training log if it names a loss or an accuracy, and an epoch or a step too, or else
only numbers: a table with a row for each model is none. Of several logs, the last one is read.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from parity.behaviour.readers.csv_log import is_known, read_rows
from parity.behaviour.readers.names import JUDGED, keras_names
from parity.behaviour.readers.reading import Read, named
from parity.errors import InputError

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
