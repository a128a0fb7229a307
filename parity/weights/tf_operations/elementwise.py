"""Rules of operations on each entry: of one tensor, and of two that broadcast."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from parity.weights.tf_operations.nodes import (
    FLOATS,
    Nodes,
    Refused,
    Tensor,
    array,
    beside,
    dtype_of,
    floats,
)

Rule = Callable[..., Any]
_DTYPES = (*FLOATS, "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "bool")


def one(kind: str) -> Rule:
    """Returns the rule of a function of one tensor."""
    return lambda op, x: op(kind, x)


def one_float(kind: str) -> Rule:
    """Returns the rule of a function of one tensor, of floating point."""

    def rule(op: Nodes, x: Tensor) -> Tensor:
        floats(x)
        return op(kind, x)

    return rule


def two(kind: str) -> Rule:
    """Returns the rule of a function of two values that broadcast."""
    return lambda op, x, y: op(kind, *beside(x, y))


def _test(kind: str) -> Rule:
    return lambda op, x, y: op(kind, *beside(x, y), result="bool")


def _test_of_one(kind: str) -> Rule:
    return lambda op, x: op(kind, x, result="bool")


def _equal(kind: str) -> Rule:
    def rule(op: Nodes, x: Any, y: Any, incompatible_shape_error: bool = True) -> Tensor:
        return op(kind, *beside(x, y), result="bool")

    return rule


def _same(kind: str) -> Rule:
    """Returns the rule of == and !=."""

    def rule(op: Nodes, self: Any, other: Any) -> Tensor:
        return op(kind, *beside(self, other), result="bool")

    return rule


def _divided(op: Nodes, x: Any, y: Any) -> Tensor:
    """A quotient of integers is of float64 in TensorFlow, and of float32 in Keras 3."""
    if dtype_of(x, y) in ("int32", "int64"):
        x, y = (_in_float64(op, each) for each in (x, y))
    floats(x, y)
    return op("Divide", *beside(x, y))


def _in_float64(op: Nodes, x: Any) -> Any:
    return op("Cast", x, result="float64", dtype="float64") if isinstance(x, Tensor) else x


def _atan2(op: Nodes, y: Any, x: Any) -> Tensor:
    return op("Arctan2", *beside(y, x))


def _squared_difference(op: Nodes, x: Any, y: Any) -> Tensor:
    return op("Square", op("Subtract", *beside(x, y)))


def _sum_of_all(op: Nodes, inputs: Any) -> Tensor:
    if not isinstance(inputs, list):
        return op("Copy", inputs)
    terms = beside(*inputs)
    total = terms[0] if len(terms) > 1 else op("Copy", terms[0])
    for each in terms[1:]:
        total = op("Add", total, each)
    return total


def _biased(op: Nodes, value: Tensor, bias: Any, data_format: Any = None) -> Tensor:
    if data_format not in (None, "NHWC", "N...C"):
        raise Refused(f"with data_format={data_format!r}: expected channels last")
    return op("Add", *beside(value, bias))


def _clipped(op: Nodes, t: Tensor, clip_value_min: Any, clip_value_max: Any) -> Tensor:
    ends = clip_value_min, clip_value_max
    if all(isinstance(each, int | float) for each in ends):
        low, high = ends
        return op("Clip", t, x_min=low, x_max=high)
    at_most = op("Minimum", *beside(t, clip_value_max))
    return op("Maximum", *beside(at_most, clip_value_min))


def _cast(op: Nodes, x: Tensor, dtype: Any) -> Tensor:
    return op("Cast", x, result=known(dtype), dtype=known(dtype))


def known(dtype: Any) -> str:
    """Returns the name of a dtype.

    Raises:
        Refused: it is one that Keras 3 or torch has not.
    """
    if dtype not in _DTYPES:
        raise Refused(f"with dtype={dtype!r}: expected one of {', '.join(_DTYPES)}")
    return str(dtype)


def _filled(kind: str) -> Rule:
    def rule(op: Nodes, input: Tensor, dtype: Any = None) -> Tensor:
        if dtype is None:
            return op(kind, input)
        return op(kind, input, result=known(dtype), dtype=known(dtype))

    return rule


def _chosen(op: Nodes, condition: Tensor, x: Any = None, y: Any = None) -> Tensor:
    if x is None or y is None:
        raise Refused("without values, as the places of what is true")
    told = dtype_of(x, y)
    if told is None and not (isinstance(x, Tensor) or isinstance(y, Tensor)):
        told = array([x, y]).dtype
    x, y = (array(each, told) if isinstance(each, list) else each for each in (x, y))
    return op("Where", condition, x, y, result=told)


def _leaky(op: Nodes, features: Tensor, alpha: float = 0.2) -> Tensor:
    floats(features)
    return op("LeakyRelu", features, negative_slope=alpha)


def _elu(op: Nodes, features: Tensor) -> Tensor:
    floats(features)
    return op("Elu", features, alpha=1.0)


def _gelu(op: Nodes, features: Tensor, approximate: bool = False) -> Tensor:
    """Keras 3's operation approximates unless it is told not to."""
    return op("Gelu", features, approximate=bool(approximate))


def _silu(op: Nodes, features: Tensor, beta: float = 1.0) -> Tensor:
    if beta != 1:
        return op("Multiply", features, op("Sigmoid", op("Multiply", features, beta)))
    return op("Silu", features)


def _along(kind: str) -> Rule:
    def rule(op: Nodes, logits: Tensor, axis: int | None = None) -> Tensor:
        return op(kind, logits, axis=-1 if axis is None else axis)

    return rule


ROWS: dict[str, Rule] = {
    "add": two("Add"),
    "subtract": two("Subtract"),
    "multiply": two("Multiply"),
    "truediv": _divided,
    "divide": _divided,
    "divide_no_nan": two("DivideNoNan"),
    "floordiv": two("FloorDivide"),
    "floor_div": two("FloorDivide"),
    "floormod": two("Mod"),
    "mod": two("Mod"),
    "pow": two("Power"),
    "maximum": two("Maximum"),
    "minimum": two("Minimum"),
    "atan2": _atan2,
    "squared_difference": _squared_difference,
    "add_n": _sum_of_all,
    "bias_add": _biased,
    "greater": _test("Greater"),
    "greater_equal": _test("GreaterEqual"),
    "less": _test("Less"),
    "less_equal": _test("LessEqual"),
    "equal": _equal("Equal"),
    "not_equal": _equal("NotEqual"),
    "eq": _same("Equal"),
    "ne": _same("NotEqual"),
    "logical_and": _test("LogicalAnd"),
    "logical_or": _test("LogicalOr"),
    "logical_xor": _test("LogicalXor"),
    "logical_not": _test_of_one("LogicalNot"),
    "is_finite": _test_of_one("Isfinite"),
    "is_inf": _test_of_one("Isinf"),
    "is_nan": _test_of_one("Isnan"),
    "identity": one("Copy"),
    "stop_gradient": one("StopGradient"),
    "negative": one("Negative"),
    "abs": one("Absolute"),
    "sign": one("Sign"),
    "square": one("Square"),
    "relu": one("Relu"),
    "relu6": one_float("Relu6"),
    **{
        name: one_float(kind)
        for name, kind in {
            **{"round": "Round", "floor": "Floor", "ceil": "Ceil", "reciprocal": "Reciprocal"},
            **{"asin": "Arcsin", "acos": "Arccos", "atan": "Arctan"},
            **{"asinh": "Arcsinh", "acosh": "Arccosh", "atanh": "Arctanh"},
            "log_sigmoid": "LogSigmoid",
        }.items()
    },
    **{
        name: one_float(name.capitalize())
        for name in (
            *("exp", "expm1", "log", "log1p", "sqrt", "rsqrt", "sin", "cos", "tan", "sinh", "cosh"),
            *("tanh", "sigmoid", "softplus", "softsign", "erf", "erfc", "selu"),
        )
    },
    "elu": _elu,
    "gelu": _gelu,
    "silu": _silu,
    "swish": _silu,
    "leaky_relu": _leaky,
    "softmax": _along("Softmax"),
    "log_softmax": _along("LogSoftmax"),
    "clip_by_value": _clipped,
    "cast": _cast,
    "zeros_like": _filled("ZerosLike"),
    "ones_like": _filled("OnesLike"),
    "where": _chosen,
}
