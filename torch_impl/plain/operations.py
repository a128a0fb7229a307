"""Operations of keras.ops that torch lacks, or computes otherwise."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.nn import functional as F


def clip(x: torch.Tensor, low: float, high: float) -> torch.Tensor:
    """Returns x between two bounds, on which its gradient is 1, as in Keras."""
    x = torch.where(x < low, low, x)
    return torch.where(x > high, high, x)


def maximum(x: Any, y: Any) -> torch.Tensor:
    """Returns the greater one; of equal ones, the first gets the whole gradient."""
    return torch.where(x >= y, x, y)


def minimum(x: Any, y: Any) -> torch.Tensor:
    """Returns the lesser one; of equal ones, the first gets the whole gradient."""
    return torch.where(x <= y, x, y)


def divide_no_nan(x: Any, y: Any) -> torch.Tensor:
    """Returns x / y, and 0 where y is 0."""
    is_zero = torch.as_tensor(y == 0)
    quotient = x / torch.where(is_zero, 1.0, y)
    return torch.where(is_zero, 0.0, quotient)


def cbrt(x: torch.Tensor) -> torch.Tensor:
    """Returns the cubic root, that of a negative number, too."""
    return torch.sign(x) * x.abs() ** (1 / 3)


def sparse_plus(x: torch.Tensor) -> torch.Tensor:
    """Returns 0 up to -1, x from 1 on, and a parabola between them."""
    curve = 0.25 * (x + 1).square()
    return torch.where(x <= -1, 0.0, torch.where(x < 1, curve, x))


def threshold(x: torch.Tensor, threshold: float, default_value: float) -> torch.Tensor:
    """Returns x above a threshold, else a value."""
    return torch.where(x > threshold, x, default_value)


def argmax(x: torch.Tensor, axis: int | None = None, keepdims: bool = False) -> Any:
    """Returns the place of the first greatest entry; -0 is less than 0, as in Keras."""
    return place_of(torch.argmax, x, axis, keepdims)


def argmin(x: torch.Tensor, axis: int | None = None, keepdims: bool = False) -> Any:
    """Returns the place of the first least entry; -0 is less than 0, as in Keras."""
    return place_of(torch.argmin, x, axis, keepdims)


def place_of(function: Any, x: torch.Tensor, axis: int | None, keepdims: bool) -> Any:
    """Returns places in int32."""
    if x.dtype == torch.bool:
        x = x.int()
    if x.is_floating_point():
        x = torch.where((x == 0) & x.signbit(), -torch.finfo(x.dtype).tiny, x)
    found = function(x, dim=axis, keepdim=keepdims and axis is not None)
    if axis is None and keepdims:
        found = found.reshape([1] * x.ndim)
    return found.to(torch.int32)


def axes_in(x: torch.Tensor, axis: Any) -> tuple[int, ...]:
    """Returns axes, counted from 0; all of them for None."""
    given = (
        range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    )
    return tuple(number % x.ndim for number in given)


def average(x: torch.Tensor, weights: Any = None, axis: Any = None) -> torch.Tensor:
    """Returns the mean over axes, with weights."""
    axes = axes_in(x, axis)
    if weights is None:
        return x.mean(axes)
    weights = torch.as_tensor(weights).to(x)
    if weights.ndim != x.ndim:
        sides = [s if n in axes else 1 for n, s in enumerate(x.shape)]
        weights = weights.reshape(sides)
    weights = weights.expand_as(x)
    mean: torch.Tensor = (x * weights).sum(axes) / weights.sum(axes)
    return mean


def median(x: torch.Tensor, axis: Any = None, keepdims: bool = False) -> torch.Tensor:
    """Returns the mean of both middle entries, where torch takes the lower one."""
    axes = axes_in(x, axis)
    rest = [number for number in range(x.ndim) if number not in axes]
    joined = x.permute(*rest, *axes).flatten(len(rest)).sort(-1).values
    size = joined.shape[-1]
    middle = joined[..., [(size - 1) // 2, size // 2]].mean(-1)
    sides = [1 if number in axes else n for number, n in enumerate(x.shape)]
    return middle.reshape(sides) if keepdims else middle


def ptp(x: torch.Tensor, axis: Any = None, keepdims: bool = False) -> torch.Tensor:
    """Returns the greatest entry minus the least one."""
    axes = axes_in(x, axis)
    return torch.amax(x, axes, keepdims) - torch.amin(x, axes, keepdims)


def trace(
    x: torch.Tensor, offset: int = 0, axis1: int = 0, axis2: int = 1
) -> torch.Tensor:
    """Returns the sum of a diagonal."""
    return torch.diagonal(x, offset, axis1, axis2).sum(-1)


def moments(
    x: torch.Tensor, axes: Any, keepdims: bool = False, synchronized: bool = False
) -> Any:
    """Returns mean and variance."""
    over = axes_in(x, axes)
    variance = torch.var(x, over, correction=0, keepdim=keepdims)
    return x.mean(over, keepdims), variance


def places(x: torch.Tensor, indices: Any, axis: int) -> torch.Tensor:
    """Returns places along an axis, counted from the beginning."""
    found = torch.as_tensor(indices, device=x.device).long()
    return torch.where(found < 0, found + x.shape[axis], found)


def take(x: torch.Tensor, indices: Any, axis: int | None = None) -> torch.Tensor:
    """Returns entries at places along an axis, which may be counted from the end."""
    if axis is None:
        x, axis = x.flatten(), 0
    axis = axis % x.ndim
    found = places(x, indices, axis)
    entries = x.index_select(axis, found.flatten())
    return entries.reshape((*x.shape[:axis], *found.shape, *x.shape[axis + 1 :]))


def take_along_axis(x: torch.Tensor, indices: Any, axis: int | None = None) -> Any:
    """Returns the entry at a place of its own for each row."""
    if axis is None:
        x, indices, axis = x.flatten(), torch.as_tensor(indices).flatten(), 0
    return torch.take_along_dim(x, places(x, indices, axis), axis)


def argsort(x: torch.Tensor, axis: int | None = -1) -> torch.Tensor:
    """Returns places by the size of their entries; equal ones stay in order."""
    flat, axis = (x.flatten(), 0) if axis is None else (x, axis)
    return torch.argsort(flat, dim=axis, stable=True).to(torch.int32)


def top_k(
    x: torch.Tensor, k: int, sorted: bool = True
) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns the greatest entries and their places; of equal ones, the earlier."""
    values, order = torch.sort(x, dim=-1, descending=True, stable=True)
    return values[..., :k], order[..., :k].to(torch.int32)


def in_top_k(targets: torch.Tensor, predictions: torch.Tensor, k: int) -> torch.Tensor:
    """Whether fewer than k predictions are greater than that of the target.

    A target that is no class is out, and so are all of a row with NaN or infinity.
    """
    is_class = (targets >= 0) & (targets < predictions.shape[-1])
    places = torch.where(is_class, targets, 0).long().unsqueeze(-1)
    is_in = (predictions > predictions.gather(-1, places)).sum(-1) < k
    return is_in & is_class & predictions.isfinite().all(-1)


def one_hot(
    x: torch.Tensor,
    num_classes: int,
    axis: int = -1,
    dtype: str | None = None,
    sparse: bool = False,
) -> torch.Tensor:
    """Returns rows of 0 and 1; of what is no class, of 0 alone."""
    kind = torch.get_default_dtype()
    if dtype not in (None, "float64"):  # a program is recorded in float64
        kind = getattr(torch, dtype)
    rows = x.long().unsqueeze(-1) == torch.arange(num_classes, device=x.device)
    return rows.to(kind).movedim(-1, axis)


def multi_hot(
    inputs: torch.Tensor,
    num_classes: int | None = None,
    axis: int = -1,
    dtype: str | None = None,
    sparse: bool = False,
    num_tokens: int | None = None,
) -> torch.Tensor:
    """Returns which classes are in a row."""
    classes = num_classes or num_tokens or 0
    return one_hot(inputs, classes, axis, dtype).amax(1 if inputs.ndim > 1 else 0)


def search_sorted(
    sorted_sequence: Any, values: torch.Tensor, side: str = "left"
) -> Any:
    """Returns the places at which values would be put into a sorted row."""
    found = torch.searchsorted(
        sorted_sequence, values.contiguous(), right=side == "right"
    )
    return found.to(torch.int32)


def digitize(x: torch.Tensor, bins: Any) -> torch.Tensor:
    """Returns the bin of each entry; Keras rounds their edges to float32."""
    edges = torch.as_tensor(bins, device=x.device).float().double()
    found = torch.bucketize(x.double().contiguous(), edges, right=True)
    return found.to(torch.int32)


def normalize(
    x: torch.Tensor, axis: int = -1, order: float = 2, epsilon: float | None = None
) -> torch.Tensor:
    """Returns x over its norm, which is at least epsilon."""
    least = 1e-7 if epsilon is None else epsilon
    if order == 2:
        square = x.square().sum(axis, keepdim=True)
        return x * torch.rsqrt(torch.where(square < least**2, least**2, square))
    size = torch.linalg.vector_norm(x, order, axis, keepdim=True)
    return x / torch.where(size < least, least, size)


def norm(
    x: torch.Tensor, ord: Any = None, axis: Any = None, keepdims: bool = False
) -> Any:
    """Returns the norm of vectors, or of matrices for two axes and an order."""
    is_vector = ord is None and (axis is None or len(axes_in(x, axis)) == 1)
    axes = axes_in(x, axis)
    if is_vector or len(axes) == 1:
        return torch.linalg.vector_norm(x, 2 if ord is None else ord, axes, keepdims)
    return torch.linalg.matrix_norm(x, "fro" if ord is None else ord, axes, keepdims)


def dot(x: torch.Tensor, y: torch.Tensor) -> Any:
    """Returns the sum over the last axis of x and the last but one of y."""
    if not x.ndim or not y.ndim:
        return x * y
    return torch.tensordot(x, y, ([x.ndim - 1], [max(y.ndim - 2, 0)]))


def inner(x: torch.Tensor, y: torch.Tensor) -> Any:
    """Returns the sum over the last axes."""
    if not x.ndim or not y.ndim:
        return x * y
    return torch.tensordot(x, y, ([x.ndim - 1], [y.ndim - 1]))


def cross(
    x: torch.Tensor,
    y: torch.Tensor,
    axisa: int = -1,
    axisb: int = -1,
    axisc: int = -1,
    axis: int | None = None,
) -> torch.Tensor:
    """Returns the cross product of vectors of three numbers."""
    first, second, last = (axisa, axisb, axisc) if axis is None else (axis,) * 3
    x, y = torch.broadcast_tensors(x.movedim(first, -1), y.movedim(second, -1))
    product: torch.Tensor = torch.linalg.cross(x, y, dim=-1)
    return product.movedim(-1, last)


def solve_triangular(a: torch.Tensor, b: torch.Tensor, lower: bool = False) -> Any:
    """Returns x of a @ x = b with a triangular a."""
    columns = b if b.ndim == a.ndim else b.unsqueeze(-1)
    found = torch.linalg.solve_triangular(a, columns, upper=not lower)
    return found if b.ndim == a.ndim else found.squeeze(-1)


def pad(
    x: torch.Tensor, pad_width: Any, mode: str, constant_values: Any = None
) -> torch.Tensor:
    """Returns x with its own entries behind its borders, mirrored."""
    widths = [(pad_width, pad_width)] if isinstance(pad_width, int) else list(pad_width)
    widths = widths * x.ndim if len(widths) == 1 else widths
    for axis, width in enumerate(widths):
        kind: Any = mode
        order = np.pad(np.arange(x.shape[axis]), tuple(width), mode=kind)
        x = x.index_select(axis, torch.as_tensor(order, device=x.device))
    return x


def depth_to_space(
    x: torch.Tensor, block_size: int, data_format: str = "channels_last"
) -> torch.Tensor:
    """Returns channels as blocks of pixels, (N, H, W, C)."""
    n, height, width, _channels = x.shape
    split = x.reshape(n, height, width, block_size, block_size, -1)
    joined = split.permute(0, 1, 3, 2, 4, 5)
    return joined.reshape(n, height * block_size, width * block_size, -1)


def space_to_depth(
    x: torch.Tensor, block_size: int, data_format: str = "channels_last"
) -> torch.Tensor:
    """Returns blocks of pixels as channels, (N, H, W, C)."""
    n, height, width, channels = x.shape
    rows, columns = height // block_size, width // block_size
    split = x.reshape(n, rows, block_size, columns, block_size, channels)
    return split.permute(0, 1, 3, 2, 4, 5).reshape(n, rows, columns, -1)


def extract_patches(
    x: torch.Tensor,
    size: int | tuple[int, int],
    strides: int | tuple[int, int] | None = None,
    dilation_rate: int | tuple[int, int] = 1,
    padding: str = "valid",
    data_format: str = "channels_last",
) -> torch.Tensor:
    """Returns patches of (N, H, W, C) row by row; `F.unfold` has the channels first."""
    given = (size, size if strides is None else strides, dilation_rate)
    windows, steps, dilations = (
        (n, n) if isinstance(n, int) else tuple(n) for n in given
    )
    first = x.movedim(-1, 1)
    if padding == "same":
        for axis in (3, 2):
            length, step = first.shape[axis], steps[axis - 2]
            reach = (windows[axis - 2] - 1) * dilations[axis - 2] + 1
            total = max((-(-length // step) - 1) * step + reach - length, 0)
            sides = (total // 2, total - total // 2)
            first = F.pad(first, sides if axis == 3 else (0, 0, *sides))
    sizes = zip(first.shape[2:], windows, steps, dilations, strict=True)
    rows, columns = (
        (n - (window - 1) * d - 1) // step + 1 for n, window, step, d in sizes
    )
    found = F.unfold(first, windows, dilation=dilations, stride=steps)
    split = found.reshape(len(x), x.shape[-1], windows[0] * windows[1], rows, columns)
    return split.permute(0, 3, 4, 2, 1).reshape(len(x), rows, columns, -1)


def full_like(x: torch.Tensor, fill_value: Any, dtype: str | None = None) -> Any:
    """Returns a value in the shape of x."""
    kind = x.dtype if dtype is None else getattr(torch, dtype)
    return torch.as_tensor(fill_value).to(x.device, kind).expand(x.shape)
