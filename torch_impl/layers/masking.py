"""Masking: leaves out the steps of a sequence that hold one value alone."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class Masking(nn.Module):
    """Sets the steps to 0 at which all features are `mask_value`; `compute_mask` says where.

    Source: keras 3.15 `layers/core/masking.py`.

    Args:
        mask_value: rounded to float32 before it is compared, in float64 runs too.
    """

    def __init__(self, mask_value: float = 0.0) -> None:
        super().__init__()
        self.mask_value = mask_value

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns x, (N, T, C), with 0 at the steps that do not count."""
        return torch.where(self.compute_mask(x)[..., None], x, 0)

    def compute_mask(self, inputs: torch.Tensor, mask: Any = None) -> torch.Tensor:
        """Returns (N, T), true where a feature of x is not `mask_value`."""
        value = torch.tensor(self.mask_value, dtype=torch.float32).item()
        return (inputs != value).any(-1)

    def extra_repr(self) -> str:
        """Shown in the module's repr."""
        return f"mask_value={self.mask_value}"
