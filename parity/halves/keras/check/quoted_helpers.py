"""The functions and classes of the user's own that quoted code calls, quoted in their turn.

A class or function goes in. What it calls by a name from around it comes out, with what that calls.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from types import FunctionType
from typing import Any

from parity.halves.keras.check.outer_values import functions_in, named_values
from parity.halves.keras.check.quoted import quoted
from parity.programs.user_modules import INSTALLED

_MOST = 8  # of one stub


def quoted_helpers(thing: Any, folder: Path) -> list[dict[str, Any]]:
    """Returns where the source of what code calls is, and the source: see `quoted`.

    Args:
        thing: a class, or a function.
        folder: of the program.

    Returns:
        The first eight, in the order in which code names them: functions and classes of the user's,
        and the bases of a class. What has no source is left out.
    """
    found: list[dict[str, Any]] = []
    seen, waiting = {id(thing)}, [thing]
    while waiting:
        for helper in _called(waiting.pop(0)):
            if id(helper) in seen or not _is_users(helper):
                continue
            seen.add(id(helper))
            waiting.append(helper)
            told = quoted(helper, folder)
            if told["text"] and len(found) < _MOST:
                found.append(told)
    return found


def _called(thing: Any) -> list[Any]:
    """Returns what code names of its bases and from around it."""
    found = list(thing.__mro__[1:]) if inspect.isclass(thing) else []
    for function in functions_in(thing):
        found += named_values(function).values()
    return [inspect.unwrap(each) if callable(each) else each for each in found]


def _is_users(thing: Any) -> bool:
    """Whether something is a function or class of the user's."""
    if inspect.isclass(thing):
        functions = [each for each in vars(thing).values() if isinstance(each, FunctionType)]
    else:
        functions = [thing] if isinstance(thing, FunctionType) else []
    paths = [Path(function.__code__.co_filename) for function in functions]
    return any(path.is_file() and set(path.parts).isdisjoint(INSTALLED) for path in paths)
