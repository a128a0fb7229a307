"""TensorFlow's normal numbers: Box-Muller over the words of Philox, plain and truncated.

    u1, u2 uniform in [0, 1):  sqrt(-2 log(max(u1, 1e-7))) * (sin(2 pi u2), cos(2 pi u2))

A float32 pair takes two words, a float64 pair four. Logarithm, sine and cosine come from the C
library, which torch does not call. A compiled loop has TensorFlow's bits if both use the same C
library (Linux). Without a compiler, torch's float64 functions are used: of two million numbers, 2 %
in float32 and 1 % in float64 differ, by at most 3 units in the last place.

Source: tensorflow 2.21 `tsl/lib/random/random_distributions.h`, `core/kernels/random_op_cpu.h`.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from torch_impl import native
from torch_impl.philox import philox4x32, scramble

SOURCE = Path(__file__).with_name("normals.c")
_Words = ctypes.c_uint32 * 2
_SMALLEST = 1e-7  # replaces smaller uniform numbers before the logarithm
_BOUND = 2.0  # of the truncated distribution
_RESERVED = 64  # Philox blocks for each truncated number; about 0.3 or 0.6 are used
_MASK = 0xFFFFFFFF
_WIDTH = {torch.float32: 4, torch.float64: 2}  # numbers of a block


def stateless_normal(
    shape: Sequence[int], *, seed: tuple[int, int], dtype: torch.dtype = torch.float32
) -> torch.Tensor:
    """Returns what `tf.random.stateless_normal(shape, seed, dtype=dtype)` returns on a CPU.

    Args:
        shape: of the result.
        seed: two integers.
        dtype: torch.float32 or torch.float64; the two streams are unrelated.

    Returns:
        Standard normal numbers in [-5.68, 5.68].
    """
    return _draw("normal", shape, seed, dtype)


def stateless_truncated_normal(
    shape: Sequence[int], *, seed: tuple[int, int], dtype: torch.dtype = torch.float32
) -> torch.Tensor:
    """Returns what `tf.random.stateless_truncated_normal(shape, seed, dtype=dtype)` returns.

    Numbers of size 2 or more are drawn again. Each group of four float32 or two float64 numbers has
    its own part of the stream, so that it does not depend on what other groups rejected.

    Args:
        shape: of the result.
        seed: two integers.
        dtype: torch.float32 or torch.float64; the two streams are unrelated.

    Returns:
        Numbers in (-2, 2), of standard deviation 0.8796.
    """
    return _draw("truncated", shape, seed, dtype)


def _draw(
    kind: str, shape: Sequence[int], seed: tuple[int, int], dtype: torch.dtype
) -> torch.Tensor:
    if dtype not in _WIDTH:
        raise ValueError(f"dtype={dtype}: expected torch.float32 or torch.float64")
    key, counter = scramble(seed)
    library = native.fast(SOURCE, typical)
    if library is None:
        draw = _truncated if kind == "truncated" else _normal
        return draw(math.prod(shape), key, counter, dtype).reshape(tuple(shape))
    result = torch.empty(tuple(shape), dtype=dtype)
    getattr(library, f"{kind}_stream_{str(dtype).removeprefix('torch.')}")(
        ctypes.c_void_p(result.data_ptr()),
        ctypes.c_size_t(result.numel()),
        _Words(*key),
        _Words(*counter),
    )
    return result


def typical() -> Callable[[], object]:
    """Returns what draws a small kernel."""
    return lambda: stateless_truncated_normal((4096,), seed=(0, 1), dtype=torch.float32)


def _normal(
    num_values: int, key: tuple[int, int], counter: tuple[int, int], dtype: torch.dtype
) -> torch.Tensor:
    blocks = torch.arange(-(-num_values // _WIDTH[dtype]))
    return _box_muller(blocks, key, counter, dtype).reshape(-1)[:num_values]


def _truncated(
    num_values: int, key: tuple[int, int], counter: tuple[int, int], dtype: torch.dtype
) -> torch.Tensor:
    width = _WIDTH[dtype]
    groups = torch.arange(-(-num_values // width))
    result = torch.empty(len(groups), width, dtype=dtype)
    num_blocks = 3  # enough for 999 of 1000 groups; the others try again
    while len(groups):
        blocks = groups[:, None] * (width * _RESERVED) + torch.arange(num_blocks)
        values = _box_muller(blocks.reshape(-1), key, counter, dtype).reshape(len(groups), -1)
        is_kept = values.abs() < _BOUND
        # Puts the kept numbers first, in their order.
        order = is_kept.int().argsort(dim=1, descending=True, stable=True)[:, :width]
        is_full = is_kept.sum(1) >= width
        result[groups[is_full]] = values.gather(1, order)[is_full]
        groups, num_blocks = groups[~is_full], 2 * num_blocks
    return result.reshape(-1)[:num_values]


def _box_muller(
    blocks: torch.Tensor, key: tuple[int, int], counter: tuple[int, int], dtype: torch.dtype
) -> torch.Tensor:
    """Returns the numbers of each block: (num_blocks, 4) float32 or (num_blocks, 2) float64."""
    words = philox4x32((blocks & _MASK, blocks >> 32, *counter), key)
    w0, w1, w2, w3 = (torch.as_tensor(word) & _MASK for word in words)
    if dtype == torch.float32:
        first, second = torch.stack((w0, w2), 1), torch.stack((w1, w3), 1)
        u1, u2 = ((word & 0x7FFFFF).double() * 2.0**-23 for word in (first, second))
        smallest = float(torch.tensor(_SMALLEST))
    else:
        first, second = (((w0 & 0xFFFFF) << 32) | w1), (((w2 & 0xFFFFF) << 32) | w3)
        u1, u2 = (word.double()[:, None] * 2.0**-52 for word in (first, second))
        smallest = _SMALLEST
    # Functions in float64, rounded to the dtype, are as precise as those of a C library.
    angle = (2 * math.pi * u2).to(dtype).double()
    radius = (-2 * u1.clamp(min=smallest).log().to(dtype)).sqrt()
    pair = (angle.sin().to(dtype) * radius, angle.cos().to(dtype) * radius)
    return torch.stack(pair, dim=-1).flatten(1)
