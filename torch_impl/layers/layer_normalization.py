"""Normalisation of each example alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from torch_impl.clip import clip


def _axes(axis: int | Sequence[int], rank: int) -> tuple[int, ...]:
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    return tuple(sorted(number % rank for number in axes))


class _OverAxes(nn.Module):
    """Weights over some axes of a tensor."""

    def __init__(self, shape: int | Sequence[int], axis: int | Sequence[int]) -> None:
        super().__init__()
        self.shape = (shape,) if isinstance(shape, int) else tuple(shape)
        self.axis = axis
        num_axes = 1 if isinstance(axis, int) else len(axis)
        if len(self.shape) != num_axes:
            raise ValueError(f"shape={shape!r}, axis={axis!r}: expected a length for each axis")

    def _broadcast(self, weight: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        axes = _axes(self.axis, x.ndim)
        return weight.reshape([x.shape[a] if a in axes else 1 for a in range(x.ndim)])

    def extra_repr(self) -> str:
        """Shown in the module's repr."""
        return f"{self.shape}, axis={self.axis}, epsilon={self.epsilon}"


class LayerNormalization(_OverAxes):
    """y = (x - mean) / sqrt(variance + epsilon) * gamma + beta, over some axes of each example.

    Differs from torch.nn.LayerNorm in:
    1. epsilon is 1e-3, not 1e-5;
    2. it takes any axes, not only the last ones; gamma and beta have them in rising order.

    Source: keras 3.15 `layers/normalization/layer_normalization.py`.

    Args:
        shape: lengths of the axes, in rising order.
        axis: axis or axes of the input.
        epsilon: added to the variance.
        center: whether there is a beta.
        scale: whether there is a gamma.
        rms_scaling: whether the mean is not subtracted: y = x / sqrt(variance + epsilon) * gamma,
            always with a gamma and without a beta. Keras calls this deprecated.
        **options: device and dtype of the weights.

    Raises:
        ValueError: shape and axis differ in length.
    """

    def __init__(
        self,
        shape: int | Sequence[int],
        axis: int | Sequence[int] = -1,
        epsilon: float = 1e-3,  # (1)
        center: bool = True,
        scale: bool = True,
        rms_scaling: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(shape, axis)
        self.epsilon, self.rms_scaling = epsilon, rms_scaling
        scale, center = scale or rms_scaling, center and not rms_scaling
        self.weight = nn.Parameter(torch.ones(self.shape, **options)) if scale else None
        self.bias = nn.Parameter(torch.zeros(self.shape, **options)) if center else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns a tensor of the shape of x."""
        axes = _axes(self.axis, x.ndim)
        is_last = axes == tuple(range(x.ndim - len(axes), x.ndim))
        if is_last and not self.rms_scaling:
            return nn.functional.layer_norm(x, self.shape, self.weight, self.bias, self.epsilon)
        variance, mean = torch.var_mean(x, axes, correction=0, keepdim=True)  # (2)
        y = (x if self.rms_scaling else x - mean) * torch.rsqrt(variance + self.epsilon)
        if self.weight is not None:
            y = y * self._broadcast(self.weight, x)
        return y if self.bias is None else y + self._broadcast(self.bias, x)


class RMSNormalization(_OverAxes):
    """y = x / sqrt(mean of x * x + epsilon) * scale, over some axes of each example.

    Differs from torch.nn.RMSNorm in:
    1. epsilon is 1e-6, not the spacing of the dtype at 1;
    2. it takes any axes; Keras 3.15 itself fails for all but the last ones.

    Source: keras 3.15 `layers/normalization/rms_normalization.py`.

    Args:
        shape: lengths of the axes, in rising order.
        axis: axis or axes of the input.
        epsilon: added to the mean square.
        **options: device and dtype of the weights.
    """

    def __init__(
        self,
        shape: int | Sequence[int],
        axis: int | Sequence[int] = -1,
        epsilon: float = 1e-6,  # (1)
        **options: Any,
    ) -> None:
        super().__init__(shape, axis)
        self.epsilon = epsilon
        self.weight = nn.Parameter(torch.ones(self.shape, **options))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns a tensor of the shape of x."""
        square = x.square().mean(_axes(self.axis, x.ndim), keepdim=True)  # (2)
        return x * torch.rsqrt(square + self.epsilon) * self._broadcast(self.weight, x)


class GroupNormalization(nn.Module):
    """Normalises groups of neighbouring channels of each example, then scales each channel.

    Differs from torch.nn.GroupNorm in:
    1. epsilon is 1e-3, not 1e-5;
    2. groups=-1 means as many groups as channels.

    Source: keras 3.15 `layers/normalization/group_normalization.py`.

    Args:
        num_channels: length of the axis.
        groups: of channels; must divide num_channels.
        axis: axis of the channels in the input: 1 in torch's layout.
        epsilon: added to the variance.
        center: whether there is a beta.
        scale: whether there is a gamma.
        **options: device and dtype of the weights.

    Raises:
        ValueError: groups do not divide the channels.
    """

    def __init__(
        self,
        num_channels: int,
        groups: int = 32,
        axis: int = 1,
        epsilon: float = 1e-3,  # (1)
        center: bool = True,
        scale: bool = True,
        **options: Any,
    ) -> None:
        super().__init__()
        self.groups = num_channels if groups == -1 else groups  # (2)
        if self.groups < 1 or num_channels % self.groups:
            raise ValueError(f"groups={groups!r}: expected a divisor of {num_channels=}")
        self.axis, self.epsilon = axis, epsilon
        self.weight = nn.Parameter(torch.ones(num_channels, **options)) if scale else None
        self.bias = nn.Parameter(torch.zeros(num_channels, **options)) if center else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns a tensor of the shape of x."""
        # Without weights, since torch's gradient fails if it gets only one of them.
        y = nn.functional.group_norm(x.movedim(self.axis, 1), self.groups, eps=self.epsilon)
        y = y.movedim(1, -1)
        if self.weight is not None:
            y = y * self.weight
        if self.bias is not None:
            y = y + self.bias
        return y.movedim(-1, self.axis)

    def extra_repr(self) -> str:
        """Shown in the module's repr."""
        return f"groups={self.groups}, axis={self.axis}, epsilon={self.epsilon}"


class UnitNormalization(nn.Module):
    """y = x / |x|, with the Euclidean norm over some axes, at least 1e-12.

    Differs from torch.nn.functional.normalize in:
    1. the axis is the last, not 1;
    2. several axes are taken together.

    Source: keras 3.15 `layers/normalization/unit_normalization.py`.
    """

    def __init__(self, axis: int | Sequence[int] = -1) -> None:  # (1)
        super().__init__()
        self.axis = axis

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns a tensor of the shape of x."""
        square = x.square().sum(_axes(self.axis, x.ndim), keepdim=True)  # (2)
        return x * clip(torch.rsqrt(square), high=1e12)
