"""Code of the user's, as a port quotes it: source, values from around it, and what it calls."""

from __future__ import annotations

import ast
import dis
import functools
import inspect
import io
import math
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from math import isfinite
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import keras
import numpy as np

from keras_impl.reference import Reference
from parity.halves.keras.check.custom_steps import custom_step_names
from parity.halves.keras.schedules import attributes_of, class_of, has_schedule
from parity.halves.keras.versions import is_from_keras, python_number
from parity.programs.user_modules import INSTALLED

# --------------------------------------------------------------------------------------------------
#
# Plain values: finite numbers, truth values, text, None, and nests of these, ready for JSON.
#
# Any value goes in. Whether it is plain comes out, and its copy in lists and mappings, in which the
# scalars of NumPy are numbers of Python.


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


# --------------------------------------------------------------------------------------------------
#
# The values of names that quoted code has from around it: of enclosing functions and its module.
#
# A class or function goes in. Its names come out, each with its value as source.


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


# --- The source of a class or function of the user's own, as a port quotes it ---------------------
#
# A class or function goes in. Its file, its line and its text come out; the file is relative, since
# what is written down goes to others.


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
    return _quoted_lines(code.co_filename if code else "", max(first, 1), lines, folder)


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
                    return _quoted_lines(path, found.lineno, lines, folder)
    return {"file": "", "line": 0, "text": ""}


def _shortened(node: ast.ClassDef) -> ast.ClassDef | ast.FunctionDef:
    """Returns what of a long class says what it computes."""
    calls = [each for each in node.body if isinstance(each, ast.FunctionDef)]
    return next((each for each in calls if each.name == "call"), node)


def _quoted_lines(path: str, line: int, lines: list[str], folder: Path) -> dict[str, Any]:
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


# --- The functions and classes of the user's own that quoted code calls, quoted in their turn -----
#
# A class or function goes in. What it calls by a name from around it comes out, with what that
# calls.


_MOST_OF_QUOTED_HELPERS = 8  # of one stub


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
    visited, waiting = {id(thing)}, [thing]
    while waiting:
        for helper in _called(waiting.pop(0)):
            if id(helper) in visited or not _is_users(helper):
                continue
            visited.add(id(helper))
            waiting.append(helper)
            source = quoted(helper, folder)
            if source["text"] and len(found) < _MOST_OF_QUOTED_HELPERS:
                found.append(source)
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


# --------------------------------------------------------------------------------------------------
#
# What a port is told of regularisers and constraints of the user's own: classes, and functions.
#
# The layers of a model go in. Facts come out by layer and setting.


Facts = dict[str, Any]
_ENDINGS = ("_regularizer", "_constraint")


def custom_rule_facts(layers: Iterable[Any], folder: Path) -> dict[str, Facts]:
    """Returns what a port is told of such rules of weights and outputs, by "LAYER/SETTING".

    Args:
        layers: of Keras.
        folder: of the program.

    Returns:
        Of each: "class", or the name of a function; "source"; "values" of its plain attributes as
        source; "held", the names of the classes of other attributes.
    """
    return {
        f"{layer.name}/{setting}": _rule_facts(rule, folder)
        for layer in layers
        for setting, rule in rules_in(layer).items()
    }


def rules_in(layer: Any) -> dict[str, Any]:
    """Returns the rules of the user's own that a layer of Keras has, by setting."""
    kind: Any = type(layer)
    rules = {name: getattr(layer, name, None) for name in _settings(kind)}
    return {name: rule for name, rule in rules.items() if rule and not is_from_keras(rule)}


@functools.cache
def _settings(kind: Any) -> tuple[str, ...]:
    """Returns the names of the rules that a class of layers takes."""
    parameters = [inspect.signature(each).parameters for each in kind.__mro__[:-1]]
    names = {name for each in parameters for name in each if name.endswith(_ENDINGS)}
    return tuple(sorted({"activity_regularizer", *names}))


def _rule_facts(rule: Any, folder: Path) -> Facts:
    kind = rule if inspect.isroutine(rule) else type(rule)
    attributes = {} if inspect.isroutine(rule) else vars(rule)
    values = {name: text for name, text in shown(attributes).items() if name.isidentifier()}
    classes = {key: type(value).__name__ for key, value in attributes.items() if key not in values}
    return {
        "class": kind.__name__,
        "source": quoted(kind, folder),
        "values": values,
        "held": classes,
    }


# --- What a port is told of a learning rate schedule of the user's own: a subclass of Keras's -----
#
# A compiled model goes in. Facts come out by the name of the class.


def custom_schedule_facts(model: keras.Model, folder: Path) -> dict[str, Facts]:
    """Returns what a port is told of the schedule of the optimizer, if it is the user's own.

    Args:
        model: compiled, or not.
        folder: of the program.

    Returns:
        Of one, by the name of its class: "class"; "source"; "values" of its plain attributes as
        source, by their names; "held", the names of the classes of other attributes. Else nothing.
    """
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None or not has_schedule(optimizer):
        return {}
    schedule = optimizer._learning_rate
    if is_from_keras(schedule):
        return {}
    kind, attributes = class_of(schedule), attributes_of(schedule)
    values = shown(attributes)
    classes = {key: type(value).__name__ for key, value in attributes.items() if key not in values}
    facts = {
        "class": kind.__name__,
        "source": quoted(kind, folder),
        "values": values,
        "held": classes,
    }
    return {kind.__name__: facts}


# --- What a port is told of a `train_step` of the user's own --------------------------------------
#
# A reference goes in. Facts come out: the code of the step, and what it gets.


def custom_step_facts(reference: Reference, folder: Path) -> Facts | None:
    """Returns what a port is told of the `train_step` of a model; None: it is Keras's.

    Args:
        reference: the model, and what `fit` gets.
        folder: of the program.

    Returns:
        "class" of the model; "source" of the method; "values" of its plain attributes as source,
        by "self.NAME".
    """
    model = reference.model
    if "train_step" not in custom_step_names(model):
        return None
    kind = type(model)
    keras_attributes = {*vars(keras.Model()), "stop_training", "output_names", "input_names"}
    values = {
        f"self.{name}": value
        for name, value in shown(vars(model)).items()
        if name not in keras_attributes and not name.startswith("_")
    }
    return {"class": kind.__name__, "source": quoted(kind.train_step, folder), "values": values}


# --------------------------------------------------------------------------------------------------
#
# Functions of `LearningRateScheduler` that are arithmetic of Python, as source to be copied.
#
# A reference goes in. For each of these callbacks, the body of its function comes out with the
# numbers that it has from around it, or nothing where its code does more.


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
_MOST_OF_RATE_CODE = 400  # characters of a value from around it
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
    local_names = {each.arg for each in code.args.args}
    local_names |= {e.id for e in _names(code) if isinstance(e.ctx, ast.Store)}
    around = named_values(function)
    values = {}
    for name in dict.fromkeys(each.id for each in _names(code)):
        if name in local_names or (name in _BUILTINS and name not in around):
            continue
        if name in _MODULES and around.get(name) is _MODULES[name]:
            continue
        value = around.get(name)
        value = value.item() if isinstance(value, np.generic) else value
        if name not in around or not _is_plain(value) or len(repr(value)) > _MOST_OF_RATE_CODE:
            return None
        values[name] = repr(value)
    parameters = _parameters(code)
    if parameters is None:
        return None
    name = "rate" if isinstance(code, ast.Lambda) else code.name
    facts: Facts = {"name": name, "parameters": parameters, "body": _body(code, function)}
    facts |= {"values": values, "source": quoted(function, folder)}
    return facts if _is_same(facts, function) else None


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


def _is_same(facts: Facts, function: FunctionType) -> bool:
    """Whether the source that is told gives the rates of a function."""
    parts = [name if value is None else f"{name}={value}" for name, value in facts["parameters"]]
    lines = [f"{name} = {value}" for name, value in facts["values"].items()]
    body = textwrap.indent("\n".join([*lines, facts["body"]]), "    ")
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
