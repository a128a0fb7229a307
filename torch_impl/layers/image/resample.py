"""Images of another size, as `tf.image.resize` makes them, and the mean of each channel."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from torch_impl import c_library

# --------------------------------------------------------------------------------------------------
#
# Images of another size, as `tf.image.resize` makes them: by its kernels' equations, in torch.
#
# TensorFlow computes in float32, of float64 images too, and so does this, with the kernels'
# operations in their order: the pixels are the same bit for bit on x86. Sources: tensorflow 2.21
# `core/kernels/image/resize_bilinear_op.cc`, `resize_bicubic_op.cc`,
# `resize_nearest_neighbor_op.cc`, `resize_area_op.cc`, `scale_and_translate_op.cc`,
# `sampling_kernels.h`.
#
# A method is two lists of weights, one for each axis: an output pixel is the sum of some input
# pixels, first along one axis, then along the other.


_F = np.float32
_PI = _F(3.14159265359)
_TABLE = 1024  # entries of the table of cubic weights between two pixels


@dataclass(frozen=True)
class Taps:
    """What the pixels of one output axis are made of.

    Attributes:
        index: (taps, length) int64, positions on the input axis.
        weight: (taps, length) float32.
    """

    index: np.ndarray
    weight: np.ndarray


def resize(
    images: torch.Tensor, size: tuple[int, int], method: str = "bilinear", antialias: bool = False
) -> torch.Tensor:
    """Returns images of another size.

    Args:
        images: (N, C, H, W), of any dtype.
        size: (height, width) of the result.
        method: one of `METHODS`.
        antialias: whether the kernel is widened when an image becomes smaller; without effect for
            "nearest" and "area".

    Returns:
        (N, C, *size), of the dtype of the images for "nearest", else float32.
    """
    height, width = images.shape[-2:]
    if method == "nearest":
        rows = torch.from_numpy(_nearest(height, size[0])).to(images.device)
        columns = torch.from_numpy(_nearest(width, size[1])).to(images.device)
        return images.index_select(-2, rows).index_select(-1, columns)
    values = images.to(torch.float32)
    if method == "bilinear" and not antialias:
        return _bilinear(values, size)
    if method == "area":
        values = _along(values, -1, _area(width, size[1]))
        values = _along(values, -2, _area(height, size[0]))
        scale = _F(1.0 / float(_scale(height, size[0]) * _scale(width, size[1])))
        return values * float(scale)
    if method == "bicubic" and not antialias:
        values = _along(values, -2, _bicubic(height, size[0]))
        return _along(values, -1, _bicubic(width, size[1]))
    values = _along(values, -2, _spans(height, size[0], method, antialias))
    return _along(values, -1, _spans(width, size[1], method, antialias))


def in_dtype_of(images: torch.Tensor, resized: torch.Tensor) -> torch.Tensor:
    """Returns resized images in the dtype of those that they were made of, as Keras does.

    Whole numbers are rounded to even, and clipped to the range of their dtype.

    Source: keras 3.15 `ops/image.py` (`_resize`).

    Args:
        images: of any dtype.
        resized: what `resize` made of them.
    """
    if resized.is_floating_point() and not images.is_floating_point():
        limits = torch.iinfo(images.dtype)
        resized = resized.round().clamp(limits.min, limits.max)
    return resized.to(images.dtype)


def _scale(length: int, new_length: int) -> np.float32:
    return _F(length) / _F(new_length)


def _along(values: torch.Tensor, axis: int, taps: Taps) -> torch.Tensor:
    """Returns weighted sums along one of the last two axes, in the order of the taps."""
    parts = []
    for index, weight in zip(taps.index, taps.weight, strict=True):
        factor = torch.from_numpy(weight).to(values.device)
        chosen = values.index_select(axis, torch.from_numpy(index).to(values.device))
        parts.append(chosen * (factor if axis == -1 else factor[:, None]))
    return functools.reduce(torch.add, parts)


def _nearest(length: int, new_length: int) -> np.ndarray:
    at = (np.arange(new_length, dtype=_F) + _F(0.5)) * _scale(length, new_length)
    places: np.ndarray = np.clip(np.floor(at).astype(np.int64), 0, length - 1)
    return places


def _bilinear(values: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Returns a + (b - a) t along the columns, then along the rows."""
    for axis, new_length in ((-1, size[1]), (-2, size[0])):
        length = values.shape[axis]
        at = _half_pixel(length, new_length)
        floor = np.floor(at)
        lower = np.maximum(floor.astype(np.int64), 0)
        upper = np.minimum(np.ceil(at).astype(np.int64), length - 1)
        lower, upper = np.minimum(lower, length - 1), np.maximum(upper, 0)
        a, b = (
            values.index_select(axis, torch.from_numpy(index).to(values.device))
            for index in (lower, upper)
        )
        t = torch.from_numpy(at - floor).to(values.device)
        values = a + (b - a) * (t if axis == -1 else t[:, None])
    return values


def _half_pixel(length: int, new_length: int) -> np.ndarray:
    """Returns the positions of output pixels on the input axis, (new_length,) float32."""
    at = np.arange(new_length, dtype=_F) + _F(0.5)
    positions: np.ndarray = at * _scale(length, new_length) - _F(0.5)
    return positions


@functools.lru_cache(maxsize=64)
def _bicubic(length: int, new_length: int) -> Taps:
    """Keys's cubic with a = -1/2, from a table; pixels outside have no weight."""
    at = _half_pixel(length, new_length)
    floor = np.floor(at)
    offset = np.rint((at - floor) * _F(_TABLE)).astype(np.int64)
    near, far = _cubic_table()
    given = (far[offset], near[offset], near[_TABLE - offset], far[_TABLE - offset])
    index, weight = [], []
    for step, values in zip((-1, 0, 1, 2), given, strict=True):
        place = floor.astype(np.int64) + step
        bound = np.clip(place, 0, length - 1)
        index.append(bound)
        weight.append(np.where(bound == place, values, _F(0)))
    total = weight[0] + weight[1] + weight[2] + weight[3]
    inverse = _inverse(total)
    return Taps(np.stack(index), np.stack([w * inverse for w in weight]))


def _cubic_table() -> tuple[np.ndarray, np.ndarray]:
    """Returns the weights of a near and of a far pixel at each offset, computed as C does."""
    a = -0.5
    x = (np.arange(_TABLE + 1) / _TABLE).astype(_F).astype(np.float64)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    x = (x + 1.0).astype(_F).astype(np.float64)
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return near.astype(_F), far.astype(_F)


def _inverse(total: np.ndarray) -> np.ndarray:
    """Returns 1 / total, or 1 where the total is next to nothing."""
    large = np.abs(total) >= _F(1000.0) * np.finfo(_F).tiny
    return np.where(large, _F(1) / np.where(large, total, _F(1)), _F(1))


@functools.lru_cache(maxsize=64)
def _area(length: int, new_length: int) -> Taps:
    """The share that each input pixel has of an output pixel."""
    scale = _scale(length, new_length)
    starts = np.arange(new_length, dtype=_F) * scale
    ends = np.arange(1, new_length + 1, dtype=_F) * scale
    first = np.floor(starts).astype(np.int64)
    count = int((np.ceil(ends).astype(np.int64) - first).max())
    index, weight = [], []
    for step in range(count):
        place = first + step
        at = place.astype(_F)
        leading = np.where(at + 1 > ends, scale, at + 1 - starts)
        inner = np.where(at + 1 > ends, ends - at, _F(1))
        share = np.where(at < starts, leading, inner)
        index.append(np.clip(place, 0, length - 1))
        weight.append(np.where(place < np.ceil(ends), share, _F(0)).astype(_F))
    return Taps(np.stack(index), np.stack(weight))


@functools.lru_cache(maxsize=64)
def _spans(length: int, new_length: int, method: str, antialias: bool) -> Taps:
    """The weights of `scale_and_translate`, with a total of 1 for each output pixel."""
    radius, kernel = _KERNELS[method]
    inverse = _F(1.0 / float(_F(new_length) / _F(length)))
    widened = max(inverse, _F(1)) if antialias else _F(1)
    narrowed, reach = _F(1) / widened, radius * widened
    samples = (np.arange(new_length, dtype=_F) + _F(0.5)) * inverse
    first = np.clip(np.ceil(samples - reach - _F(0.5)).astype(np.int64), 0, length - 1)
    last = np.clip(np.floor(samples + reach - _F(0.5)).astype(np.int64), 0, length - 1)
    outside = (samples < 0) | (samples > length)
    count = int((last - first).max()) + 1
    index = np.clip(first + np.arange(count)[:, None], 0, length - 1)
    weight = np.zeros((count, new_length), _F)
    for place in range(new_length):
        if outside[place]:
            continue
        sources = np.arange(first[place], last[place] + 1).astype(_F)
        distances = np.abs((sources + _F(0.5) - samples[place]) * narrowed)
        values = [kernel(distance) for distance in distances]
        total = _F(0)
        for value in values:
            total = total + value
        if abs(total) >= _F(1000.0) * np.finfo(_F).tiny:
            weight[: len(values), place] = np.array(values, _F) * (_F(1) / total)
    return Taps(index, weight)


def _triangle(x: np.float32) -> np.float32:
    return _F(1) - x if x < 1 else _F(0)


def _keys(x: np.float32) -> np.float32:
    if x >= 2:
        return _F(0)
    if x >= 1:
        return ((_F(-0.5) * x + _F(2.5)) * x - _F(4)) * x + _F(2)
    return ((_F(1.5) * x - _F(2.5)) * x) * x + _F(1)


def _mitchell(x: np.float32) -> np.float32:
    if x >= 2:
        return _F(0)
    if x >= 1:
        value = (_F(-7.0) / _F(18.0)) * x + _F(2)
        return (value * x - _F(10.0) / _F(3.0)) * x + _F(16.0) / _F(9.0)
    return (((_F(7.0) / _F(6.0)) * x - _F(2)) * x) * x + _F(8.0) / _F(9.0)


def _gaussian(x: np.float32) -> np.float32:
    if x >= _F(1.5):
        return _F(0)
    sigma = 0.5
    return _F(math.exp(float(-x * x) / (2.0 * sigma * sigma)))


def _lanczos(radius: float) -> Callable[[np.float32], np.float32]:
    r = _F(radius)

    def kernel(x: np.float32) -> np.float32:
        if x > r:
            return _F(0)
        if x <= _F(1e-3):
            return _F(1)
        waves = r * c_library.sine(_PI * x) * c_library.sine(_PI * x / r)
        value: np.float32 = waves / (_PI * _PI * x * x)
        return value

    return kernel


_KERNELS: dict[str, tuple[np.float32, Callable[[np.float32], np.float32]]] = {
    "bilinear": (_F(1), _triangle),
    "bicubic": (_F(2), _keys),
    "lanczos3": (_F(3), _lanczos(3)),
    "lanczos5": (_F(5), _lanczos(5)),
    "gaussian": (_F(1.5), _gaussian),
    "mitchellcubic": (_F(2), _mitchell),
}
METHODS = ("bilinear", "nearest", "bicubic", "area", "lanczos3", "lanczos5")
# Those that Keras takes for images in files alone.
FILE_METHODS = (*METHODS, "gaussian", "mitchellcubic")


# --- The mean of each channel of an image, added up in the order of TensorFlow's kernels ----------
#
# Keras takes the mean of the rows first, then that of the columns. TensorFlow's sums (Eigen's
# `TensorReduction.h`, with registers of AVX) add a number of rows one after the other if they are
# fewer than 16 or the numbers of a row do not fill a register, and else in four sums of every
# fourth row. A row of single numbers is added up register by register. The last bit of a mean
# follows its order, and so does every pixel that a contrast changes. Sources: tensorflow 2.21
# `core/kernels/reduction_ops_common.h`; the orders were read off `tf.reduce_sum` of numbers of
# which some absorb others.


_REGISTER = 32  # bytes of AVX
_ROUNDS = 4  # sums at a time
_FEWEST = 16  # rows that are added up in four sums


def channel_mean(images: torch.Tensor) -> torch.Tensor:
    """Returns the mean of each channel of each image.

    Args:
        images: (N, C, H, W), float32 or float64. On another device than a processor, and for rows
            of one channel with more than 1,024 registers, sums have another order.

    Returns:
        (N, C, 1, 1), of the dtype of the images.
    """
    if images.device.type != "cpu":
        return images.mean(dim=-2, keepdim=True).mean(dim=-1, keepdim=True)
    count, channels, height, width = images.shape
    rows = images.permute(0, 2, 3, 1).reshape(count, height, width * channels)
    columns = _sums(rows) / height
    means = _sums(columns.reshape(count, width, channels)) / width
    return means.reshape(count, channels, 1, 1)


def _sums(values: torch.Tensor) -> torch.Tensor:
    """Returns the sums along the middle axis of (N, K, L), as (N, L)."""
    count, number, length = values.shape
    lanes = _REGISTER // values.element_size()
    if length == 1:
        return _of_rows(values[:, :, 0], lanes)[:, None]
    rows = values.movedim(1, 0)
    if number < _FEWEST or length < lanes:
        return _one_by_one(rows)
    in_four = _in_four(rows)
    # A register that would reach beyond the row, or the end, is filled number by number.
    places = torch.arange(count * length).reshape(count, length)
    first = places // lanes * lanes
    is_filled = (first + lanes <= count * length) & (first % length + lanes <= length)
    return in_four if is_filled.all() else torch.where(is_filled, in_four, _one_by_one(rows))


def _of_rows(rows: torch.Tensor, lanes: int) -> torch.Tensor:
    """Returns the sums of the rows of (N, K), as (N,)."""
    whole = rows.shape[1] // lanes * lanes
    rest = _one_by_one(rows[:, whole:].movedim(1, 0), rows.new_zeros(len(rows)))
    if not whole:
        return rest
    sums = _in_four(rows[:, :whole].reshape(len(rows), -1, lanes).movedim(1, 0))
    while sums.shape[-1] > 1:
        sums = functools.reduce(torch.add, sums.chunk(2, dim=-1))
    return sums[:, 0] + rest


def _in_four(rows: torch.Tensor) -> torch.Tensor:
    """Returns the sum of rows (K, ...), of every fourth one first."""
    whole = len(rows) // _ROUNDS * _ROUNDS
    if not whole:
        return _one_by_one(rows)
    parts = _one_by_one(rows[:whole].reshape(-1, _ROUNDS, *rows.shape[1:]))
    return _one_by_one(rows[whole:], _one_by_one(parts))


def _one_by_one(rows: torch.Tensor, start: torch.Tensor | None = None) -> torch.Tensor:
    """Returns the sum of rows (K, ...), one after the other."""
    given = rows.unbind(0) if start is None else (start, *rows.unbind(0))
    total: torch.Tensor = functools.reduce(operator.add, given)
    return total
