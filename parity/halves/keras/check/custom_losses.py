"""What a port is given of custom losses: functions, methods, and graphs of operations."""

from __future__ import annotations

import importlib
import inspect
import json
import sys
import sysconfig
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from parity.halves.keras.check.objective import Objective, is_kerass, name_of
from parity.halves.keras.check.quoted_code import outer_values, quoted, quoted_helpers, shown
from parity.halves.keras.versions import is_from_keras, mask_of
from parity.programs.user_modules import INSTALLED

# --------------------------------------------------------------------------------------------------
#
# The names that code of the user's has for the tensors of a graph, read when its functions end.
#
# A block of code goes in. Names of its tensors come out.


_HARNESS = ("keras_impl", "parity")
_OF_PYTHON = ("<frozen", "<string>")  # files of what Python has inside, and of named tuples
_STANDARD = sysconfig.get_path("stdlib")


class Names:
    """The variables in which tensors were held.

    A tensor that several variables hold has the name of the innermost function's.
    """

    def __init__(self) -> None:
        self._found: dict[int, tuple[Any, str]] = {}  # with the tensor, whose ID stays its own

    def note(self, variables: dict[str, Any]) -> None:
        """Notes those of some variables that hold a tensor without numbers."""
        for name, value in variables.items():
            if isinstance(value, keras.KerasTensor):
                self._found.setdefault(id(value), (value, name))

    def of(self, tensor: Any) -> str | None:
        """Returns the name of a tensor, or None."""
        found = self._found.get(id(tensor))
        return None if found is None else found[1]


@contextmanager
def names_noted(names: Names) -> Iterator[None]:
    """Notes the local variables of all functions that end in the block, but for those of libraries.

    Args:
        names: gets them.
    """
    before = sys.getprofile()

    def profile(frame: Any, event: Any, argument: Any) -> None:
        if before is not None:
            before(frame, event, argument)
        if event == "return" and _is_users(frame):
            names.note(frame.f_locals)

    sys.setprofile(profile)
    try:
        yield
    finally:
        sys.setprofile(before)


def _is_users(frame: Any) -> bool:
    """Whether a frame runs code of the user's, and not that of a library."""
    path = frame.f_code.co_filename
    is_installed = not set(Path(path).parts).isdisjoint(INSTALLED)
    is_ours = str(frame.f_globals.get("__name__", "")).partition(".")[0] in _HARNESS
    return not (is_installed or is_ours or path.startswith((_STANDARD, *_OF_PYTHON)))


# --------------------------------------------------------------------------------------------------
#
# Losses of the user's own that only call keras.ops and keras.losses, as graphs of operations.
#
# The losses of a model and the targets of a batch go in. For each loss, the config of a functional
# model of targets and output comes out, or nothing where its code does more.


Facts = dict[str, Any]
Shape = tuple[int | None, ...]
_CLOSE = 1e-12  # relative; the graph has the operations of the code
_REDUCTIONS = ("sum_over_batch_size", "mean", "sum", "mean_with_sample_weight")
_SMALL = 64  # numbers of an array that code of a loss may have


def write_loss_graphs(objective: Objective, losses: Mapping[str, Facts]) -> None:
    """Gives what is told of the user's losses their graphs, by output.

    Args:
        objective: of the model.
        losses: what `custom_loss_facts` returned; each gets "graphs", see `loss_graph`.
    """
    if objective.problem or objective.is_custom:
        return
    batch = objective.batch("probe", 4)
    for output, loss in objective.losses.items():
        facts = losses.get(name_of(loss) or "")
        if facts is not None:
            sides = tuple(objective.shapes[output])
            found = loss_graph(loss, batch.targets[output], sides, _open_shape(objective, output))
            if found is not None:
                facts.setdefault("graphs", {})[output] = found


def loss_graph(
    loss: Any, y: np.ndarray, sides: tuple[int, ...], shape: Shape | None = None
) -> Facts | None:
    """Returns the graph of a loss; None if its code does more than call operations of Keras.

    Args:
        loss: as `compile` gets it.
        y: targets of a batch.
        sides: of the output for them, without the axis of the batch.
        shape: the same; None in it: an axis of any length. By default, no axis is.

    Returns:
        "config" of a functional model of "y_true" and "y_pred", whose output has not been reduced;
        "variables", the names that the code has for tensors, by the names of the operations that
        make them; "is_column", whether Keras gives targets (N,) as (N, 1); "reduction".
    """
    y, shape = np.asarray(y), sides if shape is None else shape
    try:
        found: Facts | None = _loss_graph(loss, y, sides, shape)
    except Exception:  # code of the user's, which may raise anything
        return None
    return found


def _loss_graph(given: Any, y: np.ndarray, sides: tuple[int, ...], shape: Shape) -> Facts | None:
    output = np.random.default_rng(0).uniform(0.05, 0.95, (len(y), *sides))
    loss = _module(_COMPILE).get_loss(given, y, output)
    function = getattr(loss, "fn", loss)
    if (
        type(loss).__call__ is not keras.losses.Loss.__call__
        or _module(_BACKEND).standardize_dtype(loss.dtype) != keras.backend.floatx()
        or loss.reduction not in _REDUCTIONS
        or y.dtype.kind not in "biuf"
        or not y.ndim
    ):
        return None
    is_function = loss is not function
    holders = [loss, getattr(function, "__self__", loss)]
    kept = [dict(vars(each)) for each in holders]
    try:
        loss(y, output)  # which raises an error if its code mixes dtypes
        before = _state(loss, function)
        found = _checked(loss, y, output, shape, is_function=is_function)
        return found if _state(loss, function) == before else None  # it keeps a state
    finally:
        for holder, attributes in zip(holders, kept, strict=True):
            for name in set(vars(holder)) - set(attributes):
                del vars(holder)[name]
            vars(holder).update(attributes)


def _checked(
    loss: Any, y: np.ndarray, output: np.ndarray, shape: Shape, *, is_function: bool
) -> Facts | None:
    """Returns the graph of a loss, if its code makes the same one twice, and computes the same."""
    floatx = keras.backend.floatx()
    is_column = is_function and list(shape) == [1]
    y = y[:, None] if is_column and y.ndim == 1 else y  # Keras gives the function that rank
    of_targets = tuple(
        None if shape[axis : axis + 1] == (None,) else size for axis, size in enumerate(y.shape[1:])
    )
    (graph, model), (again, _) = (_traced(loss, of_targets, shape) for _ in range(2))
    # It may draw numbers, or count its calls.
    if json.dumps(graph, allow_nan=False) != json.dumps(again, allow_nan=False):
        return None
    y_true, y_pred = keras.ops.cast(y, floatx), keras.ops.cast(output, floatx)
    made, other = model([y_true, y_pred]), loss.call(y_true, y_pred)
    is_same = made.shape == other.shape and np.allclose(made, other, _CLOSE, 0.0, equal_nan=True)
    if not is_same or mask_of(other) is not None:
        return None
    return {**graph, "is_column": is_column, "reduction": loss.reduction}


def _traced(loss: Any, y: Shape, shape: Shape) -> tuple[Facts, keras.Model]:
    """Runs the code of a loss on tensors without numbers; returns the graph.

    Raises:
        ValueError: it calls layers, computes with weights, or does not return one tensor.
    """
    y_true, y_pred = keras.Input(y, name="y_true"), keras.Input(shape, name="y_pred")
    names = Names()
    with _only_operations(), names_noted(names):
        made = loss.call(y_true, y_pred)
    if not isinstance(made, keras.KerasTensor):
        raise ValueError("it does not return one tensor")
    graph = keras.Function([y_true, y_pred], made)
    variables = _named(graph, names)
    model = keras.Model([y_true, y_pred], made, name="loss")
    return {"config": json.loads(model.to_json())["config"], "variables": variables}, model


def _named(graph: Any, names: Names) -> dict[str, str]:
    """Names operations by their classes in order; returns the variables of what they make.

    Raises:
        ValueError: one is a layer, or is given a weight or a large array.
    """
    variables: dict[str, str] = {}
    count = 0
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        for node in graph._nodes_by_depth[depth]:
            operation = node.operation
            if isinstance(operation, keras.layers.InputLayer):
                continue
            if isinstance(operation, keras.layers.Layer):
                raise ValueError(f"it calls the layer {operation.name!r}")
            for value in keras.tree.flatten((node.arguments.args, node.arguments.kwargs)):
                _check(value)
            count += 1
            operation.name = f"{type(operation).__name__.lower()}_{count}"
            for number, tensor in enumerate(node.outputs):
                if (name := names.of(tensor)) is not None:
                    variables[f"{operation.name}/{number}"] = name
    return variables


def _check(value: Any) -> None:
    """Raises ValueError for an argument of an operation that is a weight or a large array."""
    if isinstance(value, keras.KerasTensor) or not hasattr(value, "shape"):
        return
    if isinstance(value, keras.Variable) or hasattr(value, "assign"):
        raise ValueError("it computes with a weight")
    if np.size(value) > _SMALL:
        raise ValueError(f"it has an array of {np.size(value)} numbers")


def _state(loss: Any, function: Any) -> Any:
    """Returns the plain values that code of a loss can see: of its object, and from around it."""
    holder = getattr(function, "__self__", loss)
    code = type(loss) if function is loss else function
    return shown(getattr(holder, "__dict__", {})), shown(vars(loss)), outer_values(code)


def _open_shape(objective: Objective, output: str) -> Shape:
    """Returns the shape of an output without its first axis; None: an axis of any length."""
    known = tuple(objective.shapes[output])
    ends = keras.tree.flatten(getattr(objective.model, "outputs", None) or [])
    names = objective.names
    if len(ends) != len(names) or output not in names:
        return known
    shape = tuple(ends[names.index(output)].shape[1:])
    return shape if len(shape) == len(known) else known


@contextmanager
def _only_operations() -> Iterator[None]:
    """Refuses code that draws numbers, or takes or sets those of a weight.

    A mean over values whose number is not known is written as one: Keras divides by that number.
    """
    random, kind, reducing = _module(_RANDOM), _module(_VARIABLES).Variable, _module(_LOSS)
    draw, value, assign, reduce = random.draw_seed, kind.value, kind.assign, reducing.reduce_values

    def refused(*_: Any, **__: Any) -> Any:
        raise ValueError("it draws numbers, or takes or sets those of a weight")

    random.draw_seed, kind.value, kind.assign = refused, property(refused), refused
    reducing.reduce_values = _reducing(reduce)
    try:
        yield
    finally:
        random.draw_seed, kind.value, kind.assign = draw, value, assign
        reducing.reduce_values = reduce


def _reducing(original: Callable[..., Any]) -> Callable[..., Any]:
    def reduced(values: Any, sample_weight: Any = None, reduction: Any = _REDUCTIONS[0]) -> Any:
        is_open = isinstance(values, keras.KerasTensor) and None in values.shape
        if is_open and reduction in ("sum_over_batch_size", "mean"):
            return keras.ops.mean(values)
        return original(values, sample_weight, reduction)

    return reduced


def _module(name: str) -> Any:
    return importlib.import_module(name)


_BACKEND = "keras.src.backend"
_COMPILE = "keras.src.trainers.compile_utils"
_LOSS = "keras.src.losses.loss"
_VARIABLES = "keras.src.backend.common.variables"
_RANDOM = "keras.src.backend.tensorflow.random"


# --------------------------------------------------------------------------------------------------
#
# What a port is told of losses of the user's own: functions, methods, and subclasses of Loss.
#
# A compiled model goes in. Facts come out by the names that the losses have in a trace.


_OF_ALL = ("name", "dtype", "reduction")  # attributes of every Loss


def custom_loss_facts(model: keras.Model, folder: Path) -> tuple[dict[str, Facts], list[str]]:
    """Returns what a port is told of the losses of the user's own, by name.

    Args:
        model: compiled, or not.
        folder: of the program.

    Returns:
        Of each: "name"; "class", of the code; "is_function", whose targets Keras gives the rank of
        the output; "source"; "helpers", the sources of what it calls; "values" of settings as
        source, by the names that the code has for them, "self.alpha" of an attribute; "reduction"
        of a Loss. And a sentence for each name that several have. `write_loss_graphs` adds "graphs"
        later.
    """
    given = {
        id(loss): facts
        for loss in keras.tree.flatten(getattr(model, "loss", None))
        if (facts := _loss_facts(loss, folder))
    }
    problems = [
        f"two losses of your own have the name {name!r}: give each one of its own, such as by "
        "__name__ of a function that another one returns, or by name= of a Loss"
        for name, number in Counter(facts["name"] for facts in given.values()).items()
        if number > 1
    ]
    return {facts["name"]: facts for facts in given.values()}, problems


def _loss_facts(loss: Any, folder: Path) -> Facts | None:
    """Returns what is told of a loss; None if it is Keras's, or there is none."""
    name = name_of(loss)
    if isinstance(loss, str):  # it may be registered
        with suppress(ValueError):
            loss = keras.losses.get(loss)
    if name is None or isinstance(loss, str) or is_kerass(loss):
        return None
    reduction = getattr(loss, "reduction", None)
    facts = {
        "name": name,
        "reduction": reduction if isinstance(loss, keras.losses.Loss) else "mean",
    }
    values = {}
    if isinstance(loss, keras.losses.Loss) and is_from_keras(loss):  # it wraps a function
        loss, values = loss.fn, shown(getattr(loss, "_fn_kwargs", {}))
    while isinstance(loss, partial):
        loss, values = loss.func, {**shown(loss.keywords), **values}
    if inspect.isroutine(loss):
        holder = getattr(loss, "__self__", None)
        return {
            **facts,
            "class": loss.__name__,
            "is_function": True,
            "source": quoted(loss, folder),
            "helpers": quoted_helpers(loss, folder),
            "values": values | (_attributes(holder) if inspect.ismethod(loss) else {}),
        }
    return {
        **facts,
        "class": type(loss).__name__,
        "is_function": False,
        "source": quoted(type(loss), folder),
        "helpers": quoted_helpers(type(loss), folder),
        "values": values | _attributes(loss),
    }


def _attributes(holder: Any) -> Facts:
    """Returns the plain attributes of an object, by "self.NAME"."""
    found = shown(getattr(holder, "__dict__", {}))
    return {
        f"self.{name}": value
        for name, value in found.items()
        if name not in _OF_ALL and not name.startswith("_")
    }
