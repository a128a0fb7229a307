"""Who imports whom, read from the sources: nothing of the project is imported for it.

Imports inside functions count, since they are needed at some time. Imports under `TYPE_CHECKING` do
not: they are for readers and type checkers only.
"""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

from sources import files_below, imports

Graph = Mapping[str, frozenset[str]]


def modules_of(root: Path, package: str) -> dict[str, Path]:
    """The modules of a package by dotted name; a package counts as its `__init__.py`."""
    modules = {}
    for path in files_below(root / package):
        parts = path.relative_to(root).with_suffix("").parts
        modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return modules


def import_graph(root: Path, *packages: str) -> dict[str, frozenset[str]]:
    """For each module of some packages the other modules of these that it imports."""
    modules = {name: path for each in packages for name, path in modules_of(root, each).items()}
    return {
        name: frozenset(_imported(path, name, modules)) - {name} for name, path in modules.items()
    }


def _imported(path: Path, name: str, modules: Mapping[str, Path]) -> Iterator[str]:
    for node, is_typing in imports(path):
        if is_typing:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom):
            base = _base(node, name, is_package=path.name == "__init__.py")
            for alias in node.names:
                full = f"{base}.{alias.name}"
                if full in modules:
                    yield full
                elif base in modules:
                    yield base


def _base(node: ast.ImportFrom, name: str, *, is_package: bool) -> str:
    if not node.level:
        return node.module or ""
    parts = name.split(".") if is_package else name.split(".")[:-1]
    parts = parts[: len(parts) - node.level + 1]
    return ".".join([*parts, *([node.module] if node.module else [])])


def circles(graph: Graph) -> list[list[str]]:
    """Groups of modules that import each other, directly or through others."""
    reached = {name: _reached(graph, name) for name in graph}
    groups = {
        frozenset(other for other in reached[name] if name in reached[other])
        for name in graph
        if name in reached[name]
    }
    return sorted(sorted(group) for group in groups)


def _reached(graph: Graph, start: str) -> frozenset[str]:
    found: set[str] = set()
    waiting = list(graph[start])
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += graph[name]
    return frozenset(found)


def longest_chain(graph: Graph) -> list[str]:
    """The longest sequence of modules of which each imports the next. The graph has no circle."""
    known: dict[str, list[str]] = {}

    def chain(name: str) -> list[str]:
        if name not in known:
            known[name] = [name, *max(map(chain, sorted(graph[name])), key=len, default=[])]
        return known[name]

    return max(map(chain, sorted(graph)), key=len)
