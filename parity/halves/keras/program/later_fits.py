"""The calls of `fit` that a training script has beside its first one, which is the one taken.

The frames of the first call go in; facts, ready for JSON, come out. They are read from the source:
what follows the first call may take hours, or write over files, and is not run.
"""

from __future__ import annotations

import ast
import tokenize
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import keras

_LONGEST = 100  # characters of a line of the script that is told
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.Module)
_LOOPS = (ast.For, ast.AsyncFor, ast.While, ast.ListComp, ast.SetComp, ast.DictComp)
_UNKNOWN = object()


def later_fits(
    frames: Sequence[FrameType], files: Mapping[Path, Mapping[str, Any]]
) -> dict[str, Any] | None:
    """Returns what a script trains after its first call of `fit`, as far as its source tells.

    Args:
        frames: that lead to the first call, the outermost first, each in one of the files.
        files: of the script, with the names of the module that each is.

    Returns:
        None if that call is the only one. Else "first", "loops" and "calls": places of the first
        call, of loops around it, and of others that may follow it. A place is "file", "line" and
        "text"; a call has "changes", too: places where the script compiles, freezes or unfreezes
        between the call and the one before.
    """
    sources = {path: _Source(path, names) for path, names in files.items()}
    taken = [found for frame in frames if (found := _taken(frame, sources)) is not None]
    if not taken:
        return None
    fits = [each for each in taken if _called(each[1]) == "fit"]  # `super().fit` may be another
    first_source, first, _ = (fits or taken)[0]
    loops = [
        source.place(loop, source.head(loop))
        for source, call, _ in reversed(taken)
        if (loop := source.loop_of(call)) is not None
    ]
    names = set(_names_of(frames))
    known = {id(call) for _, call, _ in taken}
    calls = [
        (source, call)
        for source in sources.values()
        for call in source.calls(names)
        if id(call) not in known and _may_follow(source, call, taken, sources)
    ]
    if not calls and not loops:
        return None
    before = [(source, call) for source, call, _ in taken] + calls
    return {
        "first": first_source.place(first),
        "loops": loops,
        "calls": [
            source.place(call) | {"changes": source.changes(call, before)} for source, call in calls
        ],
    }


_Taken = tuple["_Source", ast.Call, FrameType]


class _Source:
    """A file of the script."""

    def __init__(self, path: Path, names: Mapping[str, Any]) -> None:
        self.name, self.names = path.name, names
        with tokenize.open(path) as file:
            self._text = file.read()
        self._tree = ast.parse(self._text)
        self._parents = {
            id(child): node for node in ast.walk(self._tree) for child in ast.iter_child_nodes(node)
        }

    def call_ending(self, line: int, column: int) -> ast.Call | None:
        """Returns the call that ends at a place."""
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Call) and (node.end_lineno, node.end_col_offset) == (
                line,
                column,
            ):
                return node
        return None

    def calls(self, names: set[str]) -> Iterator[ast.Call]:
        """Yields the calls of methods `fit`, and of functions and methods with some names."""
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Call) and (_called(node) in names or _is_fit(node)):
                yield node

    def around(self, node: ast.AST) -> Iterator[tuple[ast.AST, ast.AST]]:
        """Yields what holds a node up to its function, the innermost first, and what it holds."""
        inner = node
        while (outer := self._parents.get(id(inner))) is not None:
            yield outer, inner
            if isinstance(outer, _SCOPES):
                return
            inner = outer

    def scope_of(self, node: ast.AST) -> ast.AST:
        """Returns the function, or the module, in which a node stands."""
        return next((outer for outer, _ in self.around(node) if isinstance(outer, _SCOPES)), node)

    def loop_of(self, node: ast.AST) -> ast.AST | None:
        """Returns the innermost loop that repeats a node."""
        for outer, inner in self.around(node):
            if isinstance(outer, _LOOPS) and not _is_once(outer, inner):
                return outer
        return None

    def head(self, loop: ast.AST) -> str:
        """Returns the source of a loop without what it repeats."""
        if isinstance(loop, ast.For | ast.AsyncFor):
            return f"for {self._segment(loop.target)} in {self._segment(loop.iter)}"
        if isinstance(loop, ast.While):
            return f"while {self._segment(loop.test)}"
        return self._segment(loop)

    def is_used(self, scope: ast.AST) -> bool:
        """Whether the file has the name of a function in another place than its definition."""
        if not isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef) or scope.decorator_list:
            return True
        return any(_name(node) == scope.name for node in ast.walk(self._tree))

    def is_method(self, scope: ast.AST) -> bool:
        """Whether a function is a method, which Keras may call: nothing shows that it is not."""
        return isinstance(self._parents.get(id(scope)), ast.ClassDef)

    def assigned(self, node: ast.expr) -> Iterator[ast.expr]:
        """Yields what the file assigns to a name or an attribute."""
        told = ast.unparse(node)
        for each in ast.walk(self._tree):
            if isinstance(each, ast.Assign) and told in map(ast.unparse, each.targets):
                yield each.value

    def changes(self, call: ast.Call, calls: Sequence[tuple[_Source, ast.Call]]) -> list[Any]:
        """Returns places of `compile` and `trainable` before a call, behind the call before."""
        scope = self.scope_of(call)
        starts = [_begin(each) for source, each in calls if source is self]
        starts = [each for each in starts if each < _begin(call)]
        start = max(starts, default=(0, 0)) if isinstance(scope, ast.Module) else _begin(scope)
        inside = [_begin(e) for s, e in calls if s is self and self.scope_of(e) is scope]
        start = max([start, *(each for each in inside if each < _begin(call))])
        return [
            self.place(node)
            for node in ast.walk(scope)
            if _is_change(node)
            and self.scope_of(node) is scope
            and start < _begin(node) < _begin(call)
        ]

    def place(self, node: ast.AST, text: str | None = None) -> dict[str, Any]:
        """Returns where a node stands, with its source in one line."""
        told = " ".join((self._segment(node) if text is None else text).split())
        told = told if len(told) <= _LONGEST else f"{told[: _LONGEST - 3]}..."
        return {"file": self.name, "line": _begin(node)[0], "text": told}

    def _segment(self, node: ast.AST) -> str:
        return ast.get_source_segment(self._text, node) or ""


def _taken(frame: FrameType, sources: Mapping[Path, _Source]) -> _Taken | None:
    """Returns the call that a frame is in."""
    source = sources.get(Path(frame.f_code.co_filename).resolve())
    if source is None:
        return None
    _, line, _, column = list(frame.f_code.co_positions())[frame.f_lasti // 2]
    if line is None or column is None:
        return None
    call = source.call_ending(line, column)
    return None if call is None else (source, call, frame)


def _names_of(frames: Sequence[FrameType]) -> Iterator[str]:
    """Yields the names of functions of the script that led to the first call."""
    for frame in frames[1:]:
        name = frame.f_code.co_name
        if name.isidentifier() and not name.startswith("__"):
            yield name


def _may_follow(
    source: _Source, call: ast.Call, taken: Sequence[_Taken], sources: Mapping[Path, _Source]
) -> bool:
    """Whether a call may train a model after the first one."""
    scope = source.scope_of(call)
    names = dict(source.names)
    for other, first, frame in taken:
        if other is source and other.scope_of(first) is scope:
            names |= frame.f_locals
            if _is_before(source, call, first):
                return False
    if _is_fit(call) and not _may_train(source, call, names):
        return False
    return source.is_method(scope) or any(each.is_used(scope) for each in sources.values())


def _is_before(source: _Source, call: ast.Call, first: ast.Call) -> bool:
    """Whether a call of the same function stands before the first one, or in another branch."""
    around = {id(outer): (outer, inner) for outer, inner in source.around(first)}
    branches = False
    for outer, inner in source.around(call):
        if id(outer) not in around:
            continue
        if isinstance(outer, _LOOPS):
            return False
        other = around[id(outer)][1]
        if isinstance(outer, ast.If) and (_in(inner, outer.body) != _in(other, outer.body)):
            branches = True
    return branches or _begin(call) < _begin(first)


def _may_train(source: _Source, call: ast.Call, names: Mapping[str, Any]) -> bool:
    """Whether what a call of `fit` belongs to may be a Keras model, and no scaler or the like."""
    assert isinstance(call.func, ast.Attribute)
    owner = call.func.value
    value = _value(owner, names)
    if value is not _UNKNOWN and hasattr(type(value), "fit"):
        return isinstance(value, keras.Model)
    made = [owner, *source.assigned(owner)]
    kinds = [_value(each.func, names) for each in made if isinstance(each, ast.Call)]
    classes = [kind for kind in kinds if isinstance(kind, type)]
    return not classes or any(issubclass(kind, keras.Model | super) for kind in classes)


def _value(node: ast.expr, names: Mapping[str, Any]) -> Any:
    """Returns what a name or an attribute is, if no code has to be run for that."""
    if isinstance(node, ast.Name):
        builtin = super if node.id == "super" else _UNKNOWN
        return names.get(node.id, builtin)
    if isinstance(node, ast.Attribute):
        base = _value(node.value, names)
        return getattr(base, "__dict__", {}).get(node.attr, _UNKNOWN)
    return _UNKNOWN


def _is_change(node: ast.AST) -> bool:
    """Whether a node compiles a model, or says what is trained."""
    if isinstance(node, ast.Assign):
        targets = node.targets
        return any(isinstance(e, ast.Attribute) and e.attr == "trainable" for e in targets)
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    return node.func.attr == "compile" and ast.unparse(node.func) != "re.compile"


def _is_once(loop: ast.AST, inner: ast.AST) -> bool:
    """Whether what a loop holds is no part of what it repeats."""
    if isinstance(loop, ast.For | ast.AsyncFor):
        return not _in(inner, loop.body)
    return isinstance(loop, ast.While) and _in(inner, loop.orelse)


def _in(node: ast.AST, nodes: Sequence[ast.AST]) -> bool:
    return any(each is node for each in nodes)


def _is_fit(node: ast.Call) -> bool:
    return isinstance(node.func, ast.Attribute) and node.func.attr == "fit"


def _called(node: ast.Call) -> str:
    """Returns the name of the function or method that is called."""
    return _name(node.func)


def _name(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _begin(node: ast.AST) -> tuple[int, int]:
    return getattr(node, "lineno", 0), getattr(node, "col_offset", 0)
