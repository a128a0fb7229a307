"""Operations on each entry: of one tensor, and of two that broadcast."""

from __future__ import annotations

import math
from typing import Any

import torch

from torch_impl.clip import clip
from torch_impl.keras_config.operations.arguments import (
    Function,
    both,
    dtype_named,
    numbers,
    of_real,
    real,
)


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
