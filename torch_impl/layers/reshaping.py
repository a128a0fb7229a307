"""Layers that give a tensor another shape, in Keras's order of the entries."""

from __future__ import annotations

import torch
from torch import nn


class Flatten(nn.Module):
    """Flattens (N, C, H, W) in Keras's order: index = (h * W + w) * C + c.

    Differs from torch.nn.Flatten in:
    1. channels vary fastest, as in Keras's layout (N, H, W, C); with channels-last memory this is
       a view.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (N, H * W * C)."""
        return x.movedim(1, -1).flatten(1)  # (1)
