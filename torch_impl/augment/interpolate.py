"""Interpolation between pixels in torch: the definition, on any device, differentiable.

What scipy's `ndimage.affine_transform` computes, in float64 as it does. Outside of an image:

    nearest      a a a a | a b c d | d d d d     the border pixel
    constant     k k k k | a b c d | k k k k     also between the border pixel and the next: nothing
                                                 is interpolated towards k
    reflect      d c b a | a b c d | d c b a
    wrap         c d b c | a b c d | b c a b     scipy's period is one pixel short: d falls on a
    grid-wrap    a b c d | a b c d | a b c d     what "wrap" promises

At order 3 pixels are first replaced by the coefficients of the spline through them.

Source: scipy 1.17 `ndimage/src/ni_interpolation.c`, `ni_splines.c`, `_interpolation.py`.
"""

from __future__ import annotations

import functools
import importlib.metadata
import math

import numpy as np
import torch
import torch.nn.functional as F

FILL_MODES = ("nearest", "constant", "reflect", "wrap", "grid-wrap")  # numbered as in affine.c
IDENTITY = np.eye(2, 3)  # the map of an image at rest
_PADDING = 12  # pixels by which scipy extends an image in mode "nearest" at order 3

# Positions are float64, and a pixel needs some 200 bytes on the way: images are taken a part at a
# time, so that what is held besides the result stays below twice its size, or small in any case.
_PARTS, _PIXELS_IN_A_PART = 16, 2**15


def interpolate(
    images: torch.Tensor,
    maps: np.ndarray,
    flips: np.ndarray,
    *,
    fill_mode: str,
    cval: float,
    order: int,
) -> torch.Tensor:
    """Arguments and result as `affine.move`."""
    height, width = images.shape[-2:]
    device = images.device
    at_a_time = max(1, len(images) // _PARTS, _PIXELS_IN_A_PART // (height * width))
    maps_there = torch.from_numpy(maps).to(device)
    flips_there = torch.from_numpy(np.ascontiguousarray(flips, dtype=bool)).to(device)
    at_rest = (maps == IDENTITY).all(axis=(1, 2))
    result = torch.empty_like(images)  # has the layout of the images
    for start in range(0, len(images), at_a_time):
        part = slice(start, start + at_a_time)
        rows, columns = _positions(maps_there[part], flips_there[part], height, width)
        some = images[part]
        if order == 3:
            moved = _cubic(some, rows, columns, fill_mode)
        else:
            moved = _nearby(some, rows, columns, order, fill_mode)
        if at_rest[part].any():
            # A spline gives a pixel back to rounding only, and a neighbour that is not finite
            # would spoil it, whatever its weight.
            exact = _nearby(some, rows.round(), columns.round(), 0, fill_mode)
            is_exact = torch.from_numpy(at_rest[part]).to(device)[:, None, None, None]
            moved = torch.where(is_exact, exact, moved)
        if fill_mode == "constant":
            is_inside = (rows >= 0) & (rows <= height - 1) & (columns >= 0) & (columns <= width - 1)
            moved = torch.where(is_inside[:, None], moved, cval)
        result[part] = moved
    return result


def _positions(
    maps: torch.Tensor, flips: torch.Tensor, height: int, width: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows and columns, each (N, H, W) float64, from which the output pixels are taken."""
    i = torch.arange(height, dtype=torch.float64, device=maps.device)[:, None]
    j = torch.arange(width, dtype=torch.float64, device=maps.device)
    i = torch.where(flips[:, 1, None, None], height - 1 - i, i)  # (N, H, 1)
    j = torch.where(flips[:, 0, None, None], width - 1 - j, j)  # (N, 1, W)
    m = maps[..., None, None]
    rows = (m[:, 0, 2] + m[:, 0, 0] * i) + m[:, 0, 1] * j
    columns = (m[:, 1, 2] + m[:, 1, 0] * i) + m[:, 1, 1] * j
    return rows, columns


def _inside(at: torch.Tensor, length: int, fill_mode: str) -> torch.Tensor:
    """Moves positions to an image, or to at most one pixel beside it: scipy's map_coordinate."""
    if length == 1:
        return torch.zeros_like(at)
    if fill_mode in ("nearest", "constant"):
        return at.clamp(0, length - 1)
    is_inside = (at >= 0) & (at <= length - 1)
    if fill_mode == "reflect":
        period = 2 * length
        before = torch.where(at < -period, at + period * torch.trunc(-at / period), at)
        before = torch.where(before < -length, before + period, -before.clamp(max=-1e-15) - 1)
        after = at - period * torch.trunc(at / period)
        after = torch.where(after >= length, period - after - 1, after)
    else:
        period = length - 1 if fill_mode == "wrap" else length
        before = at + period * (torch.trunc(-at / period) + 1)
        after = at - period * torch.trunc(at / period)
        if fill_mode == "grid-wrap":  # a whole number of periods before the first pixel
            before = torch.where(before >= length, before - length, before)
    return torch.where(is_inside, at, torch.where(at < 0, before, after))


def _nearby(
    images: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, order: int, fill_mode: str
) -> torch.Tensor:
    """Order 0 and 1: (N, C, H, W) float64 for order 1, of the images' dtype for order 0."""
    n, channels, height, width = images.shape
    rows, columns = _inside(rows, height, fill_mode), _inside(columns, width, fill_mode)
    # With a frame of one pixel, the neighbours of every position are at fixed distances.
    framed = _framed(images.double() if order else images, around=fill_mode == "grid-wrap")
    flat = framed.reshape(n, channels, -1)
    if order == 0:
        rows, columns = rows + 0.5, columns + 0.5
    top, left = rows.floor(), columns.floor()
    # A position is at most one pixel before (0, 0), which lies at width + 3 of the frame.
    index = torch.add(left, top, alpha=width + 2).add_(width + 3).long().reshape(n, 1, -1)
    index = index.expand(-1, channels, -1)

    def pixels(offset: int) -> torch.Tensor:
        return flat[:, :, offset:].gather(2, index).reshape(images.shape)

    if order == 0:
        return pixels(0)
    down, right = rows.sub_(top)[:, None], columns.sub_(left)[:, None]
    upper = torch.lerp(pixels(0), pixels(1), right)
    lower = torch.lerp(pixels(width + 2), pixels(width + 3), right)
    return torch.lerp(upper, lower, down)


def _framed(images: torch.Tensor, around: bool) -> torch.Tensor:
    """Continues images by one pixel on every side; `F.pad` wakes threads for it."""
    n, channels, height, width = images.shape
    framed = images.new_empty(n, channels, height + 2, width + 2)
    before, after = (-1, 0) if around else (0, -1)
    framed[:, :, 1:-1, 1:-1] = images
    framed[:, :, 1:-1, 0], framed[:, :, 1:-1, -1] = images[..., before], images[..., after]
    framed[:, :, 0] = framed[:, :, -2] if around else framed[:, :, 1]
    framed[:, :, -1] = framed[:, :, 1] if around else framed[:, :, -2]
    return framed


def _cubic(
    images: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, fill_mode: str
) -> torch.Tensor:
    """Order 3: (N, C, H, W) float64."""
    # How the spline continues outside of the image, and how its coefficients are looked up there.
    boundary = fold = {"reflect": "reflect", "grid-wrap": "grid-wrap"}.get(fill_mode, "mirror")
    values = images.double()
    if fill_mode == "nearest":
        boundary, fold = "reflect", "border"
        values = F.pad(values, (_PADDING,) * 4, mode="replicate")
        rows, columns = rows + _PADDING, columns + _PADDING
    height, width = values.shape[-2:]
    by_row, by_column = (
        torch.from_numpy(_spline_filter(length, boundary)).to(images.device)
        for length in (height, width)
    )
    flat = (by_row @ values @ by_column.T).flatten(2)
    if fill_mode == "nearest":  # beyond all coefficients but one, positions no longer matter
        rows, columns = rows.clamp(-3, height + 2), columns.clamp(-3, width + 2)
    else:
        rows, columns = _inside(rows, height, fill_mode), _inside(columns, width, fill_mode)
    n, channels = images.shape[:2]
    row_taps, column_taps = _taps(rows, height, fold), _taps(columns, width, fold)
    total = torch.zeros_like(images, dtype=torch.float64)
    for row, row_weight in row_taps:
        for column, column_weight in column_taps:
            index = (row * width + column).reshape(n, 1, -1).expand(-1, channels, -1)
            pixels = flat.gather(2, index).reshape(images.shape)
            total = total + pixels * (row_weight * column_weight)[:, None]
    return total


def _taps(at: torch.Tensor, length: int, fold: str) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """The four coefficients around positions on one axis, as indices and weights."""
    floored = at.floor()
    x = at - floored
    z = 1 - x
    weights = [z**3 / 6, (x * x * (x - 2) * 3 + 4) / 6, (z * z * (z - 2) * 3 + 4) / 6, x**3 / 6]
    first = floored.long() - 1
    return [(_fold(first + k, length, fold), weight) for k, weight in enumerate(weights)]


def _fold(index: torch.Tensor, length: int, fold: str) -> torch.Tensor:
    """Moves whole-numbered positions to an image."""
    if length == 1:
        return torch.zeros_like(index)
    if fold == "border":
        return index.clamp(0, length - 1)
    if fold == "grid-wrap":
        return index.remainder(length)
    if fold == "mirror":
        index = index.remainder(2 * length - 2)
        return torch.where(index >= length, 2 * length - 2 - index, index)
    index = index.remainder(2 * length)
    return torch.where(index >= length, 2 * length - 1 - index, index)


@functools.lru_cache(maxsize=64)
def _spline_filter(length: int, boundary: str) -> np.ndarray:
    """(length, length) float64: pixels on one axis to the coefficients of their cubic spline.

    The recursive filter of scipy, forwards and backwards, applied to the unit vectors.
    """
    if length == 1:
        return np.ones((1, 1))
    pole = math.sqrt(3) - 2
    powers = pole ** np.arange(2 * length)
    c = 6 * np.eye(length)
    c[0] = _FIRST[boundary](c, powers)
    for i in range(1, length):
        c[i] += pole * c[i - 1]
    c[-1] = _LAST[boundary](c, powers)
    for i in range(length - 2, -1, -1):
        c[i] = pole * (c[i + 1] - c[i])
    return c


# The first value of the pass forwards and of the one backwards: what the endless continuation of
# the image would have given, by the way in which it continues.


def _first_mirror(c: np.ndarray, powers: np.ndarray) -> np.ndarray:
    last = powers[len(c) - 1]
    inner = powers[1 : len(c) - 1] @ (c[1:-1] + last * c[-2:0:-1])
    first: np.ndarray = (c[0] + last * c[-1] + inner) / (1 - last**2)
    return first


def _last_mirror(c: np.ndarray, powers: np.ndarray) -> np.ndarray:
    last: np.ndarray = (powers[1] * c[-2] + c[-1]) * powers[1] / (powers[2] - 1)
    return last


def _first_wrap(c: np.ndarray, powers: np.ndarray) -> np.ndarray:
    first: np.ndarray = (c[0] + powers[1 : len(c)] @ c[:0:-1]) / (1 - powers[len(c)])
    return first


def _last_wrap(c: np.ndarray, powers: np.ndarray) -> np.ndarray:
    total = c[-1] + powers[: len(c) - 1] @ c[:-1] * powers[1]
    last: np.ndarray = total * powers[1] / (powers[len(c)] - 1)
    return last


def _first_reflect(c: np.ndarray, powers: np.ndarray) -> np.ndarray:
    n = len(c)
    total = c[0] + powers[n] * c[-1]
    for i in range(1, n - 1):
        total = total + powers[i] * (c[i] + powers[n] * c[n - 1 - i])
    first = total if _has_old_scipy() else c[0]
    total = total + powers[n - 1] * (c[n - 1] + powers[n] * first)
    result: np.ndarray = c[0] + total * powers[1] / (1 - powers[n] ** 2)
    return result


@functools.cache
def _has_old_scipy() -> bool:
    """Whether Keras would call a SciPy before 1.18, whose sum takes itself for the first pixel.

    Its spline misses the pixels by 1e-4 in an image of 3, by 1e-8 in one of 12. What is installed
    decides, since that is what Keras gives here.
    """
    try:
        major, minor = importlib.metadata.version("scipy").split(".")[:2]
    except importlib.metadata.PackageNotFoundError:
        return False
    return (int(major), int(minor)) < (1, 18)


def _last_reflect(c: np.ndarray, powers: np.ndarray) -> np.ndarray:
    last: np.ndarray = c[-1] * powers[1] / (powers[1] - 1)
    return last


_FIRST = {"mirror": _first_mirror, "grid-wrap": _first_wrap, "reflect": _first_reflect}
_LAST = {"mirror": _last_mirror, "grid-wrap": _last_wrap, "reflect": _last_reflect}
