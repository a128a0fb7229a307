"""Names that a source uses: "Conv2D" of `parts.Conv2D(3, 8, 3)`, and those that it imports."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence


def names_used(source: str, module: str) -> frozenset[str]:
    """Returns the attributes of a module that a source reads.

    Args:
        source: of a file.
        module: the name under which it has the module.
    """
    return frozenset(
        node.attr
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", None) == module
    )


def imported_from(source: str, packages: Sequence[str]) -> list[str]:
    """Returns the names that a source imports from some packages.

    Args:
        source: of a file.
        packages: names of the outermost ones.
    """
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            if str(node.module).partition(".")[0] in packages:
                found += [each.name for each in node.names]
        elif isinstance(node, ast.Import):
            found += [e.name for e in node.names if e.name.partition(".")[0] in packages]
    return found


def defined_in(sources: Iterable[str]) -> frozenset[str]:
    """Returns the names of the functions and classes of some sources, at their outermost level."""
    return frozenset(
        node.name
        for source in sources
        for node in ast.parse(source).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef)
    )


def names_called(source: str, known: Sequence[str]) -> list[str]:
    """Returns the known functions that a source calls, and the classes of its arguments.

    Args:
        source: of some statements.
        known: names.
    """
    return [name for name in known if re.search(rf"(?<![\w.]){name}[(,]", source)]
