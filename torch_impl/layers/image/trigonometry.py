"""Sine and cosine of float32 angles as TensorFlow's kernels compute them on x86, bit for bit.

The kernels take eight angles at a time through a polynomial of Eigen (`psincos_float` of its
`GenericPacketMathFunctions.h`, without fused multiplications), and what is left over, fewer than
eight, through the C library. An angle of a batch of 13 so has another last bit at the end of the
batch than at its beginning, and a rotated pixel may follow it.
"""

from __future__ import annotations

import numpy as np

from torch_impl import c_library

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
