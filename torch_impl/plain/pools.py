"""Pools whose padding torch has not."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F

from torch_impl.plain.convolutions import same_padding


class Pool(nn.Module):
    """A window over (N, C, ...) with Keras's padding 'same'."""

    rank: int

    def __init__(
        self,
        pool_size: int | tuple[int, ...] = 2,
        strides: int | tuple[int, ...] | None = None,
        padding: str = "valid",
    ) -> None:
        super().__init__()
        strides = pool_size if strides is None else strides
        self.windows = (
            [pool_size] * self.rank if isinstance(pool_size, int) else pool_size
        )
        self.strides = [strides] * self.rank if isinstance(strides, int) else strides
        self.padding = padding

    def padded(self, x: torch.Tensor, value: float) -> torch.Tensor:
        """Returns x with rows of a value around it."""
        if self.padding == "valid":
            return x
        ones = [1] * self.rank
        return F.pad(x, same_padding(x, self.windows, self.strides, ones), value=value)


class MaxPool(Pool):
    """The greatest value of each window; the padding never is."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (N, C, ...)."""
        pool = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[self.rank - 1]
        y: torch.Tensor = pool(self.padded(x, -math.inf), self.windows, self.strides)
        return y


class AveragePool(Pool):
    """The mean of the values of each window, without those of the padding."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (N, C, ...)."""
        pool = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[self.rank - 1]
        inside = self.padded(torch.ones_like(x), 0.0)
        y: torch.Tensor = pool(self.padded(x, 0.0), self.windows, self.strides)
        return y / pool(inside, self.windows, self.strides)


class MaxPooling1D(MaxPool):
    """The greatest value of each window of (N, C, T)."""

    rank = 1


class MaxPooling2D(MaxPool):
    """The greatest value of each window of (N, C, H, W)."""

    rank = 2


class MaxPooling3D(MaxPool):
    """The greatest value of each window of (N, C, D, H, W)."""

    rank = 3


class AveragePooling1D(AveragePool):
    """The mean of each window of (N, C, T)."""

    rank = 1


class AveragePooling2D(AveragePool):
    """The mean of each window of (N, C, H, W)."""

    rank = 2


class AveragePooling3D(AveragePool):
    """The mean of each window of (N, C, D, H, W)."""

    rank = 3


class GlobalAveragePooling1D(nn.Module):
    """The mean of the steps that count."""

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Returns (N, C) of x, (N, C, T), and the mask, (N, T)."""
        counts = mask[:, None]
        return torch.where(counts, x, 0).sum(2) / counts.to(x.dtype).sum(2)
