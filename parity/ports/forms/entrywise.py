"""Operations of keras.ops on each entry, and on pairs of entries, as functions of torch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from parity.ports.form import Applied, Form, Layout, arguments, literal
from parity.ports.forms import activation
from parity.ports.forms.operation import Operation, Row, other
from torch_impl.keras_config.operations.arguments import dtype_named

REAL = ".to(torch.get_default_dtype())"


def _method(name: str) -> Row:
    """A method of real numbers; of whole ones, torch makes real ones first, as Keras does."""
    is_kept = name in ("ceil", "floor", "abs")  # which torch computes of whole ones, too

    def row(operation: Operation, call: Applied) -> Form:
        return Form(f"{{0}}{REAL if call.whole and is_kept else ''}.{name}()")

    return row


def _any(text: str) -> Row:
    """An expression for numbers of any kind."""
    return lambda operation, call: Form(text)


def activated(name: str, *settings: str, **defaults: Any) -> Row:
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
        return activation.named(name, call, **{**defaults, **given})

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


def _between(sign: str, *, rounds: bool = False) -> Row:
    """Two arguments with a sign between them."""

    def row(operation: Operation, call: Applied) -> Form:
        texts, layout = beside(operation, call)
        texts = _rounded(texts, operation) if rounds else texts
        return Form(f" {sign} ".join(texts), None, layout)

    return row


def _function(name: str, *, rounds: bool = False, of_tensors: bool = False) -> Row:
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
    told = arguments(**{key: operation.settings.get(key) for key in ("rtol", "atol", "equal_nan")})
    return Form(f"torch.isclose({', '.join(filter(None, [*texts, told]))})", None, layout)


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
    told = {name: operation.settings.get(name, value) for name, value in names.items()}
    told["nan"] = told["nan"] or None
    return Form(f"{{0}}.nan_to_num({arguments(**told)})")


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


def _bounded(bound: str) -> Row:
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


def _own(operation: Operation, call: Applied) -> Form:
    """An operation on each entry that torch has not, in any layout."""
    return replace(other(operation, call), takes=Layout.ANY)


ROWS: dict[str, Row] = {
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
    "Cbrt": _own,
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
