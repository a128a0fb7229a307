"""A CSV file with a row per epoch, from `keras.callbacks.CSVLogger` or pandas' to_csv.

In: the text. Out: columns in which None is a value that was not measured. CSVLogger's format:

    lines end with CR LF, on Windows with an empty line after each
    missing values are NA; without validation, every metric has a column val_... of NA
    an array is one cell, in two pairs of quotes: its column is left out
    append=True adds the next fit, with epochs from 0 again: it follows, in file order
"""

import csv
import io
import math
import re
from pathlib import Path

from parity.errors import InputError

_MISSING = ("", "NA")  # missing values of pandas and CSVLogger


def read_csv_log(path: Path, text: str) -> dict[str, list[float | None]]:
    """Reads the columns of numbers, including the epoch.

    Args:
        path: path of the file, for messages.
        text: the content, not blank; an incomplete last line is left out.

    Raises:
        InputError: the text is not a table with a header, or a cell is not a number.
    """
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
        whole = len(body[-1][1]) == len(names) and all(map(_is_known, body[-1][1]))
        if "\r\n" in text or not whole:
            del body[-1]  # the run still continues, or was killed
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


def _is_known(cell: str) -> bool:
    return cell in _MISSING or _is_number(cell) or _is_array(cell)


def _bad(path: Path, found: str) -> InputError:
    return InputError(
        f"{path} {found}; expected a file of keras.callbacks.CSVLogger: a header such as "
        "epoch,loss,val_loss, and a number or NA in every cell; name another file or repair it"
    )
