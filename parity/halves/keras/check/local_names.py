"""The names that code of the user's has for the tensors of a graph, read when its functions end.

A block of code goes in. Names of its tensors come out.
"""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras

from parity.programs.user_modules import INSTALLED

_HARNESS = ("keras_impl", "parity")
_OF_PYTHON = ("<frozen", "<string>")  # files of what Python has inside, and of named tuples
_STANDARD = sysconfig.get_path("stdlib")


class Names:
    """The variables in which tensors were held.

    A tensor that several variables hold has the name of the innermost function's.
    """

    def __init__(self) -> None:
        self._found: dict[int, tuple[Any, str]] = {}  # with the tensor, whose ID stays its own

    def note(self, variables: dict[str, Any]) -> None:
        """Notes those of some variables that hold a tensor without numbers."""
        for name, value in variables.items():
            if isinstance(value, keras.KerasTensor):
                self._found.setdefault(id(value), (value, name))

    def of(self, tensor: Any) -> str | None:
        """Returns the name of a tensor, or None."""
        found = self._found.get(id(tensor))
        return None if found is None else found[1]


@contextmanager
def names_noted(names: Names) -> Iterator[None]:
    """Notes the local variables of all functions that end in the block, but for those of libraries.

    Args:
        names: gets them.
    """
    before = sys.getprofile()

    def profile(frame: Any, event: Any, argument: Any) -> None:
        if before is not None:
            before(frame, event, argument)
        if event == "return" and _is_users(frame):
            names.note(frame.f_locals)

    sys.setprofile(profile)
    try:
        yield
    finally:
        sys.setprofile(before)


def _is_users(frame: Any) -> bool:
    """Whether a frame runs code of the user's, and not that of a library."""
    path = frame.f_code.co_filename
    is_installed = not set(Path(path).parts).isdisjoint(INSTALLED)
    is_ours = str(frame.f_globals.get("__name__", "")).partition(".")[0] in _HARNESS
    return not (is_installed or is_ours or path.startswith((_STANDARD, *_OF_PYTHON)))
