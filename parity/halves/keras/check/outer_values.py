"""The values of names that quoted code has from around it: of enclosing functions and its module.

A class or function goes in. Its names come out, each with its value as source.
"""

from __future__ import annotations

import dis
import inspect
from collections.abc import Iterator, Mapping
from types import CodeType, FunctionType
from typing import Any

import numpy as np

from parity.halves.keras.check.plain_values import is_plain

_LONGEST = 160  # characters of a value that is shown


def outer_values(thing: Any) -> dict[str, str]:
    """Returns the plain values of names that code of the user's has from around it.

    Args:
        thing: a class, or a function.
    """
    found: dict[str, str] = {}
    for function in functions_in(thing):
        found |= shown(named_values(function))
    return found


def named_values(function: FunctionType) -> dict[str, Any]:
    """Returns what the names stand for that a function has from around it."""
    closure = function.__closure__ or ()
    cells = dict(zip(function.__code__.co_freevars, closure, strict=True))
    around = {name: value for name, cell in cells.items() for value in _contents(cell)}
    known = function.__globals__
    names = [name for name in _global_names(function.__code__) if name in known]
    return {name: known[name] for name in names} | around


def shown(values: Mapping[str, Any]) -> dict[str, str]:
    """Returns those of named values that are plain, as source; a long one by its length."""
    found = {}
    for name, value in values.items():
        plain = value.item() if isinstance(value, np.generic) else value
        if not (is_plain(plain) or isinstance(plain, float)):
            continue
        text = f'float("{plain}")' if isinstance(plain, float) and not is_plain(plain) else ""
        text = text or repr(plain)
        if len(text) > _LONGEST:
            text = f"... ({len(plain):,} {'characters' if isinstance(plain, str) else 'values'})"
        found[name] = text
    return found


def functions_in(thing: Any) -> Iterator[FunctionType]:
    """Yields the functions of a class, or a function."""
    parts = list(vars(thing).values()) if inspect.isclass(thing) else [thing]
    for part in parts:
        function = inspect.unwrap(getattr(part, "__func__", getattr(part, "fget", part)))
        if isinstance(function, FunctionType):
            yield function


def _contents(cell: Any) -> Iterator[Any]:
    """Yields what a cell has; nothing of one that is not filled yet."""
    try:
        yield cell.cell_contents
    except ValueError:
        return


def _global_names(code: CodeType) -> Iterator[str]:
    """Yields the names that code, and functions inside of it, take from its module."""
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield str(step.argval)
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _global_names(inner)
