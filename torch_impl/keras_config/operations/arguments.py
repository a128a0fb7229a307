"""How operations read their arguments: tensors and numbers, integers, axes, dtypes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

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
