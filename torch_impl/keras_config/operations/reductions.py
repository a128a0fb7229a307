"""Operations along axes: sums, means, greatest entries and their places, cumulative sums."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from torch_impl.keras_config.operations.arguments import (
    Axis,
    Function,
    axes_of,
    dtype_named,
    numbers,
    real,
)


def _over(function: Function, prepare: Function = real) -> Function:
    """Returns a reduction over one axis, several axes, or all."""

    def reduce(x: torch.Tensor, axis: Axis = None, keepdims: bool = False) -> Any:
        axes = axes_of(x, axis)
        prepared = prepare(x)
        return function(prepared, dim=axes, keepdim=keepdims) if axes else prepared

    return reduce


def _sum(x: torch.Tensor, dim: Any, keepdim: bool) -> torch.Tensor:
    dtype = _summed(x.dtype)
    return torch.sum(x, dim, keepdim, dtype=_added(dtype)).to(dtype)


def _summed(dtype: torch.dtype) -> torch.dtype:
    """Returns the dtype of a sum: Keras adds small integers up in 32 bits."""
    if dtype in (torch.uint8, torch.uint16):
        return torch.uint32
    return torch.int32 if dtype in (torch.bool, torch.int8, torch.int16) else dtype


def _added(dtype: torch.dtype) -> torch.dtype:
    """Returns a dtype in which torch computes; it has few functions of unsigned integers."""
    return torch.int64 if dtype == torch.uint32 else dtype


def _prod(
    x: torch.Tensor, axis: Axis = None, keepdims: bool = False, dtype: str | None = None
) -> torch.Tensor:
    kept = dtype_named(dtype) if dtype else _summed(x.dtype)
    made = x.to(_added(kept))
    for place in sorted(axes_of(x, axis), reverse=True):
        made = torch.prod(made, place, keepdim=keepdims, dtype=made.dtype)
    return made.to(kept)


def _extreme(function: Function, start: Function) -> Function:
    """Returns the greatest or least entry, with `initial` among the entries."""

    def reduce(
        x: torch.Tensor, axis: Axis = None, keepdims: bool = False, initial: Any = None
    ) -> torch.Tensor:
        axes = axes_of(x, axis)
        made: torch.Tensor = function(x, dim=axes, keepdim=keepdims) if axes else x
        if initial is None:
            return made
        found: torch.Tensor = start(made, torch.as_tensor(initial).to(made))
        return found

    return reduce


def _variance(x: torch.Tensor, dim: Any, keepdim: bool) -> torch.Tensor:
    return torch.var(x, dim, correction=0, keepdim=keepdim)


def _deviation(x: torch.Tensor, dim: Any, keepdim: bool) -> torch.Tensor:
    return torch.sqrt(_variance(x, dim, keepdim))


def _mean(x: torch.Tensor, dim: Any, keepdim: bool) -> torch.Tensor:
    return torch.mean(x, dim, keepdim)


def _count_nonzero(x: torch.Tensor, axis: Axis = None) -> torch.Tensor:
    return (x != 0).sum(axes_of(x, axis), dtype=torch.int32)


def _every(function: Function) -> Function:
    def reduce(x: torch.Tensor, axis: Axis = None, keepdims: bool = False) -> torch.Tensor:
        made = x != 0 if x.dtype != torch.bool else x
        for place in sorted(axes_of(x, axis), reverse=True):
            made = function(made, place, keepdim=keepdims)
        return made

    return reduce


def _place(function: Function) -> Function:
    """Returns the place of the first greatest or least entry, int32 as in Keras."""

    def reduce(x: torch.Tensor, axis: int | None = None, keepdims: bool = False) -> torch.Tensor:
        x = numbers(x)
        if x.is_floating_point():  # Keras counts -0 as less than 0
            x = torch.where((x == 0) & x.signbit(), -torch.finfo(x.dtype).tiny, x)
        found: torch.Tensor = function(x, dim=axis, keepdim=keepdims and axis is not None)
        if axis is None and keepdims:
            found = found.reshape([1] * x.ndim)
        return found.to(torch.int32)

    return reduce


def _cumulative(function: Function) -> Function:
    def along(x: torch.Tensor, axis: int | None = None, dtype: str | None = None) -> torch.Tensor:
        flat = x.flatten() if axis is None else x
        made: torch.Tensor = function(
            flat,
            0 if axis is None else axis,
            dtype=dtype_named(dtype) if dtype else numbers(x).dtype,
        )
        return made

    return along


def _average(x: torch.Tensor, weights: Any = None, axis: Axis = None) -> torch.Tensor:
    x = real(x)
    axes = axes_of(x, axis)
    if weights is None:
        return x.mean(axes)
    weights = torch.as_tensor(weights, device=x.device).to(x.dtype)
    if weights.ndim != x.ndim:
        weights = weights.reshape([s if n in axes else 1 for n, s in enumerate(x.shape)])
    weights = weights.expand_as(x)
    mean: torch.Tensor = (x * weights).sum(axes) / weights.sum(axes)
    return mean


def _median(x: torch.Tensor, axis: Axis = None, keepdims: bool = False) -> Any:
    """The mean of both middle entries, where torch takes the lower one."""
    x = real(x)
    axes = axes_of(x, axis)
    rest = [number for number in range(x.ndim) if number not in axes]
    joined = x.permute(*rest, *axes).flatten(len(rest)).sort(-1).values
    size = joined.shape[-1]
    middle = joined[..., [(size - 1) // 2, size // 2]].mean(-1)
    shape = [1 if number in axes else length for number, length in enumerate(x.shape)]
    kept: torch.Tensor = middle.reshape(shape) if keepdims else middle
    return kept


def _range(x: torch.Tensor, axis: Axis = None, keepdims: bool = False) -> torch.Tensor:
    axes = axes_of(x, axis)
    return torch.amax(x, axes, keepdims) - torch.amin(x, axes, keepdims)


def _diff(a: torch.Tensor, n: int = 1, axis: int = -1) -> torch.Tensor:
    return torch.diff(a, n, axis)


def _trace(x: torch.Tensor, offset: int = 0, axis1: int = 0, axis2: int = 1) -> torch.Tensor:
    return _sum(torch.diagonal(x, offset, axis1, axis2), -1, keepdim=False)


def _moments(
    x: torch.Tensor, axes: int | Sequence[int], keepdims: bool = False, synchronized: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    over = axes_of(x, axes)
    return _mean(x, over, keepdims), _variance(x, over, keepdims)


ROWS: dict[str, Function] = {
    "Mean": _over(_mean),
    "Sum": _over(_sum, numbers),
    "Prod": _prod,
    "Max": _extreme(torch.amax, torch.maximum),
    "Min": _extreme(torch.amin, torch.minimum),
    "Amax": _extreme(torch.amax, torch.maximum),
    "Amin": _extreme(torch.amin, torch.minimum),
    "Var": _over(_variance),
    "Std": _over(_deviation),
    "Logsumexp": _over(torch.logsumexp),
    "All": _every(torch.all),
    "Any": _every(torch.any),
    "CountNonzero": _count_nonzero,
    "Argmax": _place(torch.argmax),
    "Argmin": _place(torch.argmin),
    "Cumsum": _cumulative(torch.cumsum),
    "Cumprod": _cumulative(torch.cumprod),
    "Average": _average,
    "Median": _median,
    "Ptp": _range,
    "Diff": _diff,
    "Trace": _trace,
    "Moments": _moments,
}
