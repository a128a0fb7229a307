"""The map from output pixels to input positions, and the interpolation of images by it."""

from __future__ import annotations

import ctypes
import functools
import importlib.metadata
import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from torch_impl import native
from torch_impl.augment.parameters import Parameters

# --- Interpolation between pixels in torch: the definition, on any device, differentiable ---------
#
# It computes what scipy's `ndimage.affine_transform` computes, also in float64. Outside an image:
#
#     nearest      a a a a | a b c d | d d d d     the border pixel
#     constant     k k k k | a b c d | k k k k     right after the border pixel, without
#         interpolation
#                                                  towards k
#     reflect      d c b a | a b c d | d c b a
#     wrap         c d b c | a b c d | b c a b     scipy's period is one pixel short: d falls on a
#     grid-wrap    a b c d | a b c d | a b c d     what "wrap" promises
#
# At order 3 pixels are first replaced by the coefficients of the spline through them.
#
# Source: scipy 1.17 `ndimage/src/ni_interpolation.c`, `ni_splines.c`, `_interpolation.py`.


FILL_MODES = ("nearest", "constant", "reflect", "wrap", "grid-wrap")  # numbered as in affine.c
IDENTITY = np.eye(2, 3)  # the map that moves nothing
_PADDING = 12  # pixels by which scipy extends an image in mode "nearest" at order 3

# Positions are float64, and a pixel needs some 200 bytes of working memory. Images are processed in
# parts, so that this memory stays below twice the size of the result, or is small anyway.
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
    """Does what `affine.move` does, with the same arguments and result."""
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
            # A spline reproduces a pixel only up to rounding, and a neighbour that is not finite
            # would spoil it even with weight 0.
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
    """Returns rows and columns, each (N, H, W) float64, from which output pixels are taken."""
    i = torch.arange(height, dtype=torch.float64, device=maps.device)[:, None]
    j = torch.arange(width, dtype=torch.float64, device=maps.device)
    i = torch.where(flips[:, 1, None, None], height - 1 - i, i)  # (N, H, 1)
    j = torch.where(flips[:, 0, None, None], width - 1 - j, j)  # (N, 1, W)
    m = maps[..., None, None]
    rows = (m[:, 0, 2] + m[:, 0, 0] * i) + m[:, 0, 1] * j
    columns = (m[:, 1, 2] + m[:, 1, 0] * i) + m[:, 1, 1] * j
    return rows, columns


def _inside(at: torch.Tensor, length: int, fill_mode: str) -> torch.Tensor:
    """Moves positions into an image, or at most one pixel outside: scipy's map_coordinate."""
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
    # With a frame of one pixel, all neighbours of a position are at fixed distances.
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
    """Continues images by one pixel on every side; `F.pad` would start threads."""
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
    # How the spline continues outside the image, and how its coefficients are looked up there.
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
    if fill_mode == "nearest":  # farther out, only one coefficient counts
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
    """Returns the matrix from the pixels of an axis to the coefficients of their cubic spline.

    It is scipy's recursive filter, forwards and backwards, applied to the unit vectors: (length,
    length) float64.
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


# The first value of the forward pass and of the backward pass, for each way of continuing the
# image: the value after an endless continuation.


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
    """Whether SciPy is older than 1.18, whose sum uses itself as the first pixel.

    Its spline misses the pixels by 1e-4 in an image of 3, by 1e-8 in one of 12. The installed
    version decides, since Keras calls it.
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


# --- The map from output pixels to input positions, and the interpolation of images by it ---------
#
# In centred coordinates, x along the columns and y along the rows, Keras maps an output pixel by
#
#     M = R(theta) . T(tx, ty) . Shear(s) . Zoom(zx, zy)
#     R = [[cos, -sin], [sin, cos]]   Shear = [[1, -sin s], [0, cos s]]   Zoom = diag(zx, zy)
#
# and interpolates the input there. torchvision's RandomAffine cannot express this: it has one zoom
# for both axes, whole-pixel shifts, a tangent for the shear, another sign and another order.
#
# A quirk of Keras: for an image of H rows and W columns, it takes the centre at (x, y) = (H/2 -
# 1/2, W/2 - 1/2), with height and width exchanged, so that a non-square image turns about a point
# that is not its middle. Without `keras_quirks` the centre is the middle.
#
# On the CPU a compiled loop (`affine.c`) moves the images, with the operations and the bits of
# scipy. On other devices, and without a compiler, `affine.py` does it in torch.
#
# Source: keras 3.15 `legacy/preprocessing/image.py`, `apply_affine_transform`.


SOURCE = Path(__file__).with_name("affine.c")
_VALUES_FOR_A_THREAD = 2**18  # with fewer, a thread costs more than it saves
_Sizes = ctypes.c_int64 * 4


def matrices(params: Parameters, height: int, width: int, keras_quirks: bool = True) -> np.ndarray:
    """Returns the maps of given parameters.

    NumPy computes the products in Keras's order, so that the entries have Keras's bits: one bit can
    decide whether a position on the border counts as outside. Parameters that move nothing give
    IDENTITY.

    Args:
        params: theta, shear (degrees), tx, ty (pixels), zx, zy: (N,) float64.
        height: of the images.
        width: of the images.
        keras_quirks: whether the centre has height and width exchanged.

    Returns:
        (N, 2, 3) float64, from (row, column, 1) of the output to (row, column) of the input.
    """
    theta, shear = np.deg2rad(params["theta"]), np.deg2rad(params["shear"])
    tx, ty, zx, zy = params["tx"], params["ty"], params["zx"], params["zy"]
    rotation, shift, shearing, zoom = _units(len(theta)).copy()
    sin = np.sin(theta)
    rotation[:, 0, 0] = rotation[:, 1, 1] = np.cos(theta)
    rotation[:, 0, 1], rotation[:, 1, 0] = -sin, sin
    shift[:, 0, 2], shift[:, 1, 2] = tx, ty
    shearing[:, 0, 1], shearing[:, 1, 1] = -np.sin(shear), np.cos(shear)
    zoom[:, 0, 0], zoom[:, 1, 1] = zx, zy
    to_centre, from_centre = _centring(height, width, keras_quirks)
    xy: np.ndarray = to_centre @ (rotation @ shift @ shearing @ zoom) @ from_centre
    return xy.reshape(-1, 9).take(_ROW_AND_COLUMN, axis=1).reshape(-1, 2, 3)


# Where the entries of the map over (row, column, 1) are in a matrix over (x, y, 1).
_ROW_AND_COLUMN = np.array([4, 3, 5, 1, 0, 2])


@functools.lru_cache(maxsize=64)
def _units(num_images: int) -> np.ndarray:
    return np.tile(np.eye(3), (4, num_images, 1, 1))


@functools.lru_cache(maxsize=64)
def _centring(height: int, width: int, keras_quirks: bool) -> tuple[np.ndarray, np.ndarray]:
    size_x, size_y = (height, width) if keras_quirks else (width, height)
    centre_x, centre_y = size_x / 2 - 0.5, size_y / 2 - 0.5
    return (
        np.array([[1, 0, centre_x], [0, 1, centre_y], [0, 0, 1]]),
        np.array([[1, 0, -centre_x], [0, 1, -centre_y], [0, 0, 1]]),
    )


def move(
    images: torch.Tensor,
    maps: np.ndarray,
    flips: np.ndarray,
    *,
    fill_mode: str,
    cval: float,
    order: int,
    index: torch.Tensor | None = None,
) -> torch.Tensor:
    """Interpolates images at the positions of their maps, then flips them.

    Args:
        images: (M, C, H, W), float32 or float64, in any memory layout.
        maps: (N, 2, 3) float64, from output to input, as `matrices` returns them.
        flips: (N, 2) bool: left and right, top and bottom.
        fill_mode: how an image continues outside.
        cval: the value outside, for `fill_mode="constant"`.
        order: of the splines: 0, 1 or 3.
        index: (N,) int64, which images are taken; None takes all of them in their order. Taking
            them here saves a copy.

    Returns:
        (N, C, H, W) of the same dtype and memory layout.
    """
    loop = _compiled_loop(images, order)
    if loop is None or not len(maps):
        chosen = images if index is None else images.index_select(0, index.to(images.device))
        return interpolate(chosen, maps, flips, fill_mode=fill_mode, cval=cval, order=order)
    output = _empty_in_layout_of(images, len(maps))
    num_inputs = images.shape[0]
    if index is None:
        index = torch.arange(num_inputs)
    index = index.to("cpu", torch.int64).contiguous()
    maps, flips = np.ascontiguousarray(maps), np.ascontiguousarray(flips)
    steps = _Sizes(*images.stride()), _Sizes(*output.stride())
    options = order, FILL_MODES.index(fill_mode), cval
    inputs, outputs, numbers = images.data_ptr(), output.data_ptr(), index.data_ptr()
    bytes_each = output.stride(0) * output.element_size()
    map_0, flip_0 = _address(maps), _address(flips)

    def run(start: int, stop: int) -> None:
        failed = loop(
            inputs,
            outputs + start * bytes_each,
            numbers + start * 8,
            map_0 + start * 6 * 8,
            flip_0 + start * 2,
            num_inputs,
            _Sizes(stop - start, *images.shape[1:]),
            *steps,
            *options,
        )
        if failed == 1:
            raise MemoryError(f"no memory to augment images of shape {tuple(images.shape)}")
        if failed == 2:
            raise IndexError(f"index {index}: expected 0 to {num_inputs - 1}")

    num_images = len(maps)
    num_threads = min(num_images, output.numel() // _VALUES_FOR_A_THREAD + 1)
    num_threads = min(num_threads, torch.get_num_threads())
    if num_threads == 1:
        run(0, num_images)
    else:
        bounds = [num_images * part // num_threads for part in range(num_threads + 1)]
        list(_threads(num_threads, os.getpid()).map(run, bounds[:-1], bounds[1:]))
    return output


def _empty_in_layout_of(images: torch.Tensor, num_images: int) -> torch.Tensor:
    if images.shape[1] > 1 and images.stride(1) == 1:  # channels last, also as a view
        size = (num_images, *images.shape[2:], images.shape[1])
        return torch.empty(size, dtype=images.dtype).permute(0, 3, 1, 2)
    return torch.empty((num_images, *images.shape[1:]), dtype=images.dtype)


def _address(array: np.ndarray) -> int:
    return int(array.__array_interface__["data"][0])


def _compiled_loop(images: torch.Tensor, order: int) -> Callable[..., int] | None:
    """Returns the compiled loop for these images, or None if torch has to do it."""
    if images.device.type != "cpu" or order > 1 or images.requires_grad:
        return None
    if (images.shape[2] + 2) * (images.shape[3] + 2) >= 2**31:
        return None  # the loop has 32 bits for offsets inside an image
    library = native.fast(SOURCE, typical)
    return None if library is None else _loops(library)[images.dtype]


def typical() -> Callable[[], object]:
    """Returns what moves a batch of small images."""
    images = torch.zeros((8, 1, 28, 28), dtype=torch.float32, device="cpu")
    maps = np.tile([[0.9, 0.1, 1.5], [-0.1, 0.9, 0.5]], (8, 1, 1))
    flips = np.zeros((8, 2), bool)
    return lambda: move(images, maps, flips, fill_mode="nearest", cval=0.0, order=1)


@functools.cache
def _loops(library: ctypes.CDLL) -> dict[torch.dtype, Callable[..., int]]:
    pointer, sizes = ctypes.c_void_p, ctypes.POINTER(ctypes.c_int64)
    for loop in (library.affine_float32, library.affine_float64):
        loop.restype = ctypes.c_int
        loop.argtypes = [pointer] * 5 + [ctypes.c_int64] + [sizes] * 3
        loop.argtypes += [ctypes.c_int, ctypes.c_int, ctypes.c_double]
    return {torch.float32: library.affine_float32, torch.float64: library.affine_float64}


@functools.cache
def _threads(num_threads: int, process: int) -> ThreadPoolExecutor:
    """Returns one pool for each process, since threads do not survive the fork of a DataLoader."""
    return ThreadPoolExecutor(num_threads, thread_name_prefix="augment")
