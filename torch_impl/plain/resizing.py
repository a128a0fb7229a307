"""Images of another size, with the weights of pixels that TensorFlow has."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


class UpSampling(nn.Module):
    """Enlarges images between their pixels; in float32, as TensorFlow does it."""

    def __init__(
        self, size: int | tuple[int, int] = 2, interpolation: str = "bilinear"
    ) -> None:
        super().__init__()
        self.size = (size, size) if isinstance(size, int) else tuple(size)
        self.interpolation = interpolation

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (N, C, H, W) with each side so many times as long."""
        factors = [float(each) for each in self.size]
        made = F.interpolate(x.float(), scale_factor=factors, mode=self.interpolation)
        if not x.is_floating_point():
            limits = torch.iinfo(x.dtype)
            made = made.round().clamp(limits.min, limits.max)
        return made.to(x.dtype)
