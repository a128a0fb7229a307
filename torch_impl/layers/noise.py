"""Layers that add or multiply normal noise in train mode, with Keras's numbers."""

from __future__ import annotations

import math

import torch
from torch import nn

from torch_impl.layers.drawn_layout import from_channels_last, to_channels_last
from torch_impl.normals import stateless_normal
from torch_impl.philox import seed_pair


class _Noise(nn.Module):
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

    def get_extra_state(self) -> dict[str, int]:
        """Part of the state_dict."""
        return {"seed": self.seed, "num_calls": self.num_calls}

    def set_extra_state(self, state: dict[str, int]) -> None:
        """Part of load_state_dict."""
        self.seed, self.num_calls = state["seed"], state["num_calls"]


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

    def extra_repr(self) -> str:
        """Shown in the module's repr."""
        return f"stddev={self.stddev}, seed={self.seed}"


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

    def extra_repr(self) -> str:
        """Shown in the module's repr."""
        return f"rate={self.rate}, seed={self.seed}"
