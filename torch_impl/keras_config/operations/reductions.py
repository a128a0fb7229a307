"""Operations along axes, products of tensors, norms, and operations on matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from torch_impl.keras_config.operations.elementwise import (
    Axis,
    Function,
    axes_of,
    both,
    dtype_named,
    numbers,
    real,
)

# --- Operations along axes: sums, means, greatest entries and their places, cumulative sums -------


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


# --- Products of tensors, norms, and operations on matrices ---------------------------------------


def _same(*tensors: torch.Tensor) -> list[torch.Tensor]:
    """Returns tensors in one dtype, as Keras promotes them; torch multiplies no others."""
    dtype = tensors[0].dtype
    for tensor in tensors[1:]:
        dtype = torch.promote_types(dtype, tensor.dtype)
    return [tensor.to(dtype) for tensor in tensors]


def _promoted(function: Function) -> Function:
    return both(lambda x, y, **settings: function(*_same(x, y), **settings))


def _dot(x: torch.Tensor, y: torch.Tensor) -> Any:
    """NumPy's dot: the last axis of x with the last but one of y."""
    if not x.ndim or not y.ndim:
        return x * y
    return torch.tensordot(x, y, ([x.ndim - 1], [max(y.ndim - 2, 0)]))


def _inner(x: torch.Tensor, y: torch.Tensor) -> Any:
    return torch.tensordot(x, y, ([x.ndim - 1], [y.ndim - 1])) if x.ndim and y.ndim else x * y


def _outer(x: torch.Tensor, y: torch.Tensor) -> Any:
    return torch.outer(x.flatten(), y.flatten())


def _vdot(x: torch.Tensor, y: torch.Tensor) -> Any:
    return (x.flatten() * y.flatten()).sum()


def _tensordot(x: torch.Tensor, y: torch.Tensor, axes: Any = 2) -> Any:
    if isinstance(axes, int):
        return torch.tensordot(x, y, axes)
    pair = [[axis] if isinstance(axis, int) else list(axis) for axis in axes]
    return torch.tensordot(x, y, pair)


def _einsum(*operands: torch.Tensor, subscripts: str) -> Any:
    return torch.einsum(subscripts, *_same(*operands))


def _cross(
    x: torch.Tensor,
    y: torch.Tensor,
    axisa: int = -1,
    axisb: int = -1,
    axisc: int = -1,
    axis: int | None = None,
) -> Any:
    first, second = (axisa, axisb) if axis is None else (axis, axis)
    if x.shape[first] != 3 or y.shape[second] != 3:
        raise ValueError(f"axes of lengths {x.shape[first]}, {y.shape[second]}: expected 3 and 3")
    x, y = torch.broadcast_tensors(x.movedim(first, -1), y.movedim(second, -1))
    return torch.linalg.cross(x, y, dim=-1).movedim(-1, axisc if axis is None else axis)


def _norm(x: torch.Tensor, ord: Any = None, axis: Axis = None, keepdims: bool = False) -> Any:
    """The norm of vectors, or of matrices if there are two axes and an order."""
    x = real(x)
    if ord is None and (axis is None or len(axes_of(x, axis)) == 1):
        return torch.linalg.vector_norm(x, 2, axes_of(x, axis), keepdims)
    if axis is None:
        axis = tuple(range(x.ndim))
    axes = axes_of(x, axis)
    if len(axes) == 1:
        return torch.linalg.vector_norm(x, ord, axes, keepdims)
    if len(axes) != 2:
        raise ValueError(f"{ord=} over {len(axes)} axes: expected one axis, or two")
    return torch.linalg.matrix_norm(x, "fro" if ord is None else ord, axes, keepdims)


def _cholesky(x: torch.Tensor, upper: bool = False) -> Any:
    return torch.linalg.cholesky(x, upper=upper)


def _solve(a: torch.Tensor, b: torch.Tensor) -> Any:
    return torch.linalg.solve(a, b)


def _solve_triangular(a: torch.Tensor, b: torch.Tensor, lower: bool = False) -> Any:
    matrix = b.ndim == a.ndim
    columns = b if matrix else b.unsqueeze(-1)
    found = torch.linalg.solve_triangular(a, columns, upper=not lower)
    return found if matrix else found.squeeze(-1)


ROWS_OF_ALGEBRA: dict[str, Function] = {
    "Matmul": _promoted(torch.matmul),
    "Dot": _promoted(_dot),
    "Inner": _promoted(_inner),
    "Outer": _promoted(_outer),
    "Vdot": _promoted(_vdot),
    "Tensordot": _promoted(_tensordot),
    "Einsum": _einsum,
    "Cross": _promoted(_cross),
    "Kron": _promoted(torch.kron),
    "Norm": _norm,
    "Inv": torch.linalg.inv,
    "Det": torch.linalg.det,
    "Logdet": torch.logdet,
    "Slogdet": lambda x: tuple(torch.linalg.slogdet(x)),
    "Cholesky": _cholesky,
    "Solve": _solve,
    "SolveTriangular": _solve_triangular,
}
