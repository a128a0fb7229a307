"""Products of tensors, norms, and operations on matrices."""

from __future__ import annotations

from typing import Any

import torch

from torch_impl.keras_config.operations.arguments import Axis, Function, axes_of, both, real


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


ROWS: dict[str, Function] = {
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
