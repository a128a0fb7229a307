"""A CSV file with a row per epoch, from `keras.callbacks.CSVLogger` or pandas' to_csv.

In: the text. Out: columns in which None is a value that was not measured. CSVLogger's format:

    lines end with CR LF, on Windows with an empty line after each
    missing values are NA; without validation, every metric has a column val_... of NA
    an array is one cell, in two pairs of quotes: its column is left out
    append=True adds the next fit, with epochs from 0 again: it follows, in file order

Other programs write such tables too: Lightning (a row per step, see `rows`), Weights & Biases (see
`exports`). A column of texts is left out.
"""

import csv
import io
import math
import re
from itertools import pairwise
from pathlib import Path

from parity.behaviour.readers import exports
from parity.behaviour.readers.names import JUDGED, keras_names
from parity.behaviour.readers.reading import Columns, Read, named
from parity.behaviour.readers.rows import is_apart, together
from parity.errors import InputError

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
    if exports.is_wandb(columns):
        read = exports.read_wandb(path, columns)
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
    if not any(names) or len(set(names)) < len(names) or any(map(_is_number, names)):
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


def _is_number(cell: str) -> bool:
    """Whether a float can hold the cell's number; an integer may be too large."""
    try:
        return not math.isinf(float(cell)) or "inf" in cell.lower()
    except ValueError:
        return False


def _is_array(cell: str) -> bool:
    return cell.lstrip('"').startswith("[")


def is_known(cell: str) -> bool:
    """Whether a cell is a number, an array, or was not measured."""
    return cell in _MISSING or _is_number(cell) or _is_array(cell)


def _bad(path: Path, found: str) -> InputError:
    return InputError(
        f"{path} {found}; expected a table as keras.callbacks.CSVLogger writes it: a header such "
        "as epoch,loss,val_loss, and a number or NA in every cell; name another file or repair it"
    )
