"""Layers that give a tensor another shape, in Keras's order of the entries."""

from __future__ import annotations

from collections.abc import Sequence

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


class Reshape(nn.Module):
    """Gives the entries of each example another shape, without changing their order.

    Differs from torch.nn.Unflatten in:
    1. all axes but the first are replaced.

    The order is that of the input: Keras, with (N, H, W, C), does not do the same as this layer
    with (N, C, H, W).

    Source: keras 3.15 `layers/reshaping/reshape.py`.

    Args:
        target_shape: without the batch axis; one length may be -1.
    """

    def __init__(self, target_shape: Sequence[int]) -> None:
        super().__init__()
        self.target_shape = tuple(target_shape)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (N, *target_shape)."""
        return x.reshape(x.shape[0], *self.target_shape)  # (1)

    def extra_repr(self) -> str:
        """Shown in the module's repr."""
        return f"{self.target_shape}"


class Permute(nn.Module):
    """Gives the axes of each example another order.

    Differs from torch.permute in:
    1. axes are counted from 1, and the batch axis stays.

    Source: keras 3.15 `layers/reshaping/permute.py`.

    Args:
        dims: each of 1 ... n once.

    Raises:
        ValueError: dims are not such a permutation.
    """

    def __init__(self, dims: Sequence[int]) -> None:
        super().__init__()
        self.dims = tuple(dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ValueError(f"dims={dims!r}: expected each of 1 ... {len(self.dims)} once")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns a view of x."""
        return x.permute(0, *self.dims)  # (1)

    def extra_repr(self) -> str:
        """Shown in the module's repr."""
        return f"{self.dims}"


class RepeatVector(nn.Module):
    """Repeats (N, C) along a new second axis: (N, n, C).

    Source: keras 3.15 `layers/reshaping/repeat_vector.py`.
    """

    def __init__(self, n: int) -> None:
        super().__init__()
        if n < 1:
            raise ValueError(f"n={n!r}: expected an integer of at least 1")
        self.n = n

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (N, n, C)."""
        return x[:, None].expand(-1, self.n, -1)

    def extra_repr(self) -> str:
        """Shown in the module's repr."""
        return f"{self.n}"
