"""A CSV file with a row for each epoch: what `keras.callbacks.CSVLogger` writes, or pandas' to_csv.

In: the text. Out: columns in which None is a value that was not measured. What CSVLogger does:

    lines end with CR LF, on Windows with an empty line after each
    a value that is missing is NA; without validation, every metric has a column val_... of them
    an array is one cell, in two pairs of quotes: its column is left out
    append=True adds the next fit, whose epochs count from 0 again: it follows, in file order
"""

import csv
import io
import math
import re
from pathlib import Path

from parity.errors import InputError

_MISSING = ("", "NA")  # what pandas and CSVLogger write for it


def read_csv_log(path: Path, text: str) -> dict[str, list[float | None]]:
    """Reads the columns of numbers, that of the epoch among them.

    Args:
        path: where the text is from, for messages.
        text: the content, not blank; a last line that is cut off is left out.

    Raises:
        InputError: the text is no table with a header, or a cell is no number.
    """
    text = text.lstrip("\r\n")
    header = text.splitlines()[0]
    separator = _separator(header)
    lines = io.StringIO(text, newline="")
    try:
        reader = csv.reader(lines, delimiter=separator, skipinitialspace=separator != " ")
        rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(row)]
    except (csv.Error, TypeError, ValueError) as error:
        raise _bad(path, f"is no table ({error})") from None
    names = rows[0][1] if rows else []
    if not any(names) or len(set(names)) < len(names) or any(map(_is_number, names)):
        raise _bad(path, f"starts with {header!r:.60} where a CSV file has its header")
    body = [(line, row) for line, row in rows[1:] if row != names]  # files put together repeat it
    # CSVLogger ends every line; another program may not, and then a whole last row counts.
    if body and not text.endswith(("\r", "\n")):
        whole = len(body[-1][1]) == len(names) and all(map(_is_known, body[-1][1]))
        if "\r\n" in text or not whole:
            del body[-1]  # the run goes on, or was killed
    arrays = {n for _, row in body for n, cell in zip(names, row, strict=False) if _is_array(cell)}
    columns: dict[str, list[float | None]] = {name: [] for name in names if name not in arrays}
    for line, row in body:
        if len(row) != len(names):
            raise _bad(path, f"has {len(row)} cells in line {line}, its header {len(names)}")
        for name, cell in zip(names, row, strict=True):
            if not _is_known(cell):
                raise _bad(path, f"has {cell!r:.60} under {name!r:.60} in line {line}")
            if name in columns:
                columns[name].append(None if cell in _MISSING else float(cell))
    return columns


def _separator(header: str) -> str:
    """A usual separator, or else the character after `epoch`, which CSVLogger writes first."""
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


def _is_known(cell: str) -> bool:
    return cell in _MISSING or _is_number(cell) or _is_array(cell)


def _bad(path: Path, found: str) -> InputError:
    return InputError(
        f"{path} {found}; expected a file as keras.callbacks.CSVLogger writes it: a header such "
        "as epoch,loss,val_loss, and a number or NA in every cell; name another file or repair it"
    )
