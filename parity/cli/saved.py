"""Files and folders that the user named in options, such as --json and --out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from parity.cli.options import exit_code
from parity.errors import InputError
from parity.files.atomic import write_bytes
from parity.files.json_io import write_json
from parity.ladder.result import ALL_RESULTS


def check_file(path: Path | None, option: str = "--json") -> None:
    """Checks that a file can be written, before anything is computed for it.

    Raises:
        InputError: its folder does not exist, or the path is a folder.
    """
    try:
        fits = path is None or (path.absolute().parent.is_dir() and not path.is_dir())
    except OSError:  # a name that is too long
        fits = False
    if not fits:
        raise InputError(f"{option} {path}: expected a file in an existing folder")


def check_folder(path: Path | None) -> None:
    """Makes the folder of a report, before anything is computed for it."""
    if path is not None:
        with input_errors("--out", path):
            path.mkdir(parents=True, exist_ok=True)


def write_json_file(path: Path, value: dict[str, Any], option: str = "--json") -> None:
    """Writes the JSON file of an option.

    Raises:
        InputError: it cannot be written.
    """
    with input_errors(option, path):
        write_json(path, value)


def write_results(path: Path, results: list[dict[str, Any]]) -> None:
    """Writes one run or check as `parity.result/1`, several as a list in `parity.results/1`.

    Raises:
        InputError: the file cannot be written.
    """
    verdict = max((result["verdict"] for result in results), key=exit_code)
    many = {"schema": ALL_RESULTS, "verdict": verdict, "results": results}
    write_json_file(path, results[0] if len(results) == 1 else many)


def write_text_file(path: Path, text: str, option: str) -> None:
    """Writes the text file of an option, completely or not at all.

    Raises:
        InputError: it cannot be written.
    """
    with input_errors(option, path):
        write_bytes(path, text.encode())


def complain(text: str) -> None:
    """Prints a paragraph to standard error."""
    click.echo(text, err=True)


@contextmanager
def input_errors(option: str, path: Path) -> Iterator[None]:
    """Turns the error of a file that cannot be written into one that names the option."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{option} {path}: cannot be written ({error.strerror})") from error
    except UnicodeEncodeError as error:  # half a character in the name of a column
        raise InputError(f"{option} {path}: cannot be written ({error.reason})") from error
