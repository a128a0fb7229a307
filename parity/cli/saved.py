"""Files and folders that the user named in options, such as --json and --out."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from parity.cli.options import exit_code
from parity.cli.streams import say
from parity.errors import InputError, unwritten
from parity.files.atomic import check_access, is_place, write_bytes
from parity.files.json_io import write_json
from parity.ladder.result import ALL_RESULTS


def check_file(path: Path | None, option: str = "--json") -> None:
    """Checks that a file can be written, before anything is computed for it.

    Raises:
        InputError: its folder does not exist or is read-only, or the path is a folder.
    """
    if path is None:
        return
    if not is_place(path):
        raise InputError(f"{option} {path}: expected a file in an existing folder")
    with write_errors(option, path):
        check_access(path)


def check_folder(path: Path | None) -> None:
    """Makes the folder of a report, before anything is computed for it."""
    if path is not None:
        with write_errors("--out", path):
            path.mkdir(parents=True, exist_ok=True)


def new_folder(path: Path) -> Path:
    """Makes a folder that was not there: PATH, or PATH-2, PATH-3, ... if others have made these.

    Raises:
        InputError: none can be made.
    """
    for number in itertools.count(1):
        place = path if number == 1 else path.with_name(f"{path.name}-{number}")
        with write_errors("--out", place):
            path.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileExistsError):
                place.mkdir()
                return place
    raise AssertionError  # it counts on


def write_json_file(path: Path, value: dict[str, Any], option: str = "--json") -> None:
    """Writes the JSON file of an option.

    Raises:
        ParityError: it cannot be written.
    """
    with write_errors(option, path):
        write_json(path, value)


def write_results(path: Path, results: list[dict[str, Any]]) -> None:
    """Writes one run or check as `parity.result/1`, several as a list in `parity.results/1`.

    Raises:
        ParityError: the file cannot be written.
    """
    verdict = max((result["verdict"] for result in results), key=exit_code)
    many = {"schema": ALL_RESULTS, "verdict": verdict, "results": results}
    write_json_file(path, results[0] if len(results) == 1 else many)


def write_text_file(path: Path, text: str, option: str) -> None:
    """Writes the text file of an option, completely or not at all.

    Raises:
        ParityError: it cannot be written.
    """
    with write_errors(option, path):
        write_bytes(path, text.encode())


def complain(text: str) -> None:
    """Prints a paragraph to standard error."""
    say(text, err=True)


@contextmanager
def write_errors(option: str, path: Path) -> Iterator[None]:
    """Turns the error of a file that cannot be written into one that names the option."""
    try:
        yield
    except OSError as error:
        raise unwritten(f"{option} {path}:", error) from error
    except UnicodeEncodeError as error:  # half a character in the name of a column
        raise InputError(f"{option} {path}: cannot be written ({error.reason})") from error
