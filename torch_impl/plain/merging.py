"""Layers of several tensors, and of single values."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


class Maximum(nn.Module):
    """The greatest of the inputs.

    Of two equal ones the first gets the whole gradient; torch.maximum halves it.
    """

    def forward(self, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
        """Returns one tensor."""
        y = inputs[0]
        for x in inputs[1:]:
            y = torch.where(y >= x, y, x)
        return y


class Minimum(nn.Module):
    """The least of the inputs.

    Of two equal ones the first gets the whole gradient; torch.minimum halves it.
    """

    def forward(self, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
        """Returns one tensor."""
        y = inputs[0]
        for x in inputs[1:]:
            y = torch.where(y <= x, y, x)
        return y


class Dot(nn.Module):
    """The product of two inputs of (N, ...), summed over one axis of each."""

    def __init__(self, axes: int | tuple[int, int], normalize: bool = False) -> None:
        super().__init__()
        self.axes = (axes, axes) if isinstance(axes, int) else axes
        self.normalize = normalize

    def forward(self, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
        """Returns (N, other axes of the first, other axes of the second)."""
        first = inputs[0].movedim(self.axes[0], -1)
        second = inputs[1].movedim(self.axes[1], -1)
        if self.normalize:
            first, second = (
                x * x.square().sum(-1, keepdim=True).rsqrt().clamp(max=1e7)
                for x in (first, second)
            )
        rows = first.reshape(len(first), -1, first.shape[-1])
        columns = second.reshape(len(second), -1, second.shape[-1])
        shape = first.shape[1:-1] + second.shape[1:-1] or (1,)
        return (rows @ columns.transpose(1, 2)).reshape(len(first), *shape)


class PReLU(nn.Module):
    """x, or x times a weight for each entry below zero; torch's has one a channel."""

    def __init__(
        self,
        shape: tuple[int, ...],
        shared_axes: int | tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        shared = (shared_axes,) if isinstance(shared_axes, int) else shared_axes
        sizes = [1 if axis in shared else n for axis, n in enumerate(shape, start=1)]
        self.weight = nn.Parameter(torch.zeros(sizes))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns a tensor of the shape of x."""
        return torch.relu(x) - self.weight * torch.relu(-x)


class LayerScale(nn.Module):
    """x times a weight for each feature."""

    def __init__(self, init_values: float, projection_dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((projection_dim,), float(init_values)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns a tensor of the shape of x, (N, ..., C)."""
        return x * self.weight


class Masking(nn.Module):
    """Zeros in the place of the steps of which all features have one value."""

    def __init__(self, mask_value: float = 0.0) -> None:
        super().__init__()
        self.mask_value = mask_value

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns a tensor of the shape of x, (N, T, C)."""
        return x * (x != self.mask_value).any(-1, keepdim=True)


class Array(nn.Module):
    """Numbers of the Keras program that do not train, such as places in a sequence."""

    def __init__(
        self, shape: tuple[int, ...], dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        self.value: torch.Tensor
        self.register_buffer("value", torch.zeros(shape, dtype=dtype))


class Weight(nn.Module):
    """A weight with which the network computes by itself; `value` is its parameter."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.zeros(shape))


def with_mask(x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Returns x, which tells the loss which of its steps count, as in Keras."""
    x._keras_mask = mask  # type: ignore[attr-defined]
    return x
