"""What the rules of operations are written with: tensors, arrays, and nodes of Keras 3's graph."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

# --------------------------------------------------------------------------------------------------
#
# What the rules of operations are written with: tensors, arrays, and nodes of Keras 3's graph.
#
# A TensorFlow operation takes a number or an array as of the tensor's dtype. Keras 3 does so with a
# number; an array has to say its dtype.


Source = tuple[str, int, int]  # layer, call, output
FLOATS = ("float16", "bfloat16", "float32", "float64")
INTEGERS = ("int32", "int64")  # of smaller ones, Keras 3 has sums in another dtype
# Where Keras 3 has the classes of its operations.
_HOMES = {
    "core": ("Cast", "StopGradient", "Unstack"),
    "math": ("Rsqrt", "Erf", "Erfc", "Logsumexp", "TopK"),
    "linalg": ("Norm",),
    "nn": (
        *("Relu", "Relu6", "LeakyRelu", "Elu", "Selu", "Gelu", "Silu", "Softmax", "LogSoftmax"),
        *("Sigmoid", "LogSigmoid", "Softplus", "Softsign", "OneHot", "MaxPool", "AveragePool"),
        *("DepthToSpace", "SpaceToDepth"),
    ),
}
_HOME = {kind: home for home, kinds in _HOMES.items() for kind in kinds}


class Refused(Exception):
    """Keras 3 has nothing that computes the same; says why, as the end of a sentence."""


@dataclass(frozen=True)
class Tensor:
    """A tensor of the graph.

    Attributes:
        source: where it comes from, as Keras 3 counts.
        dtype: Keras's name of its dtype; None if that is not known.
        leads: whether its first axis is known to be that of the samples.
        last: length of its last axis; None if that is not known.
    """

    source: Source
    dtype: str | None
    leads: bool = False
    last: int | None = None


@dataclass(frozen=True)
class Array:
    """A constant, in nested lists; `dtype` is the name of its dtype."""

    value: Any
    dtype: str


@dataclass(frozen=True)
class Sizes:
    """A size that is known only when the model is run, such as `tf.shape(x)[0]`.

    Attributes:
        samples: whether it is the number of samples, or a shape that begins with it.
        several: whether it is a whole shape, or a part of it.
        last: the last number of a shape; None if that is not known.
    """

    samples: bool = False
    several: bool = False
    last: int | None = None


@dataclass
class Nodes:
    """The nodes of Keras 3 that stand for one operation.

    Attributes:
        name: of the operation.
        taken: names that other layers have.
        made: the nodes as layers of a configuration, without the names of their own.
    """

    name: str
    taken: set[str]
    made: list[dict[str, Any]] = field(default_factory=list)

    def __call__(
        self,
        kind: str,
        *arguments: Any,
        result: str | None = None,
        leads: bool | None = None,
        last: int | None = None,
        given: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> Tensor:
        """Returns the first output of a new node.

        Args:
            kind: Keras's name of the class of the operation.
            *arguments: of its call: tensors, arrays, numbers, and lists of them.
            result: the dtype of the output; that of the first tensor by default.
            leads: whether the first axis of the output is that of the samples; by default, if it
                is so of a tensor, which is right for operations on each entry.
            last: length of the last axis, if that is known; if `leads` is not told, that to which
                the arguments broadcast.
            given: arguments of the call by their names.
            **settings: of the operation.
        """
        module = f"keras.src.ops.{_HOME.get(kind, 'numpy')}"
        source = self._added(module, kind, kind, settings, arguments, given or {})
        tensors = tensors_in(arguments)
        dtype = result or dtype_of(*tensors)
        if leads is not None:
            return Tensor(source, dtype, leads, last)
        return Tensor(source, dtype, any(each.leads for each in tensors), _last_of(arguments))

    def layer(
        self, kind: str, x: Tensor, dtype: str, last: int | None = None, **settings: Any
    ) -> Tensor:
        """Returns the output of a new layer of Keras, which computes in a dtype."""
        settings = {"trainable": True, "dtype": dtype, **settings}
        source = self._added("keras.layers", kind, None, settings, [x], {})
        return Tensor(source, dtype, x.leads, last)

    def _added(
        self,
        module: str,
        kind: str,
        registered: str | None,
        settings: Mapping[str, Any],
        arguments: Sequence[Any],
        given: Mapping[str, Any],
    ) -> Source:
        name = self._free(f"{self.name}_{kind.lower()}")
        call = {"args": written(list(arguments)), "kwargs": written(dict(given))}
        self.made.append(
            {
                "module": module,
                "class_name": kind,
                "config": {"name": name, **settings},
                "registered_name": registered,
                "name": name,
                "inbound_nodes": [call],
            }
        )
        return name, 0, 0

    def _free(self, name: str) -> str:
        found, number = name, 1
        while found in self.taken:
            found, number = f"{name}_{number}", number + 1
        self.taken.add(found)
        return found

    def finished(self, last: Tensor) -> tuple[list[dict[str, Any]], str]:
        """Returns the nodes, and the name of the one that `last` comes from.

        It is the name of the operation, if no layer has it.
        """
        for node in self.made:
            if node["name"] == last.source[0]:
                node["name"] = node["config"]["name"] = self._free(self.name)
                return self.made, node["name"]
        return self.made, last.source[0]


def tensors_in(value: Any) -> list[Tensor]:
    """Returns the tensors in nested lists."""
    if isinstance(value, list | tuple):
        return [tensor for each in value for tensor in tensors_in(each)]
    return [value] if isinstance(value, Tensor) else []


def last_of(value: Any) -> int | None:
    """Returns the length of the last axis of a tensor, an array or a number; None if unknown."""
    if isinstance(value, Tensor):
        return value.last
    rows = value.value if isinstance(value, Array) else 1
    while isinstance(rows, list) and rows and isinstance(rows[0], list):
        rows = rows[0]
    return len(rows) if isinstance(rows, list) else 1


def _last_of(arguments: Sequence[Any]) -> int | None:
    """Returns the length to which the last axes of arguments broadcast."""
    lengths = [last_of(each) for each in arguments if not isinstance(each, list)]
    known = [each for each in lengths if each is not None]
    return max(known) if known and len(known) == len(arguments) else None


def dtype_of(*values: Any) -> str | None:
    """Returns the dtype of the first tensor whose dtype is known; all have the same."""
    return next((each.dtype for each in tensors_in(values) if each.dtype), None)


def floats(*values: Any) -> None:
    """Checks that tensors are not of integers, of which TensorFlow has another rule.

    Raises:
        Refused: they are, or the file does not say.
    """
    dtype = dtype_of(*values)
    if dtype not in FLOATS:
        raise Refused(f"of {dtype or 'a dtype that is not known'}: expected floating point")


def numbers(*values: Any) -> None:
    """Checks that tensors are of floating point, int32 or int64.

    Raises:
        Refused: they are not, or the file does not say.
    """
    dtype = dtype_of(*values)
    if dtype not in (*FLOATS, *INTEGERS):
        known = dtype or "a dtype that is not known"
        raise Refused(f"of {known}: expected floating point, int32 or int64")


def beside(*values: Any) -> list[Any]:
    """Returns arguments of one dtype, with arrays in the place of lists."""
    dtype = dtype_of(*values)
    return [array(each, dtype) if isinstance(each, list) else each for each in values]


def array(value: Any, dtype: str | None = None) -> Array:
    """Returns a constant; without a dtype, TensorFlow's own for such numbers.

    Raises:
        Refused: there are other things than numbers in it.
    """
    flat = list(_flat(value))
    if not all(isinstance(each, int | float) for each in flat):
        raise Refused("with tensors or texts in an array")
    if dtype is None:
        kinds = {type(each) for each in flat}
        dtype = "float32" if float in kinds else "bool" if kinds == {bool} else "int32"
    return Array(value, dtype)


def _flat(value: Any) -> list[Any]:
    if isinstance(value, list):
        return [each for part in value for each in _flat(part)]
    return [value]


def written(value: Any) -> Any:
    """Returns arguments as Keras 3 writes them."""
    if isinstance(value, list | tuple):
        return [written(each) for each in value]
    if isinstance(value, dict):
        return {key: written(each) for key, each in value.items()}
    if isinstance(value, Array):
        config = {"value": value.value, "dtype": value.dtype}
        return {"class_name": "__numpy__", "config": config}
    if isinstance(value, slice):
        ends = {"start": value.start, "stop": value.stop, "step": value.step}
        return {"class_name": "__slice__", "config": ends}
    if value is Ellipsis:
        return {"class_name": "__ellipsis__", "config": {}}
    if isinstance(value, Tensor):
        # Of what it says here, only the place is read; [None] is a shape that nobody told.
        place = {"keras_history": list(value.source), "shape": [None]}
        config = {**place, "dtype": value.dtype or "float32"}
        return {"class_name": "__keras_tensor__", "config": config}
    return value


# --- What TensorFlow makes of a number of a shape that is known, such as the root of a width ------


# By TensorFlow's names, as `plain_name` returns them.
NUMBERS: dict[str, Callable[..., Any]] = {
    "cast": lambda x, dtype: float(x) if dtype in FLOATS else int(x),
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "truediv": operator.truediv,
    "floordiv": operator.floordiv,
    "floor_div": operator.floordiv,
    "pow": operator.pow,
}


def number_of(name: str, given: Sequence[Any]) -> int | float:
    """Returns what an operation makes of numbers; floating point is of float32.

    Raises:
        Refused: they are no numbers, or the operation is not defined for them.
    """
    values = [np.float32(each) if isinstance(each, float) else each for each in given]
    try:
        found = NUMBERS[name](*values)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise Refused("of numbers alone, for which it is not defined") from error
    if not isinstance(found, int | float | np.floating):
        raise Refused("of what is no tensor and no number")
    return found if isinstance(found, int) else float(np.float32(found))
