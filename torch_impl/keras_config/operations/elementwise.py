"""Operations on each entry, of one tensor or two; activations and crossentropies."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from torch_impl import losses
from torch_impl.clip import clip
from torch_impl.layers import activations
from torch_impl.losses.crossentropy import binary_crossentropy

# --- How operations read their arguments: tensors and numbers, integers, axes, dtypes -------------


Function = Callable[..., Any]
Axis = int | Sequence[int] | None


def dtype_named(name: str) -> torch.dtype:
    """Returns the dtype of Keras's name.

    Raises:
        ValueError: torch has no such dtype.
    """
    dtype = getattr(torch, name, None)
    if not isinstance(dtype, torch.dtype):
        raise ValueError(f"dtype={name!r}: expected one of torch's")
    return dtype


def real(x: torch.Tensor) -> torch.Tensor:
    """Returns a tensor of real numbers; integers become float32, Keras's default."""
    return x if x.is_floating_point() or x.is_complex() else x.to(torch.float32)


def numbers(x: torch.Tensor) -> torch.Tensor:
    """Returns a tensor with int32 in the place of bool."""
    return x.to(torch.int32) if x.dtype == torch.bool else x


def of_real(function: Function) -> Function:
    """Returns a function that takes integers as float32."""
    return lambda x, **settings: function(real(x), **settings)


def both(function: Function, *, rounds: bool = False) -> Function:
    """Returns a function of two tensors that also takes a number in the place of one.

    Args:
        function: of two tensors.
        rounds: whether Keras rounds the number to float32, in float64 too.
    """

    def of_two(x1: Any, x2: Any, *more: Any, **settings: Any) -> Any:
        like = x1 if isinstance(x1, torch.Tensor) else x2
        return function(*(_beside(like, value, rounds) for value in (x1, x2)), *more, **settings)

    return of_two


def _beside(like: torch.Tensor, value: Any, rounds: bool) -> torch.Tensor:
    """Returns a number as a tensor without axes, in the dtype that Keras gives it."""
    if isinstance(value, torch.Tensor):
        return value
    if isinstance(value, float):
        value = float(np.float32(value)) if rounds else value
        dtype = like.dtype if like.is_floating_point() else torch.float32
    elif isinstance(value, bool):
        dtype = torch.bool
    else:
        dtype = torch.int32 if like.dtype == torch.bool else like.dtype
    return torch.tensor(value, dtype=dtype, device=like.device)


def axes_of(x: torch.Tensor, axis: Axis) -> tuple[int, ...]:
    """Returns the axes, counted from 0; all of them for None."""
    given = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    return tuple(number % x.ndim for number in given)


# --- Operations on each entry: of one tensor, and of two that broadcast ---------------------------


def _maximum(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """The first of two equal entries gets the whole gradient, as in TensorFlow."""
    return torch.where(x >= y, x, y)


def _minimum(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return torch.where(x <= y, x, y)


def _clip(x: torch.Tensor, x_min: float, x_max: float) -> torch.Tensor:
    return clip(x, x_min, x_max)


def _cbrt(x: torch.Tensor) -> torch.Tensor:
    return torch.sign(x) * x.abs() ** (1 / 3)


def _round(x: torch.Tensor, decimals: int = 0) -> torch.Tensor:
    return torch.round(x, decimals=decimals) if x.is_floating_point() else x


def _whole(function: Function) -> Function:
    """Returns floor and the like of integers: float32 of the same value."""
    return lambda x: function(real(x))


def _divide_no_nan(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    safe = torch.where(y == 0, torch.ones_like(y), y)
    return torch.where(y == 0, torch.zeros_like(x / safe), x / safe)


def _floor_divide(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return torch.div(x, y, rounding_mode="floor")


def _is_close(
    x: torch.Tensor,
    y: torch.Tensor,
    rtol: float = 1e-5,
    atol: float = 1e-8,
    equal_nan: bool = False,
) -> torch.Tensor:
    return torch.isclose(x, y, rtol, atol, equal_nan)


def _cast(x: torch.Tensor, dtype: str) -> torch.Tensor:
    return x.to(dtype_named(dtype))


def _converted(
    x: torch.Tensor, dtype: str | None = None, sparse: Any = None, ragged: Any = None
) -> torch.Tensor:
    """A tensor is dense and of one length along each axis already."""
    if sparse or ragged:
        raise ValueError(f"ConvertToTensor with {sparse=}, {ragged=}: expected a dense tensor")
    return x if dtype is None else _cast(x, dtype)


def _nan_to_num(x: torch.Tensor, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    return torch.nan_to_num(x, nan, posinf, neginf)


def _sinc(x: torch.Tensor) -> torch.Tensor:
    return torch.sinc(real(x))


def _real_both(function: Function) -> Function:
    """Returns a function of two tensors, beside which Keras rounds a number to float32."""
    return both(lambda x, y: function(real(x), real(y)), rounds=True)


def _degrees(factor: float) -> Function:
    return lambda x: real(x) * factor


ROWS: dict[str, Function] = {
    "Add": lambda x, y: x + y,
    "Subtract": lambda x, y: x - y,
    "Multiply": lambda x, y: x * y,
    "Divide": lambda x, y: x / y,
    "TrueDivide": lambda x, y: x / y,
    "DivideNoNan": both(_divide_no_nan),
    "FloorDivide": both(_floor_divide),
    "Mod": both(torch.remainder, rounds=True),
    "Power": lambda x, y: x**y,
    "Maximum": both(_maximum),
    "Minimum": both(_minimum),
    "Arctan2": _real_both(torch.arctan2),
    "Hypot": _real_both(torch.hypot),
    "Logaddexp": _real_both(torch.logaddexp),
    "Equal": both(torch.eq, rounds=True),
    "NotEqual": both(torch.ne, rounds=True),
    "Greater": both(torch.gt, rounds=True),
    "GreaterEqual": both(torch.ge, rounds=True),
    "Less": both(torch.lt, rounds=True),
    "LessEqual": both(torch.le, rounds=True),
    "LogicalAnd": both(torch.logical_and),
    "LogicalOr": both(torch.logical_or),
    "LogicalXor": both(torch.logical_xor),
    "LogicalNot": torch.logical_not,
    "BitwiseAnd": both(torch.bitwise_and),
    "BitwiseOr": both(torch.bitwise_or),
    "BitwiseXor": both(torch.bitwise_xor),
    "BitwiseNot": torch.bitwise_not,
    "BitwiseInvert": torch.bitwise_not,
    "BitwiseLeftShift": both(torch.bitwise_left_shift),
    "LeftShift": both(torch.bitwise_left_shift),
    "BitwiseRightShift": both(torch.bitwise_right_shift),
    "RightShift": both(torch.bitwise_right_shift),
    "Isclose": both(_is_close),
    "Isfinite": torch.isfinite,
    "Isinf": torch.isinf,
    "Isnan": torch.isnan,
    "Isposinf": lambda x: torch.isposinf(real(x)),
    "Isneginf": lambda x: torch.isneginf(real(x)),
    "Signbit": torch.signbit,
    "NanToNum": _nan_to_num,
    "Negative": torch.neg,
    "Absolute": lambda x: torch.abs(x) if x.dtype != torch.bool else x,
    "Abs": lambda x: torch.abs(x) if x.dtype != torch.bool else x,
    "Fabs": of_real(torch.abs),
    "Sign": torch.sign,
    "Square": lambda x: torch.square(numbers(x)),
    "Reciprocal": of_real(torch.reciprocal),
    "Cbrt": of_real(_cbrt),
    "Ceil": _whole(torch.ceil),
    "Floor": _whole(torch.floor),
    "Trunc": lambda x: torch.trunc(x) if x.is_floating_point() else x,
    "Round": _round,
    "Deg2rad": _degrees(math.pi / 180),
    "Rad2deg": _degrees(180 / math.pi),
    "Erf": torch.erf,
    "Erfc": torch.erfc,
    "Erfinv": torch.erfinv,
    "Sinc": _sinc,
    "Clip": _clip,
    "Copy": torch.clone,
    "Real": lambda x: x.real if x.is_complex() else x,
    "StopGradient": torch.detach,
    "Cast": _cast,
    "ConvertToTensor": _converted,
    **{
        name.capitalize(): of_real(getattr(torch, name))
        for name in (
            *("sqrt", "rsqrt", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p"),
            *("sin", "cos", "tan", "sinh", "cosh", "arcsin", "arccos", "arctan"),
            *("arcsinh", "arccosh", "arctanh"),
        )
    },
}


# --- Activations, by the names of their operations ------------------------------------------------


ROWS_OF_ACTIVATION: dict[str, Function] = {
    "Relu": F.relu,
    "ReLU": activations.relu,
    "Relu6": F.relu6,
    "LeakyRelu": activations.leaky_relu,
    "Silu": F.silu,
    "Swish": F.silu,
    "Softmax": activations.softmax,
    "LogSoftmax": activations.log_softmax,
    "LogSigmoid": F.logsigmoid,
    "HardSigmoid": activations.hard_sigmoid,
    "HardSilu": activations.hard_silu,
    "HardTanh": activations.hard_tanh,
    "HardShrink": activations.hard_shrink,
    "SoftShrink": activations.soft_shrink,
    "TanhShrink": activations.tanh_shrink,
    "SparsePlus": activations.sparse_plus,
    "SparseSigmoid": activations.sparse_sigmoid,
    # The operation approximates unless it is told not to; the activation does not.
    "Gelu": partial(activations.gelu, approximate=True),
    **{
        name.title(): getattr(activations, name)
        for name in (
            *("sigmoid", "tanh", "softplus", "softsign", "elu", "selu", "celu"),
            *("mish", "squareplus", "glu", "threshold", "sparsemax"),
        )
    },
}


# --- Crossentropies of keras.ops, which losses of a user's own call: targets come first -----------


def _binary(target: torch.Tensor, output: torch.Tensor, from_logits: bool = False) -> torch.Tensor:
    return binary_crossentropy(output, target, from_logits)


def _categorical(
    target: torch.Tensor, output: torch.Tensor, from_logits: bool = False, axis: int = -1
) -> torch.Tensor:
    return losses.CategoricalCrossentropy(from_logits, axis=axis).values(output, target)


def _sparse(
    target: torch.Tensor, output: torch.Tensor, from_logits: bool = False, axis: int = -1
) -> torch.Tensor:
    if axis not in (-1, output.ndim - 1):
        raise ValueError(f"{axis=}: expected the last one")
    return losses.SparseCategoricalCrossentropy(from_logits).values(output, target.long())


ROWS_OF_CROSSENTROPY: dict[str, Function] = {
    "BinaryCrossentropy": _binary,
    "CategoricalCrossentropy": _categorical,
    "SparseCategoricalCrossentropy": _sparse,
}
