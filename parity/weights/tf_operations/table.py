"""The table: what stands for a function of TensorFlow, by its name."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from parity.weights.tf_operations import elementwise, reductions, selection, shaping
from parity.weights.tf_operations.nodes import Nodes, Refused, Sizes, Tensor
from parity.weights.tf_operations.numbers import NUMBERS, number_of

# By TensorFlow's name as `plain_name` returns it.
TABLE: dict[str, elementwise.Rule] = {
    **elementwise.ROWS,
    **reductions.ROWS,
    **shaping.ROWS,
    **selection.ROWS,
}
# TensorFlow has a function in several of these, and one name of it stands in a file.
_SPACES = ("math.", "nn.", "linalg.", "__operators__.")
_OF_SIZES = ("add", "subtract", "multiply", "floordiv", "floor_div")  # numbers of a shape
_WITH_SIZES = ("reshape", "stack", "getitem")


def plain_name(function: str) -> str:
    """Returns the name of a function without the space of names that it is in."""
    name = function.removeprefix("compat.v1.")
    for space in _SPACES:
        name = name.removeprefix(space)
    return name


def applied(op: Nodes, function: str, first: Any, given: Mapping[str, Any]) -> Any:
    """Returns what an operation returns, with its nodes in `op`.

    Args:
        op: gets the nodes.
        function: TensorFlow's name, such as "math.multiply".
        first: its first argument.
        given: the others by name. None, and a name of the operation, say nothing.

    Raises:
        Refused: Keras 3 has nothing that computes the same.
    """
    name = plain_name(function)
    is_number = isinstance(first, int | float) and not _has([given], Tensor | Sizes)
    if name in NUMBERS and is_number:
        others = [each for key, each in given.items() if key != "name"]
        return number_of(name, [first, *others])
    rule = TABLE.get(name)
    if rule is None:
        raise Refused("for which Keras 3 has no operation that is known to compute the same")
    _, taken, *others = inspect.signature(rule).parameters.values()
    known = {each.name: each for each in others}
    told = {k: v for k, v in given.items() if k != "name" and (k in known or v is not None)}
    for key, value in told.items():
        if key not in known:
            raise Refused(f"with {key}={value!r}: expected no such argument"[:200])
    needed = [e for e in others if e.default is e.empty and e.kind is not e.VAR_POSITIONAL]
    lacking = [f"argument {each.name!r}" for each in needed if each.name not in told]
    if lacking or not _has([first, told], Tensor | Sizes):
        raise Refused(f"whose {[*lacking, 'tensors'][0]} Keras 2 did not write into the file")
    if name not in _WITH_SIZES and _has([first, told], Sizes):
        if name in _OF_SIZES and not _has([first, told], Tensor):
            return Sizes()
        raise Refused("of a size that is known only when the model is run")
    if taken.annotation == "Tensor" and not isinstance(first, Tensor | Sizes):
        raise Refused("of a constant: expected a tensor")
    try:
        return rule(op, first, **told)
    except (TypeError, ValueError, AttributeError, IndexError) as error:  # of any file
        raise Refused("with arguments that TensorFlow does not take") from error


def _has(value: Any, kind: Any) -> bool:
    """Whether there is one of a class among the values in nested lists and dicts."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        return any(_has(each, kind) for each in value)
    return isinstance(value, kind)
