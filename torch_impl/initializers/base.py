"""Initializer: the base class of all initialisers."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch

from torch_impl.philox import seed_pair


@dataclass(frozen=True)
class Initializer(abc.ABC):
    """Makes a tensor of a given shape: `HeNormal()((3, 3, 2, 5), seed=7)`.

    Differs from the functions of torch.nn.init in:
    1. shapes are in Keras's layout: (height, width, in, out) of a convolution, (in, out) of a Dense
       layer, (height, width, in, multiplier) of a depthwise one; permute the result for torch;
    2. numbers follow from a seed, not from a global generator, and are Keras's numbers;
    3. a new tensor is returned; none is changed.
    """

    is_random: ClassVar[bool] = False

    @property
    def draws_seed(self) -> bool:
        """Whether Keras draws a seed from Python's `random` when it makes this initialiser."""
        return False

    @abc.abstractmethod
    def __call__(
        self,
        shape: Sequence[int],
        *,
        seed: int | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> torch.Tensor:
        """Returns a tensor.

        Args:
            shape: in Keras's layout.
            seed: of the initialiser; not used if nothing is random.
            dtype: torch.float32 or torch.float64.
        """


@dataclass(frozen=True)
class RandomInitializer(Initializer):
    """An initialiser that draws numbers.

    Attributes:
        seed: the seed that the Keras program passes to the initialiser; None if Keras draws one
            when the layer is constructed (`KerasSeeds.next_layer_seed`), which is then passed to
            the call.
    """

    is_random: ClassVar[bool] = True

    seed: int | None = field(default=None, kw_only=True)

    @property
    def draws_seed(self) -> bool:
        """Whether Keras draws a seed from Python's `random` when it makes this initialiser."""
        return self.seed is None

    def __call__(
        self,
        shape: Sequence[int],
        *,
        seed: int | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> torch.Tensor:
        """Returns the tensor that Keras draws from a seed.

        Args:
            shape: in Keras's layout.
            seed: an integer of 64 bits, if the initialiser has no seed of its own.
            dtype: torch.float32 or torch.float64; the two streams are unrelated.

        Raises:
            ValueError: there is no seed, or there are two.
        """
        if (seed is None) == (self.seed is None):
            raise ValueError(
                f"seed={seed!r}, and the initializer has seed={self.seed!r}: expected one of them"
            )
        return self._draw(tuple(shape), seed_pair(self.seed if seed is None else seed), dtype)

    @abc.abstractmethod
    def _draw(
        self, shape: tuple[int, ...], seed: tuple[int, int], dtype: torch.dtype
    ) -> torch.Tensor: ...


def float32(value: float) -> float:
    """Returns a number rounded to float32, as `tf.cast` takes a Python float in any dtype."""
    return float(np.float32(value))


def check_dtype(dtype: torch.dtype) -> None:
    """Raises ValueError unless a dtype is torch.float32 or torch.float64."""
    if dtype not in (torch.float32, torch.float64):
        raise ValueError(f"dtype={dtype}: expected torch.float32 or torch.float64")
