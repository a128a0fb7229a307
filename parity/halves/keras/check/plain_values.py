"""Plain values: finite numbers, truth values, text, None, and nests of these, ready for JSON.

Any value goes in. Whether it is plain comes out, and its copy in lists and mappings, in which the
scalars of NumPy are numbers of Python.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

from parity.halves.keras.versions import python_number

_PLAIN = (bool, int, float, str, type(None))


def is_plain(value: Any) -> bool:
    """Whether a value is plain, or a list or tuple of plain ones."""
    value = python_number(value)
    if isinstance(value, list | tuple):
        return all(map(is_plain, value))
    return isinstance(value, _PLAIN) and not (isinstance(value, float) and not isfinite(value))


def plain(value: Any) -> Any:
    """Returns a plain value, with lists in the place of tuples."""
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return python_number(value)


def plain_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns those of named values that are plain."""
    return {name: plain(value) for name, value in values.items() if is_plain(value)}
