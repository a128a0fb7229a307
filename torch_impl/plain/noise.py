"""Layers that draw noise in train mode."""

from __future__ import annotations

import torch
from torch import nn


class GaussianNoise(nn.Module):
    """x + stddev * normal numbers in train mode; torch has no such layer."""

    def __init__(self, stddev: float) -> None:
        super().__init__()
        self.stddev = stddev

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns a tensor of the shape of x."""
        return x + torch.randn_like(x) * self.stddev if self.training else x


class GaussianDropout(nn.Module):
    """x times normal numbers of mean 1 in train mode; torch has no such layer."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.stddev = (rate / (1 - rate)) ** 0.5

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns a tensor of the shape of x."""
        return x * (torch.randn_like(x) * self.stddev + 1) if self.training else x
