"""The back end of Keras: which one a program asks for, and which one the Keras half has.

Keras takes it from `KERAS_BACKEND` or, without that, from `keras.json`, once, when it is imported.
A program that asks for another one than the half has is refused, wherever it asks: its numbers
would be those of a program that nobody runs.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from parity.errors import InputError

VARIABLE = "KERAS_BACKEND"
_ASKS = "the Keras program asks for the back end "  # how every refusal begins
HERE = "tensorflow"  # with which the Keras half computes

_refused: list[InputError] = []


def check_surroundings() -> None:
    """Checks the back end that environment and `keras.json` ask for, as Keras reads them.

    Raises:
        InputError: it is another one than that of the Keras half.
    """
    if asked := os.environ.get(VARIABLE):
        _check(asked, f"{VARIABLE} in the environment", HERE)
    elif (file := _file()).is_file():
        try:
            asked = json.loads(file.read_text(encoding="utf-8")).get("backend")
        except (OSError, ValueError, AttributeError):  # Keras takes its defaults then
            return
        if asked:
            _check(str(asked), f"'backend' in {file}", HERE)


@contextmanager
def kept_backend() -> Iterator[None]:
    """Keeps code in the block from asking for another back end than the process has.

    The code raises an InputError there. Keras is imported by then, and would not look at the
    variable any more. `keras.config.set_backend` sets the same variable.
    """
    kind: Any = type(os.environ)
    original, here = kind.__setitem__, os.environ.get(VARIABLE) or HERE

    def set_item(environment: Any, name: Any, value: Any) -> None:
        if name == VARIABLE and value and environment is os.environ:
            try:
                _check(str(value), _place(), here)
            except InputError as error:
                _refused.append(error)
                raise
        original(environment, name, value)

    kind.__setitem__ = set_item
    try:
        yield
    finally:
        kind.__setitem__ = original
        _refused.clear()


def raise_refused() -> None:
    """Raises the InputError of `kept_backend` again, which the user's code may have caught."""
    if _refused:
        raise _refused[0]


def is_refusal(reason: str) -> bool:
    """Whether the reason of a failed run is that its program asks for another back end."""
    return _ASKS in reason


def _check(asked: str, where: str, here: str) -> None:
    if asked != here:
        raise InputError(
            f"{_ASKS}{asked!r} ({where}), and the Keras half computes with {here!r}; "
            f"ask for {here!r} there, if the program can compute with it"
        )


def _file() -> Path:
    """Returns the place of `keras.json`, by Keras's rule."""
    if home := os.environ.get("KERAS_HOME"):
        return Path(home).expanduser() / "keras.json"
    base = Path.home() if os.access(Path.home(), os.W_OK) else Path("/tmp")
    return base / ".keras" / "keras.json"


def _place() -> str:
    """Returns the file and the line of the code that sets the variable, the nearest of a user."""
    frame = sys._getframe(2)
    while frame.f_back is not None and _is_installed(frame.f_code.co_filename):
        frame = frame.f_back
    return f"{VARIABLE} in {Path(frame.f_code.co_filename).name}, line {frame.f_lineno}"


def _is_installed(file: str) -> bool:
    folders = (os.path.dirname(os.__file__), os.path.dirname(__file__))
    return file.startswith(("<", *folders)) or "site-packages" in file
