"""Rules of operations on each entry, and along axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from parity.weights.tf_operations.nodes import (
    FLOATS,
    Array,
    Nodes,
    Refused,
    Tensor,
    array,
    beside,
    dtype_of,
    floats,
    last_of,
    numbers,
)

# --- Rules of operations on each entry: of one tensor, and of two that broadcast ------------------


Rule = Callable[..., Any]
_DTYPES = (*FLOATS, "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "bool")


def one(kind: str) -> Rule:
    """Returns the rule of a function of one tensor."""
    return lambda op, x: op(kind, x)


def one_float(kind: str, **settings: Any) -> Rule:
    """Returns the rule of a function of one tensor, of floating point."""

    def rule(op: Nodes, x: Tensor) -> Tensor:
        floats(x)
        return op(kind, x, **settings)

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
        x, y = (_cast(op, each, "float64") if isinstance(each, Tensor) else each for each in (x, y))
    floats(x, y)
    return op("Divide", *beside(x, y))


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
    dtype = dtype_of(x, y)
    if dtype is None and not (isinstance(x, Tensor) or isinstance(y, Tensor)):
        dtype = array([x, y]).dtype
    x, y = (array(each, dtype) if isinstance(each, list) else each for each in (x, y))
    return op("Where", condition, x, y, result=dtype)


def _leaky(op: Nodes, features: Tensor, alpha: float = 0.2) -> Tensor:
    floats(features)
    return op("LeakyRelu", features, negative_slope=alpha)


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
    "elu": one_float("Elu", alpha=1.0),
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


# --------------------------------------------------------------------------------------------------
#
# Rules of operations along axes: sums, norms, places, cumulative sums, products of matrices.


def keeps_samples(axis: Any) -> bool:
    """Whether the first axis surely stays: all axes are others, counted from the first."""
    axes = axis if isinstance(axis, list) else [axis]
    return all(isinstance(each, int) and each > 0 for each in axes)


def axes_in(axis: Any, *, several: bool = True) -> Any:
    """Returns an axis, or several as a list, or None for all.

    Raises:
        Refused: it is something else, such as a tensor.
    """
    is_one = axis is None or (isinstance(axis, int) and not isinstance(axis, bool))
    is_list = isinstance(axis, list) and bool(axis) and all(isinstance(each, int) for each in axis)
    if not (is_one or (several and is_list)):
        raise Refused(f"with axis={axis!r}: expected {'numbers' if several else 'one number'}")
    return axis


def _over(kind: str, check: Callable[..., None] | None = floats, result: str | None = None) -> Rule:
    def rule(op: Nodes, input_tensor: Tensor, axis: Any = None, keepdims: Any = None) -> Tensor:
        if check is not None:
            check(input_tensor)
        leads = input_tensor.leads and keeps_samples(axis)
        settings = {"axis": axes_in(axis), "keepdims": bool(keepdims)}
        return op(kind, input_tensor, result=result, leads=leads, **settings)

    return rule


def _euclidean(op: Nodes, input_tensor: Tensor, axis: Any = None, keepdims: Any = None) -> Tensor:
    total = _over("Sum")(op, op("Square", input_tensor), axis, keepdims)
    return op("Sqrt", total)


def _norm(
    op: Nodes, tensor: Tensor, ord: Any = "euclidean", axis: Any = None, keepdims: Any = None
) -> Tensor:
    """The norm of vectors; that of matrices is Frobenius's."""
    floats(tensor)
    if ord in ("euclidean", "fro", 2) and not (ord == 2 and isinstance(axis, list)):
        return _euclidean(op, tensor, axis, keepdims)
    if not isinstance(ord, int | float) or not isinstance(axis, int):
        raise Refused(f"with ord={ord!r}, axis={axis!r}: expected a number and one axis")
    settings: dict[str, Any] = {"ord": ord, "axis": axis, "keepdims": bool(keepdims)}
    return op("Norm", tensor, leads=tensor.leads and keeps_samples(axis), **settings)


def _unit(
    op: Nodes, x: Tensor, axis: Any = None, epsilon: float = 1e-12, dim: Any = None
) -> Tensor:
    """X over its norm; Keras 3's Normalize compares the norm, and not its square, with epsilon."""
    axis = dim if axis is None else axis
    total = _over("Sum")(op, op("Square", x), axis, True)
    return op("Multiply", x, op("Rsqrt", op("Maximum", total, epsilon)))


def _place(kind: str) -> Rule:
    """The place of an extreme entry, along the first axis by default; of int64."""

    def rule(op: Nodes, input: Tensor, axis: Any = None, output_type: Any = "int64") -> Tensor:
        numbers(input)
        axis = axes_in(axis, several=False) or 0
        leads = input.leads and keeps_samples(axis)
        found = op(kind, input, result="int32", leads=leads, axis=axis, keepdims=False)
        dtype = known(output_type)
        return found if dtype == "int32" else op("Cast", found, result=dtype, dtype=dtype)

    return rule


def _cumulative(kind: str) -> Rule:
    def rule(
        op: Nodes, x: Tensor, axis: Any = 0, exclusive: bool = False, reverse: bool = False
    ) -> Tensor:
        numbers(x)
        if exclusive and kind == "Cumprod":
            raise Refused("with exclusive=True: expected False")
        axis = axes_in(axis, several=False)
        turned = op("Flip", x, axis=axis) if reverse else x
        total = op(kind, turned, axis=axis)
        if exclusive:
            total = op("Subtract", total, turned)
        return op("Flip", total, axis=axis) if reverse else total

    return rule


def _count(
    op: Nodes, input: Tensor, axis: Any = None, keepdims: Any = None, dtype: Any = "int64"
) -> Tensor:
    settings = {"axis": axes_in(axis), "keepdims": bool(keepdims)}
    counted = op("Cast", op("NotEqual", input, 0), result="int32", dtype="int32")
    total = op("Sum", counted, leads=input.leads and keeps_samples(axis), **settings)
    return op("Cast", total, result=known(dtype), dtype=known(dtype))


def _matmul(
    op: Nodes,
    a: Any,
    b: Any,
    transpose_a: bool = False,
    transpose_b: bool = False,
    adjoint_a: bool = False,
    adjoint_b: bool = False,
    a_is_sparse: bool = False,
    b_is_sparse: bool = False,
) -> Tensor:
    """Of real numbers, an adjoint is a transpose; how many entries are 0 changes no value."""
    a, b = beside(a, b)
    floats(a, b)
    if transpose_a or adjoint_a:
        a = op("Swapaxes", a, leads=False, axis1=-2, axis2=-1)
    if transpose_b or adjoint_b:
        b = op("Swapaxes", b, leads=False, axis1=-2, axis2=-1)
    return op("Matmul", a, b, leads=isinstance(a, Tensor) and a.leads, last=last_of(b))


def _tensordot(op: Nodes, a: Any, b: Any, axes: Any) -> Tensor:
    """A product with a constant matrix along one axis is one of matrices.

    Keras's Tensordot of lists of axes compares None with numbers, which Python 3.14 forbids.
    """
    a, b = beside(a, b)
    floats(a, b)
    one = _one_of_each([[-1], [0]] if axes == 1 else axes)
    if one is None or not (isinstance(a, Tensor) and isinstance(b, Array) and _is_matrix(b)):
        if isinstance(axes, int):
            return op("Tensordot", a, b, leads=False, axes=axes)
        expected = "expected a number, or one axis of each, the second of a constant matrix"
        raise Refused(f"with axes={axes!r}: {expected}")
    axis, other = one
    if other in (1, -1):
        b = Array([list(column) for column in zip(*b.value, strict=True)], b.dtype)
    if axis != -1:
        a = op("Moveaxis", a, leads=a.leads and axis > 0, source=axis, destination=-1)
    return op("Matmul", a, b, leads=a.leads, last=last_of(b))


def _one_of_each(axes: Any) -> tuple[int, int] | None:
    """Returns the axes of two tensors, if there is one of each."""
    if not isinstance(axes, list) or len(axes) != 2:
        return None
    first, second = ([each] if isinstance(each, int) else each for each in axes)
    found = [*first, *second] if isinstance(first, list) and isinstance(second, list) else []
    is_one = len(found) == 2 and len(first) == 1 and all(isinstance(e, int) for e in found)
    return (found[0], found[1]) if is_one else None


def _is_matrix(array: Array) -> bool:
    rows = array.value
    return all(isinstance(row, list) and not isinstance(row[0], list) for row in rows if row)


def _swapped(op: Nodes, a: Tensor, conjugate: bool = False) -> Tensor:
    return op("Swapaxes", a, leads=False, axis1=-2, axis2=-1)


def _diagonal(op: Nodes, input: Tensor, k: int = 0) -> Tensor:
    if k != 0:
        raise Refused(f"with k={k!r}: expected 0")
    return op("Diagonal", input, leads=False, offset=0, axis1=-2, axis2=-1)


def _band(op: Nodes, input: Tensor, num_lower: int, num_upper: int) -> Tensor:
    kinds = {(-1, 0): "Tril", (0, -1): "Triu"}
    if (num_lower, num_upper) not in kinds:
        problem = f"with num_lower={num_lower!r}, num_upper={num_upper!r}"
        raise Refused(f"{problem}: expected -1, 0 or 0, -1")
    return op(kinds[num_lower, num_upper], input, k=0)


def _grey(op: Nodes, images: Tensor) -> Tensor:
    floats(images)
    weighed = op("Multiply", images, array([0.2989, 0.587, 0.114], dtype_of(images)))
    return op("Sum", weighed, axis=-1, keepdims=True)


def _einsum(op: Nodes, equation: Any, *inputs: Any) -> Tensor:
    if not inputs or not isinstance(equation, str):
        raise Refused("whose tensors Keras 2 did not write into the file")
    return op("Einsum", *beside(*inputs), leads=False, subscripts=equation)


ROWS_OF_REDUCTIONS: dict[str, Rule] = {
    "reduce_mean": _over("Mean"),
    "reduce_sum": _over("Sum", numbers),
    "reduce_max": _over("Max", numbers),
    "reduce_min": _over("Min", numbers),
    "reduce_prod": _over("Prod", numbers),
    "reduce_std": _over("Std"),
    "reduce_variance": _over("Var"),
    "reduce_logsumexp": _over("Logsumexp"),
    "reduce_any": _over("Any", None, "bool"),
    "reduce_all": _over("All", None, "bool"),
    "reduce_euclidean_norm": _euclidean,
    "norm": _norm,
    "l2_normalize": _unit,
    "argmax": _place("Argmax"),
    "argmin": _place("Argmin"),
    "cumsum": _cumulative("Cumsum"),
    "cumprod": _cumulative("Cumprod"),
    "count_nonzero": _count,
    "matmul": _matmul,
    "tensordot": _tensordot,
    "einsum": _einsum,
    "matrix_transpose": _swapped,
    "diag_part": _diagonal,
    "trace": one_float("Trace", leads=False, offset=0, axis1=-2, axis2=-1),
    "band_part": _band,
    "image.rgb_to_grayscale": _grey,
}
