"""Copies of what calls were given and made, which later calls may change in place."""

from __future__ import annotations

import torch


def copied(
    tensor: torch.Tensor, is_kept: bool = True, same: torch.Tensor | None = None
) -> torch.Tensor:
    """Returns a tensor to keep: `same`, if it has the same values, or a copy."""
    with torch._C.DisableTorchFunction():
        if not is_kept:
            return tensor.detach()
        if same is not None and _is_equal(same, tensor):
            return same  # an output goes into the next layer, and often into another one
        return tensor.detach().clone()


def _is_equal(a: torch.Tensor, b: torch.Tensor) -> bool:
    is_plain = a.layout == b.layout == torch.strided and not (a.is_nested or b.is_nested)
    return is_plain and a.dtype == b.dtype and torch.equal(a, b)
