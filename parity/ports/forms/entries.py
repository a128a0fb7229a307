"""Operations of keras.ops on each entry, and those that choose, join or sort entries."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from parity.ports.form import (
    Applied,
    Form,
    Layout,
    Operation,
    OperationRow,
    arguments,
    literal,
    other,
)
from parity.ports.forms import layers
from torch_impl.keras_config.operations.elementwise import dtype_named

# --- Operations of keras.ops on each entry, and on pairs of entries, as functions of torch --------


REAL = ".to(torch.get_default_dtype())"


def _method(name: str) -> OperationRow:
    """A method of real numbers; of whole ones, torch makes real ones first, as Keras does."""
    is_kept = name in ("ceil", "floor", "abs")  # which torch computes of whole ones, too

    def row(operation: Operation, call: Applied) -> Form:
        return Form(f"{{0}}{REAL if call.whole and is_kept else ''}.{name}()")

    return row


def _any(text: str) -> OperationRow:
    """An expression for numbers of any kind."""
    return lambda operation, call: Form(text)


def activated(name: str, *settings: str, **defaults: Any) -> OperationRow:
    """Returns the row of an activation.

    Args:
        name: of keras.activations.
        settings: names of those that the operation has.
        defaults: of the operation, where the activation has others.
    """

    def row(operation: Operation, call: Applied) -> Form:
        given = {key: operation.settings[key] for key in settings if key in operation.settings}
        if given.get("axis", -1) is None:  # over all axes
            return other(operation, call)
        return layers.named(name, call, **{**defaults, **given})

    return row


def beside(operation: Operation, call: Applied) -> tuple[list[str], Layout]:
    """Returns the sources of two arguments, and the layout in which they are."""
    ranks = {len(shape) for shape in call.inputs}
    return list(operation.arguments[:2]), Layout.ANY if len(ranks) == 1 else Layout.LAST


def _rounded(texts: list[str], operation: Operation) -> list[str]:
    """Returns the arguments with numbers as Keras rounds them, in float64 too."""
    for place, value in enumerate(operation.values[: len(texts)]):
        if isinstance(value, float) and float(np.float32(value)) != value:
            texts[place] = f"through_float32({literal(value)})"
    return texts


def _between(sign: str, *, rounds: bool = False) -> OperationRow:
    """Two arguments with a sign between them."""

    def row(operation: Operation, call: Applied) -> Form:
        texts, layout = beside(operation, call)
        texts = _rounded(texts, operation) if rounds else texts
        return Form(f" {sign} ".join(texts), None, layout)

    return row


def _function(name: str, *, rounds: bool = False, of_tensors: bool = False) -> OperationRow:
    """A function of torch of two arguments.

    Args:
        name: of the function.
        rounds: whether Keras rounds a number to float32.
        of_tensors: whether torch takes no number.
    """

    def row(operation: Operation, call: Applied) -> Form:
        texts, layout = beside(operation, call)
        texts = _rounded(texts, operation) if rounds else texts
        if of_tensors:
            texts = [t if "{" in t else f"torch.tensor({t})" for t in texts]
        return Form(f"{name}({', '.join(texts)})", None, layout)

    return row


def _close(operation: Operation, call: Applied) -> Form:
    if not all("{" in text for text in operation.arguments[:2]):
        return other(operation, call)
    texts, layout = beside(operation, call)
    options = arguments(
        **{key: operation.settings.get(key) for key in ("rtol", "atol", "equal_nan")}
    )
    return Form(f"torch.isclose({', '.join(filter(None, [*texts, options]))})", None, layout)


def _round(operation: Operation, call: Applied) -> Form:
    decimals = operation.setting("decimals", 1, 0)
    if call.whole:
        return Form("{0}")
    return Form(f"{{0}}.round({arguments(decimals=decimals or None)})")


def _cast(operation: Operation, call: Applied) -> Form:
    dtype = operation.setting("dtype", 1)
    return Form("{0}" if dtype is None else f"{{0}}.to({literal(dtype_named(dtype))})")


def _converted(operation: Operation, call: Applied) -> Form:
    if operation.settings.get("sparse") or operation.settings.get("ragged"):
        return other(operation, call)
    return _cast(operation, call)


def _numbers(operation: Operation, call: Applied) -> Form:
    names = {"nan": 0.0, "posinf": None, "neginf": None}
    numbers = {name: operation.settings.get(name, value) for name, value in names.items()}
    numbers["nan"] = numbers["nan"] or None
    return Form(f"{{0}}.nan_to_num({arguments(**numbers)})")


def _clip(operation: Operation, call: Applied) -> Form:
    low, high = operation.setting("x_min", 1), operation.setting("x_max", 2)
    if not all(isinstance(end, int | float) for end in (low, high)):
        return other(operation, call)
    made = other(
        replace(operation, arguments=["{0}", *map(literal, (low, high))], settings={}), call
    )
    return replace(made, takes=Layout.ANY, note="the slope on a bound is 1, as in Keras")


def _extreme(operation: Operation, call: Applied) -> Form:
    texts, layout = beside(operation, call)
    made = other(replace(operation, arguments=texts), call)
    return replace(made, takes=layout, note="the first of two equal ones gets the slope")


def _bounded(bound: str) -> OperationRow:
    """The greater or the lesser of a tensor and a number, whose gradient is the tensor's if equal.

    Args:
        bound: argument of `torch_impl.clip` that the number is. `torch.clamp` has the gradient 0
            there in some releases, and `torch.maximum` a half.
    """

    def row(operation: Operation, call: Applied) -> Form:
        number = operation.values[1] if len(operation.values) > 1 else None
        if call.whole or operation.settings or type(number) not in (int, float):
            return _extreme(operation, call)
        return Form(f"clip({operation.arguments[0]}, {bound}={literal(number)})")

    return row


def _entrywise(operation: Operation, call: Applied) -> Form:
    """An operation on each entry that torch has not, in any layout."""
    return replace(other(operation, call), takes=Layout.ANY)


ROWS: dict[str, OperationRow] = {
    **{
        name.capitalize(): _method(name)
        for name in (
            *("sqrt", "rsqrt", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p"),
            *("sin", "cos", "tan", "sinh", "cosh", "arcsin", "arccos", "arctan"),
            *("arcsinh", "arccosh", "arctanh", "reciprocal", "ceil", "floor", "sinc"),
            *("deg2rad", "rad2deg", "isposinf", "isneginf"),
        )
    },
    **{
        name.capitalize(): _any(f"{{0}}.{name}()")
        for name in ("sign", "erf", "erfc", "erfinv", "isnan", "isinf", "isfinite", "signbit")
    },
    "Fabs": _method("abs"),
    "Abs": _any("{0}.abs()"),
    "Absolute": _any("{0}.abs()"),
    "Square": _any("{0}.square()"),
    "Trunc": lambda operation, call: Form("{0}" if call.whole else "{0}.trunc()"),
    "Round": _round,
    "Copy": _any("{0}.clone()"),
    "Real": _any("{0}"),  # a complex number has no twin
    "LogicalNot": _any("{0}.logical_not()"),
    "BitwiseNot": _any("{0}.bitwise_not()"),
    "BitwiseInvert": _any("{0}.bitwise_not()"),
    "NanToNum": _numbers,
    "Cast": _cast,
    "ConvertToTensor": _converted,
    "FloorDivide": _between("//"),
    "Mod": _function("torch.remainder", rounds=True, of_tensors=True),
    "Arctan2": _function("torch.arctan2", rounds=True, of_tensors=True),
    "Hypot": _function("torch.hypot", rounds=True, of_tensors=True),
    "Logaddexp": _function("torch.logaddexp", rounds=True, of_tensors=True),
    "Equal": _between("==", rounds=True),
    "NotEqual": _between("!=", rounds=True),
    "Greater": _between(">", rounds=True),
    "GreaterEqual": _between(">=", rounds=True),
    "Less": _between("<", rounds=True),
    "LessEqual": _between("<=", rounds=True),
    "LogicalAnd": _function("torch.logical_and", of_tensors=True),
    "LogicalOr": _function("torch.logical_or", of_tensors=True),
    "LogicalXor": _function("torch.logical_xor", of_tensors=True),
    "BitwiseAnd": _function("torch.bitwise_and"),
    "BitwiseOr": _function("torch.bitwise_or"),
    "BitwiseXor": _function("torch.bitwise_xor"),
    "BitwiseLeftShift": _function("torch.bitwise_left_shift"),
    "LeftShift": _function("torch.bitwise_left_shift"),
    "BitwiseRightShift": _function("torch.bitwise_right_shift"),
    "RightShift": _function("torch.bitwise_right_shift"),
    "Isclose": _close,
    "Clip": _clip,
    "Maximum": _bounded("low"),
    "Minimum": _bounded("high"),
    "DivideNoNan": _extreme,
    "Cbrt": _entrywise,
    "ReLU": activated("relu", "negative_slope", "max_value", "threshold"),
    "LeakyRelu": activated("leaky_relu", "negative_slope"),
    "Elu": activated("elu", "alpha"),
    "Celu": activated("celu", "alpha"),
    "Selu": activated("selu"),
    "Gelu": activated("gelu", "approximate", approximate=True),
    "Glu": activated("glu", "axis"),
    "Mish": activated("mish"),
    "Softsign": activated("softsign"),
    "Squareplus": activated("squareplus", "b"),
    "LogSigmoid": activated("log_sigmoid"),
    "LogSoftmax": activated("log_softmax", "axis"),
    "HardSigmoid": activated("hard_sigmoid"),
    "HardSilu": activated("hard_silu"),
    "HardTanh": activated("hard_tanh"),
    "HardShrink": activated("hard_shrink", "threshold"),
    "SoftShrink": activated("soft_shrink", "threshold"),
    "TanhShrink": activated("tanh_shrink"),
    "SparseSigmoid": activated("sparse_sigmoid"),
}


# --- Operations of keras.ops that choose, join, sort or reduce entries, as functions of torch -----


def _last(text: str) -> Form:
    return Form(text, None, Layout.LAST)


def _text(text: str) -> OperationRow:
    """An expression without settings."""
    return lambda operation, call: _last(text)


def _pair(text: str) -> OperationRow:
    """An expression of two tensors; with a number in it, it stays as it is."""

    def row(operation: Operation, call: Applied) -> Form:
        if len(call.inputs) != 2 or operation.arguments[:2] != ["{0}", "{1}"]:
            return other(operation, call)
        return _last(text)

    return row


def _listed(function: str) -> OperationRow:
    def row(operation: Operation, call: Applied) -> Form:
        inner = ", ".join(f"{{{number}}}" for number in range(len(call.inputs)))
        return _last(f"torch.{function}([{inner}])")

    return row


def _axes(operation: Operation, call: Applied, place: int = 1) -> tuple[int, ...]:
    axis = operation.setting("axis", place)
    given = range(call.rank) if axis is None else [axis] if isinstance(axis, int) else axis
    return tuple(given)


def _one(axes: tuple[int, ...]) -> Any:
    return axes[0] if len(axes) == 1 else axes


def _reduction(method: str, *, after: str = "", real: bool = False, **fixed: Any) -> OperationRow:
    """A reduction over one axis or several."""

    def row(operation: Operation, call: Applied) -> Form:
        axes = _one(_axes(operation, call))
        kept = True if operation.setting("keepdims", 2, False) else None
        x = f"{{0}}{REAL}" if real and call.whole else "{0}"
        return _last(f"{x}.{method}({arguments(axes, **fixed, keepdim=kept)}){after}")

    return row


def _prod(operation: Operation, call: Applied) -> Form:
    axes = _axes(operation, call)
    if call.whole or operation.settings.get("dtype"):
        return other(operation, call)
    kept = True if operation.settings.get("keepdims") else None
    single = [axes[0]] if len(axes) == 1 else sorted({a % call.rank for a in axes}, reverse=True)
    return _last("{0}" + "".join(f".prod({arguments(axis, keepdim=kept)})" for axis in single))


def _count(operation: Operation, call: Applied) -> Form:
    axes = arguments(_one(_axes(operation, call)))
    return _last(f"({{0}} != 0).sum({axes}, dtype=torch.int32)")


def _cumulative(method: str) -> OperationRow:
    def row(operation: Operation, call: Applied) -> Form:
        if call.whole or operation.settings.get("dtype"):
            return other(operation, call)
        axis = operation.setting("axis", 1)
        return _last(f"{{0}}.flatten().{method}(0)" if axis is None else f"{{0}}.{method}({axis})")

    return row


def _where(operation: Operation, call: Applied) -> Form:
    if len(operation.arguments) != 3 or all(isinstance(v, int) for v in operation.values[1:]):
        return other(operation, call)
    condition, *ends = operation.arguments
    condition = condition if call.truth else f"{condition}.bool()"
    ranks = {len(shape) for shape in call.inputs}
    layout = Layout.ANY if len(ranks) == 1 else Layout.LAST
    return Form(f"torch.where({', '.join([condition, *ends])})", None, layout)


def _sort(operation: Operation, call: Applied) -> Form:
    axis = operation.setting("axis", 1, -1)
    x = "{0}.flatten().sort()" if axis is None else f"{{0}}.sort(dim={axis})"
    return _last(f"{x}.values")


def _slice(operation: Operation, call: Applied) -> Form:
    starts, sizes = operation.setting("start_indices", 1), operation.setting("shape", 2)
    parts = [
        f"{start or ''}:{'' if size == -1 else start + size}"
        for start, size in zip(starts, sizes, strict=True)
    ]
    return _last(f"{{0}}[{', '.join(parts)}]")


def _split(axis: int | None = None) -> OperationRow:
    def row(operation: Operation, call: Applied) -> Form:
        given = operation.setting("indices_or_sections", 1)
        place = operation.setting("axis", 2, 0) if axis is None else axis
        parts = given if isinstance(given, int) else list(given)
        return _last(f"{{0}}.tensor_split({parts}, dim={place})")

    return row


def _halves(operation: Operation, call: Applied) -> Form:
    return _split(0 if call.rank == 1 else 1)(operation, call)


def _unstack(operation: Operation, call: Applied) -> Form:
    return _last(f"{{0}}.unbind({operation.setting('axis', 2, 0)})")


def _repeat(operation: Operation, call: Applied) -> Form:
    times, axis = operation.setting("repeats", 1), operation.setting("axis", 2)
    x = "{0}.flatten()" if axis is None else "{0}"
    many = str(times) if isinstance(times, int) else f"torch.tensor({list(times)})"
    return _last(f"{x}.repeat_interleave({many}, dim={axis or 0})")


def _tile(operation: Operation, call: Applied) -> Form:
    times = operation.setting("repeats", 1)
    return _last(f"{{0}}.tile({literal((times,) if isinstance(times, int) else tuple(times))})")


def _flip(operation: Operation, call: Applied) -> Form:
    return _last(f"{{0}}.flip({literal(_one(_axes(operation, call)))})")


def _roll(operation: Operation, call: Applied) -> Form:
    shift, axis = operation.setting("shift", 1), operation.setting("axis", 2)
    return _last(f"{{0}}.roll({arguments(*([shift] if axis is None else [shift, axis]))})")


def _rot90(operation: Operation, call: Applied) -> Form:
    k, axes = operation.setting("k", 1, 1), operation.setting("axes", 2, (0, 1))
    return _last(f"{{0}}.rot90({arguments(k, tuple(axes))})")


def _pad(operation: Operation, call: Applied) -> Form:
    widths, mode = operation.setting("pad_width", 1), operation.setting("mode", 2, "constant")
    value = operation.setting("constant_values", 3)
    if mode != "constant":
        return other(operation, call)
    pairs = [(widths, widths)] if isinstance(widths, int) else list(widths)
    pairs = pairs * call.rank if len(pairs) == 1 else pairs
    while len(pairs) > 1 and not any(pairs[0]):
        pairs.pop(0)  # F.pad takes the last axes alone
    flat = tuple(number for pair in reversed(pairs) for number in pair)
    return _last(f"F.pad({{0}}, {arguments(flat, value=value)})")


def _diagonal(operation: Operation, call: Applied) -> Form:
    places = enumerate((("offset", 0), ("axis1", 0), ("axis2", 1)), 1)
    values = [operation.setting(name, place, default) for place, (name, default) in places]
    return _last(f"{{0}}.diagonal({arguments(*values)})")


def _corner(method: str) -> OperationRow:
    def row(operation: Operation, call: Applied) -> Form:
        return _last(f"{{0}}.{method}({operation.setting('k', 1, 0) or ''})")

    return row


def _like(function: str) -> OperationRow:
    def row(operation: Operation, call: Applied) -> Form:
        dtype = operation.settings.get("dtype")
        option = arguments(dtype=None if dtype is None else dtype_named(dtype))
        return _last(f"torch.{function}({', '.join(filter(None, ['{0}', option]))})")

    return row


def _append(operation: Operation, call: Applied) -> Form:
    axis = operation.setting("axis", 2)
    if axis is None:
        return _last("torch.cat([{0}.flatten(), {1}.flatten()])")
    return _last(f"torch.cat([{{0}}, {{1}}], dim={axis})")


def _moved(operation: Operation, call: Applied) -> Form:
    ends = (operation.setting("source", 1), operation.setting("destination", 2))
    return _last(f"{{0}}.movedim({arguments(*ends)})")


def _broadcast(operation: Operation, call: Applied) -> Form:
    return _last(f"{{0}}.expand({arguments(*operation.setting('shape', 1))})")


def _each_sample(operation: Operation, call: Applied) -> Form:
    sides = ", ".join(["len({1})", *["-1"] * (call.rank - 1)])
    return _last(f"{{0}}.expand({sides})")


def _positions(operation: Operation, call: Applied) -> Form:
    dtype = operation.settings["dtype"]
    # Whole numbers of 64 bits are as good wherever numbers are looked up or compared.
    kind = "" if dtype in ("int32", "int64") else f"dtype=torch.{dtype}, "
    side = f"{{0}}.shape[{call.axis(operation.settings['axis'])}]"
    return Form(f"torch.arange({side}, {kind}device={{0}}.device)", gives=Layout.LAST)


def _meshgrid(operation: Operation, call: Applied) -> Form:
    inner = ", ".join(f"{{{number}}}" for number in range(len(call.inputs)))
    indexing = operation.settings.get("indexing", "xy")
    return _last(f"torch.meshgrid({inner}, {arguments(indexing=indexing)})")


def _diff(operation: Operation, call: Applied) -> Form:
    n, axis = operation.setting("n", 1, 1), operation.setting("axis", 2, -1)
    return _last(f"{{0}}.diff({arguments(n=n if n != 1 else None, dim=axis)})")


def _tensordot(operation: Operation, call: Applied) -> Form:
    axes = operation.setting("axes", 2, 2)
    if not isinstance(axes, int):
        axes = tuple((a,) if isinstance(a, int) else tuple(a) for a in axes)
    return _last(f"torch.tensordot({{0}}, {{1}}, {literal(axes)})")


def _cholesky(operation: Operation, call: Applied) -> Form:
    upper = True if operation.setting("upper", 1, False) else None
    return _last(
        f"torch.linalg.cholesky({', '.join(filter(None, ['{0}', arguments(upper=upper)]))})"
    )


ROWS_OF_ARRANGING: dict[str, OperationRow] = {
    "Var": _reduction("var", real=True, correction=0),
    "Std": _reduction("var", after=".sqrt()", real=True, correction=0),
    "Logsumexp": _reduction("logsumexp", real=True),
    "All": _reduction("all"),
    "Any": _reduction("any"),
    "Prod": _prod,
    "CountNonzero": _count,
    "Cumsum": _cumulative("cumsum"),
    "Cumprod": _cumulative("cumprod"),
    "Diff": _diff,
    "Where": _where,
    "Sort": _sort,
    "Slice": _slice,
    "Split": _split(),
    "ArraySplit": _split(),
    "Hsplit": _halves,
    "Vsplit": _split(0),
    "Dsplit": _split(2),
    "Unstack": _unstack,
    "Hstack": _listed("hstack"),
    "Vstack": _listed("vstack"),
    "Dstack": _listed("dstack"),
    "Append": _append,
    "Repeat": _repeat,
    "Tile": _tile,
    "Flip": _flip,
    "Fliplr": _text("{0}.fliplr()"),
    "Flipud": _text("{0}.flipud()"),
    "Roll": _roll,
    "Rot90": _rot90,
    "Pad": _pad,
    "Ravel": _text("{0}.flatten()"),
    "Moveaxis": _moved,
    "BroadcastTo": _broadcast,
    "EachSample": _each_sample,
    "Positions": _positions,
    "Diag": _corner("diag"),
    "Diagonal": _diagonal,
    "Tril": _corner("tril"),
    "Triu": _corner("triu"),
    "ZerosLike": _like("zeros_like"),
    "OnesLike": _like("ones_like"),
    "Meshgrid": _meshgrid,
    "Outer": _pair("torch.outer({0}.flatten(), {1}.flatten())"),
    "Vdot": _pair("torch.dot({0}.flatten(), {1}.flatten())"),
    "Tensordot": _tensordot,
    "Kron": _pair("torch.kron({0}, {1})"),
    "Inv": _text("torch.linalg.inv({0})"),
    "Det": _text("torch.linalg.det({0})"),
    "Logdet": _text("torch.logdet({0})"),
    "Slogdet": _text("torch.linalg.slogdet({0})"),
    "Cholesky": _cholesky,
    "Solve": _pair("torch.linalg.solve({0}, {1})"),
}


# --- Operations of keras.ops in a functional model ------------------------------------------------


def _infix(sign: str) -> OperationRow:
    def row(operation: Operation, call: Applied) -> Form:
        ranks = {len(shape) for shape in call.inputs}
        text = f" {sign} ".join(operation.arguments[:2])
        return Form(text, None, Layout.ANY if len(ranks) == 1 else Layout.LAST)

    return row


def _reduction_of_operations(method: str, *, every: bool = False) -> OperationRow:
    def row(operation: Operation, call: Applied) -> Form:
        if operation.settings.get("initial") is not None:
            return other(operation, call)
        axis = operation.setting("axis", 1)
        keepdim = True if operation.setting("keepdims", 2, False) else None
        if axis is None and keepdim:
            axis = list(range(call.rank))
        if axis is None:
            return Form(f"{{0}}.{method}()", None, Layout.LAST)
        axes = [axis] if isinstance(axis, int) else list(axis)
        is_all_space = {a % call.rank for a in axes} == set(range(1, call.rank - 1))
        if call.layout is Layout.FIRST and is_all_space and call.rank > 2:
            places = sorted(call.axis(a) for a in axes)
            text = arguments(tuple(places) if len(places) > 1 else places[0], keepdim=keepdim)
            return Form(f"{{0}}.{method}({text})")
        text = arguments(tuple(axes) if len(axes) > 1 else axes[0], keepdim=keepdim)
        return Form(f"{{0}}.{method}({text})", None, Layout.LAST)

    return row


def _reshape(operation: Operation, call: Applied) -> Form:
    shape = list(operation.setting("newshape", 1))
    first = "len({0})" if shape[0] in (None, -1) and -1 in shape[1:] else str(shape[0] or -1)
    sizes = ", ".join([first, *(str(-1 if size is None else size) for size in shape[1:])])
    return Form(f"{{0}}.reshape({sizes})", None, Layout.LAST)


def _transpose(operation: Operation, call: Applied) -> Form:
    axes = operation.setting("axes", 1)
    axes = list(range(call.rank))[::-1] if axes is None else list(axes)
    return Form(f"{{0}}.permute({arguments(*axes)})", None, Layout.LAST)


def _concatenate(operation: Operation, call: Applied) -> Form:
    axis = operation.setting("axis", 1, 0)
    inner = ", ".join(f"{{{number}}}" for number in range(len(call.inputs)))
    return Form(f"torch.cat([{inner}], dim={call.axis(axis)})")


def _stack(operation: Operation, call: Applied) -> Form:
    inner = ", ".join(f"{{{number}}}" for number in range(len(call.inputs)))
    return Form(f"torch.stack([{inner}], dim={operation.setting('axis', 1, 0)})", None, Layout.LAST)


def _item(operation: Operation, call: Applied) -> Form:
    key = operation.setting("key", 1)
    parts = key if isinstance(key, tuple | list) else (key,)
    return Form(f"{{0}}[{', '.join(map(_index, parts))}]", None, Layout.LAST)


def _index(part: Any) -> str:
    if isinstance(part, slice):
        ends = ["" if end is None else str(end) for end in (part.start, part.stop)]
        return ":".join(ends if part.step in (None, 1) else [*ends, str(part.step)])
    return "..." if part is Ellipsis else literal(part)


def _axis(method: str) -> OperationRow:
    def row(operation: Operation, call: Applied) -> Form:
        axis = operation.setting("axis", 1)
        if axis is None:
            return Form(f"{{0}}.{method}()", None, Layout.LAST)
        axes = [axis] if isinstance(axis, int) else list(axis)
        if method == "unsqueeze":  # one after the other, of which the first has the least place
            axes = sorted(a % (call.rank + len(axes)) for a in axes) if len(axes) > 1 else axes
        elif len(axes) > 1:
            axes = [tuple(axes)]
        return Form("{0}" + "".join(f".{method}({a})" for a in axes), None, Layout.LAST)

    return row


def _swapped(operation: Operation, call: Applied) -> Form:
    first, second = operation.setting("axis1", 1), operation.setting("axis2", 2)
    return Form(f"{{0}}.transpose({first}, {second})", None, Layout.LAST)


def _matmul(operation: Operation, call: Applied) -> Form:
    return Form(f"{operation.arguments[0]} @ {operation.arguments[1]}", None, Layout.LAST)


def _einsum(operation: Operation, call: Applied) -> Form:
    inner = ", ".join(f"{{{number}}}" for number in range(len(call.inputs)))
    equation = literal(operation.settings["subscripts"])
    return Form(f"torch.einsum({equation}, {inner})", None, Layout.LAST)


ROWS_OF_OPERATIONS: dict[str, OperationRow] = {
    **ROWS,
    **ROWS_OF_ARRANGING,
    **{name: _infix("+") for name in ("Add",)},
    **{name: _infix("-") for name in ("Subtract",)},
    **{name: _infix("*") for name in ("Multiply",)},
    **{name: _infix("/") for name in ("Divide", "TrueDivide")},
    "Power": _infix("**"),
    "Matmul": _matmul,
    "Einsum": _einsum,
    "Negative": lambda operation, call: Form("-{0}"),
    "StopGradient": lambda operation, call: Form("{0}.detach()"),
    "Relu": activated("relu"),
    "Relu6": activated("relu6"),
    "Silu": activated("silu"),
    "Swish": activated("silu"),
    "Sigmoid": activated("sigmoid"),
    "Tanh": activated("tanh"),
    "Softmax": activated("softmax", "axis"),
    "Softplus": activated("softplus"),
    "Mean": _reduction_of_operations("mean"),
    "Sum": _reduction_of_operations("sum"),
    **{name: _reduction_of_operations("amax") for name in ("Max", "Amax")},
    **{name: _reduction_of_operations("amin") for name in ("Min", "Amin")},
    "Reshape": _reshape,
    "Transpose": _transpose,
    "SwapAxes": _swapped,
    "Swapaxes": _swapped,
    "Concatenate": _concatenate,
    "Stack": _stack,
    "GetItem": _item,
    "ExpandDims": _axis("unsqueeze"),
    "Squeeze": _axis("squeeze"),
}
