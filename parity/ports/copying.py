"""Copies parts of `torch_impl.plain` into the package of a port, with all that they need.

A line that ends with "#: NAME" is copied if the program has what the name says, and the code behind
"#: not NAME: " if it has not.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from parity.ports.imports import imported
from torch_impl import plain

# In the order in which their parts stand in a file.
MODULES = (
    *("activations", "operations", "convolutions", "pools", "resizing", "normalization", "noise"),
    "augmentation",
    *("categories", "merging", "recurrent", "conv_lstm", "attention", "weights", "losses"),
    *("clipping", "optimizers", "schedules", "callbacks", "metrics", "training"),
    *("command_line", "array_checks", "data_file"),
)
_HOME = "torch_impl.plain"


@dataclass(frozen=True)
class Part:
    """A class, a function or a constant of a module of parts.

    Attributes:
        place: its place among all parts.
        text: its source.
        names: that it uses.
        is_constant: whether it is an assignment.
    """

    place: int
    text: str
    names: frozenset[str]
    is_constant: bool


_OF_SOME = re.compile(r"^(?P<code>.*?)  #: (?P<name>\w+)$")
_OF_OTHERS = re.compile(r"^(?P<indent> *)#: not (?P<name>\w+): (?P<code>.*)$")


def copied(names: Iterable[str], about: str) -> str:
    """Returns the source of a file of parts.

    Args:
        names: of parts; those that they need come with them.
        about: the docstring of the file.
    """
    body, imports = chosen(names)
    gap = "\n\n\n" if body.startswith(("class ", "def ", "@")) else "\n\n"
    return f'"""{about}"""\n\n{imported(imports)}{gap}{body}\n'


def chosen(
    names: Iterable[str], has: Collection[str] | None = None
) -> tuple[str, dict[str, tuple[str, str]]]:
    """Returns the source of parts and of those that they need, and what they import.

    Args:
        names: of parts.
        has: what the program has, by the names behind "#: "; None: all.

    Returns:
        The source; imported name -> (module, its name there or "").

    Raises:
        KeyError: there is no part of that name.
    """
    parts, imports = _all_parts(None if has is None else frozenset(has))
    wanted: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in wanted:
            wanted.add(name)
            waiting += [other for other in parts[name].names if other in parts]
    found = sorted((parts[name] for name in wanted), key=lambda part: part.place)
    used = {name for part in found for name in part.names}
    body = ""
    before: Part | None = None
    for part in found:
        if before is not None:
            body += "\n" if before.is_constant and part.is_constant else "\n\n\n"
        body += part.text
        before = part
    return body, {name: imports[name] for name in used if name in imports}


def names_of_parts() -> frozenset[str]:
    """Returns the names of all parts."""
    return frozenset(_all_parts(None)[0])


def texts_of_parts() -> frozenset[str]:
    """Returns the sources of all parts."""
    return frozenset(part.text for part in _all_parts(None)[0].values())


def definitions(source: str, tree: ast.Module | None = None) -> Iterator[tuple[ast.stmt, str]]:
    """Yields the outermost statements of a source, each with its text.

    Args:
        source: of a file.
        tree: of it; None: it is parsed.
    """
    lines = source.split("\n")
    for node in (tree or ast.parse(source)).body:
        yield node, _text(node, lines)


def imports_of_parts() -> frozenset[tuple[str, str]]:
    """Returns what parts import: (module, name in it or "")."""
    return frozenset(_all_parts(None)[1].values())


def _of_program(source: str, has: Collection[str] | None) -> str:
    """Returns the lines of a source that belong to a program."""
    lines = []
    for line in source.splitlines():
        if (some := _OF_SOME.match(line)) is not None:
            lines += [some["code"]] if has is None or some["name"] in has else []
        elif (others := _OF_OTHERS.match(line)) is not None:
            is_other = has is not None and others["name"] not in has
            lines += [others["indent"] + others["code"]] if is_other else []
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"


@functools.cache
def _all_parts(
    has: frozenset[str] | None,
) -> tuple[Mapping[str, Part], Mapping[str, tuple[str, str]]]:
    """Returns the parts by name, and of each imported name (module, its name there or "")."""
    parts: dict[str, Part] = {}
    imports: dict[str, tuple[str, str]] = {}
    for module in MODULES:
        path = Path(plain.__file__).with_name(f"{module}.py")
        source = _of_program(path.read_text(encoding="utf-8"), has)
        lines = source.splitlines()
        for node in ast.parse(source).body:
            if isinstance(node, ast.Import):
                imports |= {a.asname or a.name: (a.name, "") for a in node.names}
            elif isinstance(node, ast.ImportFrom) and not str(node.module).startswith(_HOME):
                imports |= {a.asname or a.name: (str(node.module), a.name) for a in node.names}
            elif isinstance(node, ast.ClassDef | ast.FunctionDef | ast.Assign):
                name = getattr(node, "name", "") or _target(node)
                used = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
                text = _text(node, lines)
                constant = isinstance(node, ast.Assign)
                parts[name] = Part(len(parts), text, frozenset(used), constant)
    return parts, imports


def _target(node: ast.AST) -> str:
    assert isinstance(node, ast.Assign)
    (target,) = node.targets
    assert isinstance(target, ast.Name)
    return target.id


def _text(node: ast.stmt, lines: list[str]) -> str:
    """Returns the source of a node, without what only our type checker reads."""
    decorators = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(each.lineno for each in decorators)])
    assert node.end_lineno is not None
    text = "\n".join(lines[first - 1 : node.end_lineno])
    return re.sub(r"  # type: ignore\[[\w, -]+\]", "", text)
