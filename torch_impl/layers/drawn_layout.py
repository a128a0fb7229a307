"""Keras's layout (N, H, W, C), in which random numbers are drawn for a tensor of either layout."""

from __future__ import annotations

import torch


def to_channels_last(x: torch.Tensor, channels_last: bool) -> torch.Tensor:
    """Returns x, of layout (N, C, ...), in Keras's; as it is, if it has that already."""
    return x if channels_last else x.movedim(1, -1)


def from_channels_last(x: torch.Tensor, channels_last: bool) -> torch.Tensor:
    """Undoes `to_channels_last`."""
    return x if channels_last else x.movedim(-1, 1)
