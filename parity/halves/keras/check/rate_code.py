"""Functions of `LearningRateScheduler` that are arithmetic of Python, as source to be copied.

A reference goes in. For each of these callbacks, the body of its function comes out with the
numbers that it has from around it, or nothing where its code does more.
"""

from __future__ import annotations

import ast
import io
import math
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from types import FunctionType
from typing import Any

import keras
import numpy as np

from keras_impl.reference import Reference
from parity.halves.keras.check.outer_values import named_values
from parity.halves.keras.check.plain_values import is_plain
from parity.halves.keras.check.quoted import quoted

Facts = dict[str, Any]
Code = ast.FunctionDef | ast.Lambda
_MODULES = {"math": math, "np": np}
_BUILTINS = frozenset(
    {"abs", "bool", "divmod", "enumerate", "float", "int", "len", "max", "min", "pow", "print"}
    | {"range", "reversed", "round", "sorted", "sum", "zip"}
)
_OF_NUMPY = frozenset(
    {"abs", "ceil", "clip", "cos", "e", "exp", "floor", "log", "log10", "log2", "maximum"}
    | {"minimum", "pi", "power", "sin", "sqrt", "tanh"}
)
_NODES = (
    *(ast.If, ast.For, ast.Return, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr, ast.Pass),
    *(ast.Break, ast.Continue, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp),
    *(ast.Call, ast.Name, ast.Constant, ast.Attribute, ast.Subscript, ast.Slice, ast.List),
    *(ast.Tuple, ast.Dict, ast.JoinedStr, ast.FormattedValue, ast.keyword),
    *(ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.expr_context),
)
_MOST = 400  # characters of a value from around it
_TRIED = [(epoch, rate) for epoch in (*range(40), 100, 1000) for rate in (1e-3, 0.1)]


def rates_of(reference: Reference, folder: Path) -> list[Facts | None]:
    """Returns what is told of the function of each `LearningRateScheduler`, in their order.

    Args:
        reference: what `fit` gets.
        folder: of the program.

    Returns:
        Of each: "name"; "parameters", [name, default as source or None]; "body" as source; "values"
        from around it, as source by name; "source", see `quoted`. None: its code does more than
        compute with numbers, or has other things from around it than plain values.
    """
    return [
        _rate(callback.schedule, folder)
        for callback in reference.callbacks
        if isinstance(callback, keras.callbacks.LearningRateScheduler)
    ]


def _rate(function: Any, folder: Path) -> Facts | None:
    if not isinstance(function, FunctionType):
        return None
    code = _code_of(function)
    if code is None or not all(map(_is_known, _inside(code))):
        return None
    own = {each.arg for each in code.args.args}
    own |= {e.id for e in _names(code) if isinstance(e.ctx, ast.Store)}
    around = named_values(function)
    values = {}
    for name in dict.fromkeys(each.id for each in _names(code)):
        if name in own or (name in _BUILTINS and name not in around):
            continue
        if name in _MODULES and around.get(name) is _MODULES[name]:
            continue
        value = around.get(name)
        value = value.item() if isinstance(value, np.generic) else value
        if name not in around or not _is_plain(value) or len(repr(value)) > _MOST:
            return None
        values[name] = repr(value)
    parameters = _parameters(code)
    if parameters is None:
        return None
    name = "rate" if isinstance(code, ast.Lambda) else code.name
    told: Facts = {"name": name, "parameters": parameters, "body": _body(code, function)}
    told |= {"values": values, "source": quoted(function, folder)}
    return told if _is_same(told, function) else None


def _code_of(function: FunctionType) -> Code | None:
    """Returns the only code in the file of a function that is compiled to what it is."""
    code = function.__code__
    try:
        tree = ast.parse(Path(code.co_filename).read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError):
        return None
    found: list[Code] = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.Lambda) or node.lineno != code.co_firstlineno:
            continue
        name = "<lambda>" if isinstance(node, ast.Lambda) else node.name
        arguments = [each.arg for each in node.args.args]
        if name == code.co_name and arguments == list(code.co_varnames[: code.co_argcount]):
            found.append(node)
    is_only = len(found) == 1 and not getattr(found[0], "decorator_list", [])
    return found[0] if is_only else None


def _inside(code: Code) -> Iterator[ast.AST]:
    """Yields what the body of a function is made of."""
    for part in code.body if isinstance(code.body, list) else [code.body]:
        yield from ast.walk(part)


def _names(code: Code) -> Iterator[ast.Name]:
    yield from (node for node in _inside(code) if isinstance(node, ast.Name))


def _is_known(node: ast.AST) -> bool:
    """Whether a part of a function computes with numbers alone, and changes nothing else."""
    if isinstance(node, ast.Attribute):
        home = node.value.id if isinstance(node.value, ast.Name) else ""
        return home == "math" or (home == "np" and node.attr in _OF_NUMPY)
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Attribute) or (
            isinstance(node.func, ast.Name) and node.func.id in _BUILTINS
        )
    if isinstance(node, ast.Subscript):
        return isinstance(node.ctx, ast.Load)
    return isinstance(node, _NODES)


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return is_plain([*value, *value.values()])
    return is_plain(value)


def _parameters(code: Code) -> list[list[Any]] | None:
    """Returns the arguments of a function with their defaults; None for others than plain ones."""
    given = code.args
    if given.vararg or given.kwarg or given.kwonlyargs or given.posonlyargs:
        return None
    defaults: Sequence[Any] = [None] * (len(given.args) - len(given.defaults)) + given.defaults
    found: list[list[Any]] = []
    for each, default in zip(given.args, defaults, strict=True):
        if default is not None:
            try:
                ast.literal_eval(default)
            except ValueError:
                return None
        found.append([each.arg, None if default is None else ast.unparse(default)])
    return found


def _body(code: Code, function: FunctionType) -> str:
    """Returns the statements of a function, with their comments if they have lines of their own."""
    if isinstance(code, ast.Lambda):
        return f"return {ast.unparse(code.body)}"
    first, last = code.body[0], code.body[-1]
    if first.lineno == code.lineno or code.end_lineno is None:
        return "\n".join(map(ast.unparse, code.body))
    path = Path(function.__code__.co_filename)
    lines = path.read_text(encoding="utf-8").expandtabs(4).splitlines()
    start = max([code.lineno, *(each.end_lineno or 0 for each in code.args.args)])
    while lines[start - 1].rstrip()[-1:] != ":" and start < first.lineno - 1:
        start += 1
    return textwrap.dedent("\n".join(lines[start : last.end_lineno])).strip("\n")


def _is_same(told: Facts, function: FunctionType) -> bool:
    """Whether the source that is told gives the rates of a function."""
    parts = [name if value is None else f"{name}={value}" for name, value in told["parameters"]]
    lines = [f"{name} = {value}" for name, value in told["values"].items()]
    body = textwrap.indent("\n".join([*lines, told["body"]]), "    ")
    names: dict[str, Any] = dict(_MODULES)
    try:
        exec(f"def copied({', '.join(parts)}):\n{body}\n", names)  # noqa: S102 - it is the user's
        with redirect_stdout(io.StringIO()):
            for epoch, rate in _TRIED:
                given = (epoch, rate) if len(parts) > 1 else (epoch,)
                if names["copied"](*given) != function(*given):
                    return False
    except Exception:  # code of the user's, which may raise anything
        return False
    return True
