"""The map from output pixels to input positions, and how images are moved by it.

In centred coordinates, x along the columns and y along the rows, Keras maps an output pixel by

    M = R(theta) . T(tx, ty) . Shear(s) . Zoom(zx, zy)
    R = [[cos, -sin], [sin, cos]]   Shear = [[1, -sin s], [0, cos s]]   Zoom = diag(zx, zy)

and interpolates the input there. torchvision's RandomAffine cannot express this: it has one zoom
for both axes, whole-pixel shifts, a tangent for the shear, another sign and another order.

A quirk of Keras: the centre of an image of H rows and W columns is taken at (x, y) =
(H/2 - 1/2, W/2 - 1/2), height and width exchanged, so that a non-square image turns about a point
beside its middle. Without `keras_quirks` it is the middle.

On the CPU a compiled loop (`affine.c`) moves the images, with the operations and the bits of scipy;
elsewhere, and where there is no compiler, `interpolate.py` does it in torch.

Source: keras 3.15 `legacy/preprocessing/image.py`, `apply_affine_transform`.
"""

from __future__ import annotations

import ctypes
import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from torch_impl import native
from torch_impl.augment.interpolate import FILL_MODES, interpolate
from torch_impl.augment.parameters import Parameters

SOURCE = Path(__file__).with_name("affine.c")
_VALUES_FOR_A_THREAD = 2**18  # below, handing over costs more than it saves
_Sizes = ctypes.c_int64 * 4


def matrices(
    params: Parameters, height: int, width: int, keras_quirks: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the maps that parameters stand for, and which of them move anything.

    The products are NumPy's, in Keras's order, so that the entries have Keras's bits: one bit can
    decide whether a position on the border counts as outside.

    Args:
        params: theta, shear (degrees), tx, ty (pixels), zx, zy: (N,) float64.
        height: of the images.
        width: of the images.
        keras_quirks: whether the centre has height and width exchanged.

    Returns:
        (N, 2, 3) float64, from (row, column, 1) of the output to (row, column) of the input, and
        (N,) bool: Keras does not interpolate where every parameter is at rest.
    """
    theta, shear = np.deg2rad(params["theta"]), np.deg2rad(params["shear"])
    tx, ty, zx, zy = params["tx"], params["ty"], params["zx"], params["zy"]
    rotation, shift, shearing, zoom = products = np.zeros((4, len(theta), 3, 3))
    products.reshape(4, -1, 9)[..., ::4] = 1  # the diagonals
    sin = np.sin(theta)
    rotation[:, 0, 0] = rotation[:, 1, 1] = np.cos(theta)
    rotation[:, 0, 1], rotation[:, 1, 0] = -sin, sin
    shift[:, 0, 2], shift[:, 1, 2] = tx, ty
    shearing[:, 0, 1], shearing[:, 1, 1] = -np.sin(shear), np.cos(shear)
    zoom[:, 0, 0], zoom[:, 1, 1] = zx, zy
    to_centre, from_centre = _centring(height, width, keras_quirks)
    xy = to_centre @ (rotation @ shift @ shearing @ zoom) @ from_centre
    maps = np.empty((len(theta), 2, 3))  # (x, y) -> (row, column)
    maps[:, 0, 0], maps[:, 0, 1], maps[:, 0, 2] = xy[:, 1, 1], xy[:, 1, 0], xy[:, 1, 2]
    maps[:, 1, 0], maps[:, 1, 1], maps[:, 1, 2] = xy[:, 0, 1], xy[:, 0, 0], xy[:, 0, 2]
    if theta.all():
        return maps, np.ones(len(theta), dtype=bool)
    moves = (theta != 0) | (tx != 0) | (ty != 0) | (shear != 0) | (zx != 1) | (zy != 1)
    if not moves.all():
        maps[~moves] = np.eye(2, 3)  # without rounding
    return maps, moves


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
) -> torch.Tensor:
    """Interpolates images at the positions of their maps, then flips them.

    Args:
        images: (N, C, H, W), float32 or float64, in any memory layout.
        maps: (N, 2, 3) float64, from output to input, as `matrices` returns them.
        flips: (N, 2) bool: left and right, top and bottom.
        fill_mode: what lies outside of an image.
        cval: the value outside, for `fill_mode="constant"`.
        order: of the splines: 0, 1 or 3.

    Returns:
        Images of the same shape, dtype and memory layout.
    """
    if not images.numel():
        return images.clone()
    loop = _compiled_loop(images, order)
    if loop is None:
        return interpolate(images, maps, flips, fill_mode=fill_mode, cval=cval, order=order)
    output = torch.empty_like(images)
    maps, flips = np.ascontiguousarray(maps), np.ascontiguousarray(flips, dtype=np.uint8)
    mode = FILL_MODES.index(fill_mode)
    steps = _Sizes(*images.stride()), _Sizes(*output.stride())
    firsts = images.data_ptr(), output.data_ptr(), _address(maps), _address(flips)
    bytes_each = [
        step * size
        for step, size in (
            (steps[0][0], images.element_size()),
            (steps[1][0], images.element_size()),
            (6, maps.itemsize),
            (2, flips.itemsize),
        )
    ]

    def run(start: int, stop: int) -> None:
        inputs, outputs, some_maps, some_flips = (
            first + start * size for first, size in zip(firsts, bytes_each, strict=True)
        )
        sizes = _Sizes(stop - start, *images.shape[1:])
        if loop(inputs, outputs, sizes, *steps, some_maps, some_flips, order, mode, cval):
            raise MemoryError(f"no memory to augment images of shape {tuple(images.shape)}")

    num_images = len(images)
    num_threads = min(num_images, images.numel() // _VALUES_FOR_A_THREAD + 1)
    num_threads = min(num_threads, torch.get_num_threads())
    if num_threads == 1:
        run(0, num_images)
    else:
        bounds = [num_images * part // num_threads for part in range(num_threads + 1)]
        list(_threads(num_threads, os.getpid()).map(run, bounds[:-1], bounds[1:]))
    return output


def _address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def _compiled_loop(images: torch.Tensor, order: int) -> Callable[..., int] | None:
    """The loop for these images, or None where torch has to do it."""
    if images.device.type != "cpu" or order > 1 or images.requires_grad:
        return None
    within = zip(images.shape[1:], images.stride()[1:], strict=True)
    if max(size * step for size, step in within) >= 2**31:
        return None  # offsets inside of an image are 32 bits wide
    library = native.library(SOURCE)
    return None if library is None else _loops(library)[images.dtype]


@functools.cache
def _loops(library: ctypes.CDLL) -> dict[torch.dtype, Callable[..., int]]:
    pointer, sizes = ctypes.c_void_p, ctypes.POINTER(ctypes.c_int64)
    for loop in (library.affine_float32, library.affine_float64):
        loop.restype = ctypes.c_int
        loop.argtypes = [pointer, pointer, sizes, sizes, sizes, pointer, pointer]
        loop.argtypes += [ctypes.c_int, ctypes.c_int, ctypes.c_double]
    return {torch.float32: library.affine_float32, torch.float64: library.affine_float64}


@functools.cache
def _threads(num_threads: int, process: int) -> ThreadPoolExecutor:
    """One pool a process: threads do not survive a fork, as DataLoader workers are made by."""
    return ThreadPoolExecutor(num_threads, thread_name_prefix="augment")
