"""Initialisers that draw nothing.

Source: keras 3.15 `initializers/constant_initializers.py`.
"""

from __future__ import annotations

import abc
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from torch_impl.initializers.base import Initializer, check_dtype, float32


@dataclass(frozen=True)
class _Drawless(Initializer):
    def __call__(
        self,
        shape: Sequence[int],
        *,
        seed: int | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> torch.Tensor:
        """See `Initializer`. Raises ValueError for a shape that does not fit."""
        return self._values(tuple(shape), dtype)

    @abc.abstractmethod
    def _values(self, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor: ...


@dataclass(frozen=True)
class Zeros(_Drawless):
    """0 everywhere, as torch.nn.init.zeros_."""

    def _values(self, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        return torch.zeros(shape, dtype=dtype)


@dataclass(frozen=True)
class Ones(_Drawless):
    """1 everywhere, as torch.nn.init.ones_."""

    def _values(self, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        return torch.ones(shape, dtype=dtype)


@dataclass(frozen=True)
class Constant(_Drawless):
    """One value everywhere, or those of an array.

    Differs from torch.nn.init.constant_ in:
    1. a number is rounded to float32, in float64 too;
    2. an array is broadcast to the shape of the weight. Its numbers are not rounded.

    Attributes:
        value: a number, or an array as nested tuples.
    """

    value: float | tuple[Any, ...] = 0.0

    def _values(self, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        if not isinstance(self.value, tuple):
            return torch.full(shape, float32(self.value), dtype=dtype)  # (1)
        array = torch.tensor(self.value, dtype=torch.float64)
        try:
            return array.to(dtype).expand(shape).clone()  # (2)
        except RuntimeError:
            own = tuple(array.shape)
            raise ValueError(f"{shape=}: expected one to which an array of {own} fits") from None


@dataclass(frozen=True)
class Identity(_Drawless):
    """`gain` on the diagonal of a matrix, which need not be square, and 0 elsewhere.

    Differs from torch.nn.init.eye_ in its gain. torch.nn.init.dirac_ is for convolutions; Keras has
    nothing like it.
    """

    gain: float = 1.0

    def _values(self, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        if len(shape) != 2:
            raise ValueError(f"shape={shape}: expected that of a matrix")
        return self.gain * torch.eye(*shape, dtype=dtype)


@dataclass(frozen=True)
class UnitForgetBias(Initializer):
    """The bias of an LSTM with `unit_forget_bias`: ones for the gate that forgets.

    The shape is (4 * units,), of the gates i, f, c, o. Torch's LSTM begins with random numbers.

    Source: keras 3.15 `layers/rnn/lstm.py`.

    Attributes:
        bias: makes the other three gates: i alone, and c and o together.
    """

    bias: Initializer = field(default_factory=Zeros)

    @property
    def draws_seed(self) -> bool:
        """Whether Keras draws a seed for the initialiser of the other gates."""
        return self.bias.draws_seed

    def __call__(
        self,
        shape: Sequence[int],
        *,
        seed: int | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> torch.Tensor:
        """Returns a tensor; see `Initializer`.

        Raises:
            ValueError: the shape is not that of four gates.
        """
        if len(shape) != 1 or shape[0] % 4:
            raise ValueError(f"shape={tuple(shape)}: expected (4 * units,)")
        units = shape[0] // 4
        first, others = (self.bias((n * units,), seed=seed, dtype=dtype) for n in (1, 2))
        return torch.cat([first, torch.ones(units, dtype=dtype), others])


@dataclass(frozen=True)
class STFT(_Drawless):
    """Waves of a Fourier transform over time, for a Conv1D; torch.nn.init has none.

    The shape is (frame length, 1, fft_length // 2 + 1).

        kernel[t, 0, k] = window[t] * cos(-2 pi t k / fft_length) / norm

    Attributes:
        side: "real" for the cosine, "imag" for the sine.
        window: name of a window of `scipy.signal.get_window`, or None.
        scaling: "density" divides by the root of the sum of squares of the window, "spectrum" by
            its sum, None by nothing.
        periodic: whether the window is one period of a periodic one.
    """

    side: str = "real"
    window: str | None = "hann"
    scaling: str | None = "density"
    periodic: bool = False

    def __post_init__(self) -> None:
        if self.side not in ("real", "imag"):
            raise ValueError(f"side={self.side!r}: expected 'real' or 'imag'")
        if self.scaling not in (None, "density", "spectrum"):
            raise ValueError(f"scaling={self.scaling!r}: expected 'density', 'spectrum' or None")

    def _values(self, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        check_dtype(dtype)
        num_frames, _, num_waves = shape
        frequency = torch.arange(num_waves, dtype=dtype) / ((num_waves - 1) * 2)
        time = torch.arange(num_frames, dtype=dtype)[:, None, None]
        angle = (-2 * time) * frequency * math.pi
        kernel = angle.cos() if self.side == "real" else angle.sin()
        if self.window is None:
            return kernel
        window = torch.as_tensor(self._window(num_frames), dtype=dtype)[:, None, None]
        norm: torch.Tensor | int = 1
        if self.scaling == "density":
            norm = window.square().sum().sqrt()
        elif self.scaling == "spectrum":
            norm = window.abs().sum()
        return kernel * window / norm

    def _window(self, length: int) -> np.ndarray:
        from scipy.signal import get_window  # slow to import, and used only here

        return np.asarray(get_window(self.window, length, self.periodic))
