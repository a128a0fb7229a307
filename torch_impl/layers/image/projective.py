"""Images moved by an affine map, as TensorFlow's `ImageProjectiveTransformV3` moves them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from torch_impl import c_library

# --------------------------------------------------------------------------------------------------
#
# Sine and cosine of float32 angles as TensorFlow's kernels compute them on x86, bit for bit.
#
# The kernels take eight angles at a time through a polynomial of Eigen (`psincos_float` of its
# `GenericPacketMathFunctions.h`, without fused multiplications), and what is left over, fewer than
# eight, through the C library. An angle of a batch of 13 so has another last bit at the end of the
# batch than at its beginning, and a rotated pixel may follow it.


_PACKET = 8  # float32 numbers in a register of AVX
_F = np.float32
# Pi / 2 in four parts, so that the products with a small whole number are exact.
_HALF_PI = (
    _F(-1.5703125),
    _F(-0.000483989715576171875),
    _F(1.62865035235881805419921875e-07),
    _F(5.5644315544167710640977020375430583953857421875e-11),
)
_COSINE = (
    _F(2.4372266125283204019069671630859375e-05),
    _F(-0.00138865201734006404876708984375),
    _F(0.041666619479656219482421875),
    _F(-0.5),
    _F(1.0),
)
_SINE = (
    _F(-0.0001959234114083702898469196984621021329076029360294342041015625),
    _F(0.00833268736556168516),
    _F(-0.16666662039829825),
)


def sine_and_cosine(angles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns sine and cosine of angles.

    Args:
        angles: (N,) float32 or float64, in radians, of less than 18,838. Those in float64 have
            NumPy's functions, whose last bit may be another one than TensorFlow's.
    """
    if angles.dtype != np.float32:
        return np.sin(angles), np.cos(angles)
    whole = len(angles) // _PACKET * _PACKET
    sine, cosine = _polynomials(angles[:whole])
    rest = list(angles[whole:])
    return (
        np.concatenate([sine, np.array([c_library.sine(a) for a in rest], _F)]),
        np.concatenate([cosine, np.array([c_library.cosine(a) for a in rest], _F)]),
    )


def _polynomials(angles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x = np.abs(angles)
    # Adding 1.5 * 2**23 rounds to a whole number, which is then in the low bits.
    shifted = x * _F(0.636619746685028076171875) + _F(12582912)
    quarter = shifted.view(np.int32)
    quarters = shifted - _F(12582912)
    for part in _HALF_PI:
        x = quarters * part + x
    squared = x * x
    near_one = np.full_like(x, _COSINE[0])
    for coefficient in _COSINE[1:]:
        near_one = near_one * squared + coefficient
    near_zero = np.full_like(x, _SINE[0])
    for coefficient in _SINE[1:]:
        near_zero = near_zero * squared + coefficient
    near_zero = near_zero * squared * x + x
    even = (quarter & 1) == 0
    negative = np.int32(-(2**31))
    sine_sign = (angles.view(np.int32) ^ (quarter << 30)) & negative
    cosine_sign = ((quarter + 1) << 30) & negative
    sine = np.where(even, near_zero, near_one).view(np.int32) ^ sine_sign
    cosine = np.where(even, near_one, near_zero).view(np.int32) ^ cosine_sign
    return sine.view(_F), cosine.view(_F)


# --- Images moved by an affine map, as TensorFlow's `ImageProjectiveTransformV3` moves them -------
#
# Every operation is one of the kernel's, in float32 and in its order, so that the pixels are the
# same bit for bit (`tensorflow/core/kernels/image/image_ops.h` of tensorflow 2.21, on x86). Images
# in float64 are interpolated in float32, too.
#
# torch's `grid_sample` cannot do this: it scales positions to [-1, 1] and back, reflects without
# the edge, and does not wrap.


FILL_MODES = ("reflect", "wrap", "constant", "nearest")
INTERPOLATIONS = ("nearest", "bilinear")


def transform(
    images: torch.Tensor,
    maps: torch.Tensor,
    *,
    interpolation: str,
    fill_mode: str,
    fill_value: float,
) -> torch.Tensor:
    """Returns images whose pixel (x, y) is the one at (a0 x + a1 y + a2, b0 x + b1 y + b2).

    Args:
        images: (N, C, H, W), floating.
        maps: (N, 6) or (1, 6) float32: a0, a1, a2, b0, b1, b2, in pixels.
        interpolation: "nearest" or "bilinear".
        fill_mode: "reflect" (d c b a | a b c d | d c b a), "wrap" (a b c d | a b c d), "constant",
            "nearest". "wrap" counts the turns by a period that is one pixel short, as TensorFlow
            does: farther out it gives pixels of the edge, and none are blended across it.
        fill_value: the value outside, with "constant".

    Returns:
        (N, C, H, W) of the same dtype. The gradient is TensorFlow's: what comes from above, moved
        by the inverse map. It is not the derivative, which would give each pixel what it gave.
    """
    moved: torch.Tensor = _Transform.apply(  # type: ignore[no-untyped-call]
        images, maps, interpolation, fill_mode, fill_value
    )
    return moved


class _Transform(torch.autograd.Function):
    """`_moved` with the gradient that TensorFlow registers for it."""

    @staticmethod
    def forward(
        ctx: Any,
        images: torch.Tensor,
        maps: torch.Tensor,
        interpolation: str,
        fill_mode: str,
        fill_value: float,
    ) -> torch.Tensor:
        ctx.save_for_backward(maps)
        ctx.settings = interpolation, fill_mode
        return _moved(images, maps, interpolation, fill_mode, fill_value)

    @staticmethod
    def backward(ctx: Any, *upstream: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (maps,) = ctx.saved_tensors
        last = torch.tensor([0.0, 0.0, 1.0], device=maps.device).expand(len(maps), 3)
        matrices = torch.cat([maps, last], dim=1).reshape(-1, 3, 3)
        inverse = torch.linalg.inv(matrices).reshape(-1, 9)
        inverse = (inverse / inverse[:, 8:])[:, :6]
        interpolation, fill_mode = ctx.settings
        moved = _moved(upstream[0], inverse, interpolation, fill_mode, 0.0)
        return moved, None, None, None, None


def _moved(
    images: torch.Tensor,
    maps: torch.Tensor,
    interpolation: str,
    fill_mode: str,
    fill_value: float,
) -> torch.Tensor:
    height, width = images.shape[-2:]
    device = images.device
    a0, a1, a2, b0, b1, b2 = maps.to(device)[:, :, None, None].unbind(1)
    at_x = torch.arange(width, dtype=torch.float32, device=device)
    at_y = torch.arange(height, dtype=torch.float32, device=device)[:, None]
    fold = _FOLDS[fill_mode]
    x = fold(a0 * at_x + a1 * at_y + a2, width)
    y = fold(b0 * at_x + b1 * at_y + b2, height)
    if interpolation == "nearest":
        # The values are those of the images: whole numbers and float64 keep their bits.
        return _reader(images, fill_value)(_rounded(y), _rounded(x))
    read = _reader(images.to(torch.float32), fill_value)
    x_floor, y_floor = x.floor(), y.floor()
    x_ceil, y_ceil = x_floor + 1, y_floor + 1
    right, left = (x - x_floor)[:, None], (x_ceil - x)[:, None]
    above = left * read(y_floor, x_floor) + right * read(y_floor, x_ceil)
    below = left * read(y_ceil, x_floor) + right * read(y_ceil, x_ceil)
    moved = (y_ceil - y)[:, None] * above + (y - y_floor)[:, None] * below
    return moved.to(images.dtype)


def _reader(
    images: torch.Tensor, fill_value: float
) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Returns a function that reads pixels at whole-numbered rows and columns."""
    count, channels, height, width = images.shape
    flat = images.reshape(count, channels, height * width)

    def read(row: torch.Tensor, column: torch.Tensor) -> torch.Tensor:
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        index = row.clamp(0, height - 1).long() * width + column.clamp(0, width - 1).long()
        index = index.reshape(len(index), 1, -1).expand(count, channels, -1)
        pixels = flat.gather(2, index).reshape(images.shape)
        return torch.where(inside[:, None], pixels, fill_value)

    return read


def _rounded(at: torch.Tensor) -> torch.Tensor:
    """Rounds halves away from zero, as C's `round`; torch rounds them to even."""
    whole = at.trunc()
    return torch.where((at - whole).abs() >= 0.5, whole + at.sign(), whole)


def _reflect(at: torch.Tensor, length: int) -> torch.Tensor:
    if length <= 1:
        return at.clamp(0, 0)
    period = 2 * length
    low = (-at / period).trunc() * period + at
    low = torch.where(low < -length, low + period, -low - 1)
    high = at - (at / period).trunc() * period
    high = torch.where(high >= length, period - high - 1, high)
    folded = torch.where(at < 0, low, torch.where(at > length - 1, high, at))
    return folded.clamp(0, length - 1)


def _wrap(at: torch.Tensor, length: int) -> torch.Tensor:
    if length <= 1:
        return at.clamp(0, 0)
    # TensorFlow counts the turns by a period that is one pixel short.
    short = length - 1
    low = at + ((-at / short).trunc() + 1) * length
    high = at - (at / short).trunc() * length
    folded = torch.where(at < 0, low, torch.where(at > short, high, at))
    return folded.clamp(0, length - 1)


def _constant(at: torch.Tensor, length: int) -> torch.Tensor:
    return at


def _nearest(at: torch.Tensor, length: int) -> torch.Tensor:
    return at.clamp(0, length - 1)


_FOLDS = {"reflect": _reflect, "wrap": _wrap, "constant": _constant, "nearest": _nearest}
