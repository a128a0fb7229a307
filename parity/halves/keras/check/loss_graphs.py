"""Losses of the user's own that only call keras.ops and keras.losses, as graphs of operations.

The losses of a model and the targets of a batch go in. For each loss, the config of a functional
model of targets and output comes out, or nothing where its code does more.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

from parity.halves.keras.check.local_names import Names, names_noted
from parity.halves.keras.check.objective import Objective
from parity.halves.keras.check.outer_values import outer_values, shown
from parity.halves.keras.check.output_losses import name_of
from parity.halves.keras.versions import mask_of

Facts = dict[str, Any]
Shape = tuple[int | None, ...]
_CLOSE = 1e-12  # relative; the graph has the operations of the code
_REDUCTIONS = ("sum_over_batch_size", "mean", "sum", "mean_with_sample_weight")
_SMALL = 64  # numbers of an array that code of a loss may have


def write_loss_graphs(objective: Objective, losses: Mapping[str, Facts]) -> None:
    """Gives what is told of the user's losses their graphs, by output.

    Args:
        objective: of the model.
        losses: what `own_losses` returned; each gets "graphs", see `loss_graph`.
    """
    if objective.problem or objective.is_own:
        return
    batch = objective.batch("probe", 4)
    for output, loss in objective.losses.items():
        told = losses.get(name_of(loss) or "")
        if told is not None:
            sides = tuple(objective.shapes[output])
            found = loss_graph(loss, batch.targets[output], sides, _open_shape(objective, output))
            if found is not None:
                told.setdefault("graphs", {})[output] = found


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
    own = getattr(loss, "fn", loss)
    if (
        type(loss).__call__ is not keras.losses.Loss.__call__
        or _module(_BACKEND).standardize_dtype(loss.dtype) != keras.backend.floatx()
        or loss.reduction not in _REDUCTIONS
        or y.dtype.kind not in "biuf"
        or not y.ndim
    ):
        return None
    is_function = loss is not own
    holders = [loss, getattr(own, "__self__", loss)]
    kept = [dict(vars(each)) for each in holders]
    try:
        loss(y, output)  # which raises an error if its code mixes dtypes
        before = _state(loss, own)
        found = _checked(loss, y, output, shape, is_function=is_function)
        return found if _state(loss, own) == before else None  # it keeps a state
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
    (told, model), (again, _) = (_traced(loss, of_targets, shape) for _ in range(2))
    # It may draw numbers, or count its calls.
    if json.dumps(told, allow_nan=False) != json.dumps(again, allow_nan=False):
        return None
    y_true, y_pred = keras.ops.cast(y, floatx), keras.ops.cast(output, floatx)
    made, other = model([y_true, y_pred]), loss.call(y_true, y_pred)
    is_same = made.shape == other.shape and np.allclose(made, other, _CLOSE, 0.0, equal_nan=True)
    if not is_same or mask_of(other) is not None:
        return None
    return {**told, "is_column": is_column, "reduction": loss.reduction}


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


def _state(loss: Any, own: Any) -> Any:
    """Returns the plain values that code of a loss can see: of its object, and from around it."""
    holder = getattr(own, "__self__", loss)
    code = type(loss) if own is loss else own
    return shown(getattr(holder, "__dict__", {})), shown(vars(loss)), outer_values(code)


def _open_shape(objective: Objective, output: str) -> Shape:
    """Returns the shape of an output without its first axis; None: an axis of any length."""
    known = tuple(objective.shapes[output])
    ends = keras.tree.flatten(getattr(objective.model, "outputs", None) or [])
    names = objective.names
    if len(ends) != len(names) or output not in names:
        return known
    told = tuple(ends[names.index(output)].shape[1:])
    return told if len(told) == len(known) else known


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


def _reducing(own: Callable[..., Any]) -> Callable[..., Any]:
    def reduced(values: Any, sample_weight: Any = None, reduction: Any = _REDUCTIONS[0]) -> Any:
        is_open = isinstance(values, keras.KerasTensor) and None in values.shape
        if is_open and reduction in ("sum_over_batch_size", "mean"):
            return keras.ops.mean(values)
        return own(values, sample_weight, reduction)

    return reduced


def _module(name: str) -> Any:
    return importlib.import_module(name)


_BACKEND = "keras.src.backend"
_COMPILE = "keras.src.trainers.compile_utils"
_LOSS = "keras.src.losses.loss"
_VARIABLES = "keras.src.backend.common.variables"
_RANDOM = "keras.src.backend.tensorflow.random"
