"""Layers that drop values in train mode, with Keras's masks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from torch_impl.layers.drawn_layout import from_channels_last, to_channels_last
from torch_impl.philox import seed_pair, stateless_keep, stateless_uniform


class Dropout(nn.Module):
    """Inverted dropout with the mask that Keras draws.

    y = x / (1 - rate) where u >= rate, else 0, with u = stateless_uniform(shape of x in Keras's
    layout, seed=(layer seed, number of earlier calls in train mode)), both modulo 2**31 - 2.

    Differs from torch.nn.Dropout in:
    1. the mask is a function of the layer's seed and a counter, not of the global generator;
    2. it is drawn in the order (N, H, W, C), also for an input of layout (N, C, H, W);
    3. seed and counter are part of the layer's state, so that a run can be resumed.

    Args:
        rate: fraction to drop, in [0, 1).
        seed: of the layer, an integer of 64 bits; `initialise` sets it from the program's seed.
        noise_shape: shape of the mask in Keras's layout; values along an axis of length 1 are
            dropped together; None means the length of x.
        channels_last: whether the input has Keras's layout (N, H, W, C), or (N, T, C), itself.

    Attributes:
        mask_dtype: dtype of the random numbers behind a mask; None means that of x, as in Keras. A
            float32 training that is repeated in float64 keeps its masks with torch.float32.
    """

    def __init__(
        self,
        rate: float,
        seed: int = 0,
        noise_shape: Sequence[int | None] | None = None,
        *,
        channels_last: bool = False,
    ) -> None:
        super().__init__()
        self.mask_dtype: torch.dtype | None = None
        if not 0 <= rate < 1:
            raise ValueError(f"rate={rate!r}: expected a number in [0, 1)")
        seed_pair(seed)
        self.rate = rate
        self.seed = seed
        self.noise_shape = noise_shape
        self.channels_last = channels_last
        self.num_calls = 0

    def _mask_shape(self, shape: torch.Size) -> Sequence[int]:
        """Returns the shape of the mask for an input of this shape in Keras's layout."""
        if self.noise_shape is None:
            return shape
        lengths = zip(self.noise_shape, shape, strict=True)
        return [size if length is None else length for length, size in lengths]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Drops in train mode, passes through in eval mode; x is (N, C, H, W) or (N, C)."""
        if not self.training or self.rate == 0:
            return x
        turned = to_channels_last(x, self.channels_last)  # (2)
        keep = self.draw(turned.shape, x.dtype, x.device)
        # A product with the mask would turn a dropped infinity into NaN.
        dropped = torch.where(keep, turned * (1 / (1 - self.rate)), 0)
        return from_channels_last(dropped, self.channels_last)

    def draw(
        self, shape: torch.Size, dtype: torch.dtype, device: torch.device | str = "cpu"
    ) -> torch.Tensor:
        """Draws the mask of the next call: bool, what is kept.

        Args:
            shape: of the input, channels last.
            dtype: of the input; float32 and float64 have different streams of random numbers, and
                half precisions use that of float32.
            device: of the mask.
        """
        dtype = self.mask_dtype or dtype
        keep = stateless_keep(
            self._mask_shape(shape),
            self.rate,
            seed=seed_pair(self.seed, self.num_calls),
            dtype=torch.float64 if dtype == torch.float64 else torch.float32,
            device=device,
        )  # (1)
        self.num_calls += 1
        return keep

    def get_extra_state(self) -> dict[str, int]:
        """Part of the state_dict."""
        return {"seed": self.seed, "num_calls": self.num_calls}  # (3)

    def set_extra_state(self, state: dict[str, int]) -> None:
        """Part of load_state_dict."""
        self.seed, self.num_calls = state["seed"], state["num_calls"]

    def extra_repr(self) -> str:
        """Shown in the module's repr."""
        return f"rate={self.rate}, seed={self.seed}"


class SpatialDropout(Dropout):
    """Drops whole channels of (N, C, ...), with Keras's mask.

    Differs from torch.nn.Dropout2d in:
    1. points 1 to 3 of `Dropout`;
    2. it takes any number of spatial axes.

    Source: keras 3.15 `layers/regularization/spatial_dropout.py`.

    Args:
        rate: fraction to drop, in [0, 1).
        seed: of the layer, an integer of 64 bits.
        channels_last: see `Dropout`.
    """

    def __init__(self, rate: float, seed: int = 0, *, channels_last: bool = False) -> None:
        super().__init__(rate, seed, channels_last=channels_last)

    def _mask_shape(self, shape: torch.Size) -> Sequence[int]:
        return [shape[0], *[1] * (len(shape) - 2), shape[-1]]


class AlphaDropout(Dropout):
    """Dropout that keeps mean and variance of the output of a selu (Klambauer et al. 2017).

    Differs from torch.nn.AlphaDropout in:
    1. points 1 to 3 of `Dropout`;
    2. the random numbers are float32, in float64 runs too, unless Keras's floatx is float64.

    Source: keras 3.15 `layers/regularization/alpha_dropout.py`.

    Args:
        rate: fraction to drop, in [0, 1).
        seed: of the layer, an integer of 64 bits.
        noise_shape: see `Dropout`.
        random_dtype: of the random numbers: Keras's floatx.
        channels_last: see `Dropout`.
    """

    def __init__(
        self,
        rate: float,
        seed: int = 0,
        noise_shape: Sequence[int | None] | None = None,
        random_dtype: torch.dtype = torch.float32,
        *,
        channels_last: bool = False,
    ) -> None:
        super().__init__(rate, seed, noise_shape, channels_last=channels_last)
        self.random_dtype = random_dtype

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Drops in train mode, passes through in eval mode; x is (N, C, ...)."""
        if not self.training or self.rate == 0:
            return x
        turned = to_channels_last(x, self.channels_last)
        shape = self._mask_shape(turned.shape)
        seed = seed_pair(self.seed, self.num_calls)
        drawn = stateless_uniform(shape, seed=seed, dtype=self.random_dtype, device=x.device)  # (2)
        keep = drawn >= self.rate
        self.num_calls += 1
        least = -1.6732632423543772 * 1.0507009873554805
        scale: float = ((1 - self.rate) * (1 + self.rate * least**2)) ** -0.5
        kept = torch.where(keep, turned, least)
        y = scale * kept - scale * least * self.rate
        return from_channels_last(y, self.channels_last)
