"""The map from output pixels to input positions, and the interpolation of images by it.

In centred coordinates, x along the columns and y along the rows, Keras maps an output pixel by

    M = R(theta) . T(tx, ty) . Shear(s) . Zoom(zx, zy)
    R = [[cos, -sin], [sin, cos]]   Shear = [[1, -sin s], [0, cos s]]   Zoom = diag(zx, zy)

and interpolates the input there. torchvision's RandomAffine cannot express this: it has one zoom
for both axes, whole-pixel shifts, a tangent for the shear, another sign and another order.

A quirk of Keras: for an image of H rows and W columns, it takes the centre at (x, y) =
(H/2 - 1/2, W/2 - 1/2), with height and width exchanged, so that a non-square image turns about a
point that is not its middle. Without `keras_quirks` the centre is the middle.

On the CPU a compiled loop (`affine.c`) moves the images, with the operations and the bits of scipy.
On other devices, and without a compiler, `interpolate.py` does it in torch.

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
        taken = images if index is None else images.index_select(0, index.to(images.device))
        return interpolate(taken, maps, flips, fill_mode=fill_mode, cval=cval, order=order)
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
