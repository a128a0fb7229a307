"""Initialisers of given spread, and the orthogonal one.

Source: keras 3.15 `initializers/random_initializers.py`, `backend/tensorflow/random.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from torch_impl.initializers.base import RandomInitializer, float32
from torch_impl.normals import stateless_normal, stateless_truncated_normal
from torch_impl.philox import stateless_uniform


@dataclass(frozen=True)
class RandomUniform(RandomInitializer):
    """Uniform in [minval, maxval).

    Differs from torch.nn.init.uniform_ in:
    1. its default is [-0.05, 0.05), not [0, 1);
    2. bounds are rounded to float32, in float64 too.
    """

    minval: float = -0.05  # (1)
    maxval: float = 0.05

    def _draw(
        self, shape: tuple[int, ...], seed: tuple[int, int], dtype: torch.dtype
    ) -> torch.Tensor:
        return uniform(shape, seed, dtype, self.minval, self.maxval)


@dataclass(frozen=True)
class RandomNormal(RandomInitializer):
    """Normal.

    Differs from torch.nn.init.normal_ in:
    1. its default stddev is 0.05, not 1.
    """

    mean: float = 0.0
    stddev: float = 0.05  # (1)

    def _draw(
        self, shape: tuple[int, ...], seed: tuple[int, int], dtype: torch.dtype
    ) -> torch.Tensor:
        return stateless_normal(shape, seed=seed, dtype=dtype) * self.stddev + self.mean


@dataclass(frozen=True)
class TruncatedNormal(RandomInitializer):
    """Normal, with what is two stddev or more from the mean drawn again.

    Differs from torch.nn.init.trunc_normal_ in:
    1. the bounds are in units of stddev; torch's a=-2, b=2 are absolute, and cut nothing of a small
       stddev.

    In both, `stddev` is that before the cut, which leaves 0.8796 of it.
    """

    mean: float = 0.0
    stddev: float = 0.05

    def _draw(
        self, shape: tuple[int, ...], seed: tuple[int, int], dtype: torch.dtype
    ) -> torch.Tensor:
        return stateless_truncated_normal(shape, seed=seed, dtype=dtype) * self.stddev + self.mean


@dataclass(frozen=True)
class Orthogonal(RandomInitializer):
    """A matrix with orthogonal columns, or rows if there are fewer of them.

    Of a normal matrix A = Q R, the Q whose R has a positive diagonal. Axes but the last are one.

    Differs from torch.nn.init.orthogonal_ in:
    1. the axes that are one are all but Keras's last (the outputs), not all but torch's first: for
       a kernel of torch's layout the transposed matrix, with its axes in another order;
    2. Q comes from torch's QR and not from Eigen's: not bit for bit. Of 200 matrices of up to 60 x
       60, the greatest difference is 1e-6 of the gain in float32 and 2e-15 in float64.
    """

    gain: float = 1.0

    def _draw(
        self, shape: tuple[int, ...], seed: tuple[int, int], dtype: torch.dtype
    ) -> torch.Tensor:
        if len(shape) < 2:
            raise ValueError(f"shape={shape}: expected at least two axes")
        num_rows, num_columns = math.prod(shape[:-1]), shape[-1]  # (1)
        tall = max(num_rows, num_columns), min(num_rows, num_columns)
        q: torch.Tensor
        q, r = torch.linalg.qr(stateless_normal(tall, seed=seed, dtype=dtype))  # (2)
        q = q * r.diagonal().sign()
        if num_rows < num_columns:
            q = q.T
        return self.gain * q.reshape(shape)


def uniform(
    shape: tuple[int, ...], seed: tuple[int, int], dtype: torch.dtype, minval: float, maxval: float
) -> torch.Tensor:
    """Returns uniform numbers in [minval, maxval), as TensorFlow scales them."""
    # In the dtype: the difference of the bounds is rounded, too.
    low, high = torch.tensor([float32(minval), float32(maxval)], dtype=dtype).unbind()  # (2)
    return stateless_uniform(shape, seed=seed, dtype=dtype) * (high - low) + low
