"""The source of a class or function of the user's own, as a port quotes it.

A class or function goes in. Its file, its line and its text come out; the file is relative, since
what is written down goes to others.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from pathlib import Path
from typing import Any

from parity.halves.keras.check.outer_values import outer_values
from parity.programs.user_modules import INSTALLED

_MOST = 120  # lines of a class; of a longer one, `call` alone is quoted


def quoted(thing: Any, folder: Path) -> dict[str, Any]:
    """Returns where the source of a class or function is, and the source.

    Args:
        thing: a class, or a function.
        folder: of the program; files are named relative to it.

    Returns:
        "file"; "line", from 1; "text". If no file has the source: "", 0 and "". And "values" of
        names that it has from around it: see `outer_values`.
    """
    return {**_quoted(thing, folder), "values": outer_values(thing)}


def _quoted(thing: Any, folder: Path) -> dict[str, Any]:
    if inspect.isclass(thing):
        return _class(thing, folder)
    code = getattr(inspect.unwrap(thing), "__code__", None)
    try:
        lines, first = inspect.getsourcelines(thing)
    except (OSError, TypeError):
        return {"file": "", "line": 0, "text": ""}
    return _told(code.co_filename if code else "", max(first, 1), lines, folder)


def _class(kind: type, folder: Path) -> dict[str, Any]:
    """Finds a class by one of its functions: a script that has ended is no module any more."""
    functions = [each for each in vars(kind).values() if inspect.isfunction(each)]
    for function in functions:
        path, line = function.__code__.co_filename, function.__code__.co_firstlineno
        try:
            text = Path(path).read_text(encoding="utf-8")
            tree = ast.parse(text)
        except (OSError, ValueError, SyntaxError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and node.name == kind.__name__:
                end = node.end_lineno or node.lineno
                if node.lineno <= line <= end:
                    found = _shortened(node) if end - node.lineno > _MOST else node
                    last = found.end_lineno or found.lineno
                    lines = text.splitlines()[found.lineno - 1 : last]
                    return _told(path, found.lineno, lines, folder)
    return {"file": "", "line": 0, "text": ""}


def _shortened(node: ast.ClassDef) -> ast.ClassDef | ast.FunctionDef:
    """Returns what of a long class says what it computes."""
    calls = [each for each in node.body if isinstance(each, ast.FunctionDef)]
    return next((each for each in calls if each.name == "call"), node)


def _told(path: str, line: int, lines: list[str], folder: Path) -> dict[str, Any]:
    text = textwrap.dedent("\n".join(each.rstrip("\n") for each in lines[: 2 * _MOST]))
    return {"file": _shown(Path(path), folder), "line": line, "text": text.rstrip()}


def _shown(path: Path, folder: Path) -> str:
    """Returns a path from the folder of the program, or from that of installed packages."""
    path, folder = path.resolve(), folder.resolve()
    if path.is_relative_to(folder):
        return path.relative_to(folder).as_posix()
    for number, part in enumerate(path.parts):
        if part in INSTALLED:
            return "/".join(path.parts[number + 1 :])
    return path.name
