"""Layers that drop values or add noise in train mode, with Keras's masks and numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from torch_impl.layers.layer import Drawing, Layer
from torch_impl.normals import stateless_normal
from torch_impl.philox import seed_pair, stateless_keep, stateless_uniform

# --------------------------------------------------------------------------------------------------
#
# Keras's layout (N, H, W, C), in which random numbers are drawn for a tensor of either layout.


def to_channels_last(x: torch.Tensor, channels_last: bool) -> torch.Tensor:
    """Returns x, of layout (N, C, ...), in Keras's; as it is, if it has that already."""
    return x if channels_last else x.movedim(1, -1)


def from_channels_last(x: torch.Tensor, channels_last: bool) -> torch.Tensor:
    """Undoes `to_channels_last`."""
    return x if channels_last else x.movedim(-1, 1)


# --- Layers that drop values in train mode, with Keras's masks ------------------------------------


class Dropout(Drawing):
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
        self.num_calls = 0  # (3)

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


# --- Layers that add or multiply normal noise in train mode, with Keras's numbers -----------------


class _Noise(Drawing):
    """A counter of calls, and normal numbers in Keras's order (N, H, W, C)."""

    def __init__(self, seed: int, channels_last: bool) -> None:
        super().__init__()
        seed_pair(seed)
        self.seed = seed
        self.channels_last = channels_last
        self.num_calls = 0

    def _normal(self, x: torch.Tensor) -> torch.Tensor:
        shape = to_channels_last(x, self.channels_last).shape
        drawn = stateless_normal(shape, seed=seed_pair(self.seed, self.num_calls), dtype=x.dtype)
        self.num_calls += 1
        return from_channels_last(drawn.to(x.device), self.channels_last)


class GaussianNoise(_Noise):
    """x + stddev * normal in train mode, x in eval mode.

    Torch has no such layer. Source: keras 3.15 `layers/regularization/gaussian_noise.py`.

    Args:
        stddev: of the noise, in [0, 1].
        seed: of the layer, an integer of 64 bits.
        channels_last: whether the input has Keras's layout (N, H, W, C), or (N, T, C), itself.
    """

    def __init__(self, stddev: float, seed: int = 0, *, channels_last: bool = False) -> None:
        super().__init__(seed, channels_last)
        if not 0 <= stddev <= 1:
            raise ValueError(f"stddev={stddev!r}: expected a number in [0, 1]")
        self.stddev = stddev

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns a tensor of the shape of x, (N, C, ...)."""
        if not self.training or self.stddev == 0:
            return x
        return x + self._normal(x) * self.stddev


class GaussianDropout(_Noise):
    """x times normal noise of mean 1 in train mode, x in eval mode.

    The variance is rate / (1 - rate), like that of Dropout's mask. Torch has no such layer.
    Source: keras 3.15 `layers/regularization/gaussian_dropout.py`.

    Args:
        rate: like that of Dropout, in [0, 1).
        seed: of the layer, an integer of 64 bits.
        channels_last: whether the input has Keras's layout (N, H, W, C), or (N, T, C), itself.
    """

    def __init__(self, rate: float, seed: int = 0, *, channels_last: bool = False) -> None:
        super().__init__(seed, channels_last)
        if not 0 <= rate < 1:
            raise ValueError(f"rate={rate!r}: expected a number in [0, 1)")
        self.rate = rate

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns a tensor of the shape of x, (N, C, ...)."""
        if not self.training or self.rate == 0:
            return x
        return x * (self._normal(x) * math.sqrt(self.rate / (1 - self.rate)) + 1)


# --- What networks of keras.applications have on their residual branches --------------------------


class LayerScale(nn.Module):
    """x * gamma, with a weight for each feature of the last axis (Touvron et al. 2021).

    Torch has no such layer; timm's is the same. Source: keras 3.15 `applications/convnext.py`.

    Args:
        init_values: initial value of all weights.
        projection_dim: length of the last axis.
        **options: device and dtype of the weights.
    """

    def __init__(self, init_values: float, projection_dim: int, **options: Any) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((projection_dim,), float(init_values), **options))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns a tensor of the shape of x, (N, ..., C)."""
        return x * self.weight


class StochasticDepth(Drawing):
    """Drops whole samples in train mode, and divides the rest by its share (Huang et al. 2016).

    Differs from `DropPath` of timm in:
    1. the mask is floor(1 - rate + u) with u = stateless_uniform(one for each sample, seed=state);
    2. the state moves as that of Keras's global generator does, from which Keras draws u:
       (state + 1) * 5387 % 933199. Numbers are Keras's if `state` is that of the generator, and
       nothing else draws from it.

    Source: keras 3.15 `applications/convnext.py`, `random/seed_generator.py`.

    Args:
        rate: fraction of samples that is dropped, in [0, 1).
        seed: the state begins with (seed, 0).
    """

    stream = ("state",)

    def __init__(self, rate: float, seed: int = 0) -> None:
        super().__init__()
        if not 0 <= rate < 1:
            raise ValueError(f"{rate=}: expected a number in [0, 1)")
        self.rate, self.state = float(rate), (seed, 0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns a tensor of the shape of x, (N, ...)."""
        if not self.training:
            return x
        shape = (x.shape[0], *[1] * (x.ndim - 1))
        drawn = stateless_uniform(shape, seed=self.state, dtype=x.dtype, device=x.device)
        first, second = ((number + 1) * 5387 % 933199 for number in self.state)  # (2)
        self.state = first, second
        return x / (1 - self.rate) * torch.floor(1 - self.rate + drawn)  # (1)


class CustomScaleLayer(Layer):
    """The first of two inputs plus `scale` times the second.

    Source: keras 3.15 `applications/inception_resnet_v2.py`.

    Args:
        scale: a number.
    """

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
        """Returns one tensor of the shape of both."""
        return inputs[0] + inputs[1] * self.scale
