"""TensorFlow's counter-based random generator in torch: the only random arithmetic of this half.

Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11) maps a 128-bit
counter and a 64-bit key to four 32-bit words. `tf.random.stateless_*` scrambles its seed pair once
through Philox into a key and half of a counter, then counts. The formulas are those of TensorFlow's
`stateless_random_ops.cc` and `random_distributions.h`.

Words are stored in int64 tensors: torch has no unsigned 32-bit multiplication, and the product of
two words fits 64 bits. Wrapped signs do no harm, since only bits are read.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from torch_impl import native

_M0, _M1 = 0xD2511F53, 0xCD9E8D57  # multipliers of Philox4x32
_W0, _W1 = 0x9E3779B9, 0xBB67AE85  # key increments: golden ratio, sqrt(3) - 1
_MASK = 0xFFFFFFFF
_SCRAMBLE_KEY = (0x3EC8F720, 0x02461E29)  # of TensorFlow's seed scrambling
SOURCE = Path(__file__).with_name("philox.c")  # the loops below, compiled
_Words = ctypes.c_uint32 * 2

_SEED_PERIOD = 2**31 - 2  # Keras: floormod(seed, int32.max - 1)

Word = int | torch.Tensor


def seed_pair(seed: int | None, num_calls: int = 0) -> tuple[int, int]:
    """Returns the seed pair that Keras passes to TensorFlow: both numbers modulo 2**31 - 2.

    So -1 draws what 2**31 - 3 draws, and 2**31 - 2 what 0 draws.

    Args:
        seed: of an initialiser or a layer.
        num_calls: earlier draws of the layer; an initialiser has none.

    Raises:
        ValueError: the seed is not an integer of 64 bits; Keras does not take it either.

    Source: keras 3.15 `random/seed_generator.py`, `backend/tensorflow/random.py` (`_cast_seed`).
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not -(2**63) <= seed < 2**63:
        raise ValueError(f"seed={seed!r}: expected an integer in [-2**63, 2**63)")
    return seed % _SEED_PERIOD, num_calls % _SEED_PERIOD


def philox4x32(counter: Sequence[Word], key: tuple[int, int]) -> tuple[Word, Word, Word, Word]:
    """Ten rounds of Philox4x32.

    Args:
        counter: four words in [0, 2**32), each a Python int or an int64 tensor; all tensors have
            the same shape. Words that are equal for all counters should be ints, which cost nothing
            in the first rounds.
        key: two words in [0, 2**32).

    Returns:
        Four words; only the low 32 bits of tensors are meaningful.
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        p0, p1 = c0 * _M0, c2 * _M1
        # Words 1 and 3 enter the next round only by exclusive or, so their high bits may be wrong
        # until words 0 and 2 are masked before the multiplication.
        c0, c1 = ((p1 >> 32) ^ c1 ^ k0) & _MASK, p1
        c2, c3 = ((p0 >> 32) ^ c3 ^ k1) & _MASK, p0
        k0, k1 = (k0 + _W0) & _MASK, (k1 + _W1) & _MASK
    return c0, c1, c2, c3


def scramble(seed: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Returns the key and the high half of the counter that TensorFlow derives from a seed pair.

    Args:
        seed: two integers in [-2**63, 2**63), as given to `tf.random.stateless_uniform`.
    """
    s0, s1 = (int(value) & (2**64 - 1) for value in seed)
    words = philox4x32((s0 & _MASK, s0 >> 32, s1 & _MASK, s1 >> 32), _SCRAMBLE_KEY)
    k0, k1, c2, c3 = (int(word) & _MASK for word in words)
    return (k0, k1), (c2, c3)


def stateless_bits(
    num_words: int, *, seed: tuple[int, int], device: torch.device | str = "cpu"
) -> torch.Tensor:
    """Returns the first 32-bit words of a seed pair's stream.

    Returns:
        (num_words,) int64; only the low 32 bits are meaningful.
    """
    key, (c2, c3) = scramble(seed)
    blocks = torch.arange(-(-num_words // 4), dtype=torch.int64, device=device)
    # The second word of the counter is 0 below 2**32 blocks, which no tensor here reaches.
    words = philox4x32((blocks, 0, c2, c3), key)
    return torch.stack(words, dim=1).reshape(-1)[:num_words]  # type: ignore[arg-type]


def stateless_uniform(
    shape: Sequence[int],
    *,
    seed: tuple[int, int],
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> torch.Tensor:
    """Returns what `tf.random.stateless_uniform(shape, seed, dtype=dtype)` returns, bit for bit.

    float32 takes the low 23 bits of one word. float64 takes the low 20 bits of one word as its high
    bits, and the 32 bits of the next word. The numbers are multiples of 2**-23 and 2**-52, so that
    nothing is rounded.

    Args:
        shape: of the result.
        seed: two integers.
        dtype: torch.float32 or torch.float64.
        device: of the result.

    Returns:
        Values in [0, 1).
    """
    _check(dtype)
    drawn = torch.empty(tuple(shape), dtype=dtype, device=device)
    if not _fill("uniform", drawn, seed):
        drawn = _lattice(shape, seed, dtype, device).to(dtype) * _SPACING[dtype]
    return drawn.reshape(tuple(shape))


def stateless_keep(
    shape: Sequence[int],
    rate: float,
    *,
    seed: tuple[int, int],
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> torch.Tensor:
    """Returns `stateless_uniform(shape, ...) >= rate` without computing the uniform numbers.

    `rate` is rounded to `dtype` first, as TensorFlow does.

    Returns:
        A bool tensor of the given shape.
    """
    _check(dtype)
    # u = k * 2**-b is at least rate exactly where the integer k is at least ceil(rate * 2**b).
    rounded = rate if dtype == torch.float64 else float(np.float32(rate))
    threshold = math.ceil(rounded / _SPACING[dtype])
    kept = torch.empty(tuple(shape), dtype=torch.bool, device=device)
    if not _fill("keep", kept, seed, dtype, ctypes.c_uint64(threshold)):
        kept = (_lattice(shape, seed, dtype, device) >= threshold).reshape(tuple(shape))
    return kept


def _fill(
    loop: str,
    drawn: torch.Tensor,
    seed: tuple[int, int],
    dtype: torch.dtype | None = None,
    *settings: Any,
) -> bool:
    """Fills a new tensor by a compiled loop; returns whether there is one.

    Args:
        loop: its name in philox.c, without the dtype.
        drawn: contiguous.
        seed: two integers.
        dtype: of the stream; None: that of the tensor.
        *settings: further arguments of the loop.
    """
    library = native.fast(SOURCE, typical) if drawn.device.type == "cpu" else None
    if library is None:
        return False
    key, counter = scramble(seed)
    getattr(library, f"{loop}_{str(dtype or drawn.dtype).removeprefix('torch.')}")(
        ctypes.c_void_p(drawn.data_ptr()),
        ctypes.c_int64(drawn.numel()),
        _Words(*key),
        _Words(*counter),
        *settings,
        ctypes.c_int(torch.get_num_threads()),
    )
    return True


def typical() -> Callable[[], object]:
    """Returns what draws a small mask."""
    return lambda: stateless_keep((32, 256), 0.25, seed=(0, 1), dtype=torch.float32)


_SPACING = {torch.float32: 2.0**-23, torch.float64: 2.0**-52}


def _lattice(
    shape: Sequence[int], seed: tuple[int, int], dtype: torch.dtype, device: torch.device | str
) -> torch.Tensor:
    """Returns the uniform numbers as integers, in units of the spacing of the dtype."""
    _check(dtype)
    num_values = math.prod(shape)
    if dtype == torch.float32:
        return stateless_bits(num_values, seed=seed, device=device) & 0x7FFFFF
    words = stateless_bits(2 * num_values, seed=seed, device=device).reshape(-1, 2)
    return ((words[:, 0] & 0xFFFFF) << 32) | (words[:, 1] & _MASK)


def _check(dtype: torch.dtype) -> None:
    if dtype not in _SPACING:
        raise ValueError(f"dtype={dtype}: expected torch.float32 or torch.float64")
