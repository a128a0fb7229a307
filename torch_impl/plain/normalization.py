"""Layers that normalise by other rules than torch's."""

from __future__ import annotations

import torch
from torch import nn


class BatchNormalization(nn.BatchNorm2d):
    """Batch normalisation with Keras's moving variance, of (N, C) and of images alike.

    torch's averages n / (n - 1) times the variance of the batch. Keras's momentum is
    the share of the old value. With `trainable=False`, the moving statistics are used
    in train mode, too.
    """

    running_mean: torch.Tensor
    running_var: torch.Tensor

    def __init__(
        self,
        num_features: int,
        axis: int = 1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        trainable: bool = True,
    ) -> None:
        super().__init__(num_features, eps=epsilon, momentum=1 - momentum)
        self.axis, self.trainable, self.change = axis, trainable, 1 - momentum
        if not scale:
            self.register_parameter("weight", None)
        if not center:
            self.register_parameter("bias", None)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalises each channel of x."""
        x = x.movedim(self.axis, 1)
        uses_batch = self.training and self.trainable
        if uses_batch:
            axes = [axis for axis in range(x.ndim) if axis != 1]
            variance, mean = torch.var_mean(x.detach(), axes, correction=0)
            self.running_mean.lerp_(mean, self.change)
            self.running_var.lerp_(variance, self.change)
        # The function, since torch's class refuses one value for each channel.
        y = torch.batch_norm(
            x,
            self.weight,
            self.bias,
            None if uses_batch else self.running_mean,
            None if uses_batch else self.running_var,
            uses_batch,
            0.0,
            self.eps,
            torch.backends.cudnn.enabled,
        )
        return y.movedim(1, self.axis)


class LayerNormalization(nn.Module):
    """Layer normalisation over any axes; nn.LayerNorm takes the last ones."""

    def __init__(
        self,
        shape: int | tuple[int, ...],
        axis: int | tuple[int, ...] = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
    ) -> None:
        super().__init__()
        self.axes = (axis,) if isinstance(axis, int) else axis
        self.epsilon = epsilon
        self.weight = nn.Parameter(torch.ones(shape)) if scale else None
        self.bias = nn.Parameter(torch.zeros(shape)) if center else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalises x over the axes."""
        axes = [axis % x.ndim for axis in self.axes]
        shape = [size if axis in axes else 1 for axis, size in enumerate(x.shape)]
        variance, mean = torch.var_mean(x, axes, correction=0, keepdim=True)
        y = (x - mean) * torch.rsqrt(variance + self.epsilon)
        y = y if self.weight is None else y * self.weight.reshape(shape)
        return y if self.bias is None else y + self.bias.reshape(shape)


class RMSNormalization(nn.Module):
    """x / sqrt(mean of squares + epsilon) * scale."""

    def __init__(
        self,
        shape: int | tuple[int, ...],
        axis: int | tuple[int, ...] = -1,
        epsilon: float = 1e-6,
    ) -> None:
        super().__init__()
        self.axes = (axis,) if isinstance(axis, int) else axis
        self.epsilon = epsilon
        self.weight = nn.Parameter(torch.ones(shape))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalises x over the axes."""
        axes = [axis % x.ndim for axis in self.axes]
        shape = [size if axis in axes else 1 for axis, size in enumerate(x.shape)]
        squares = x.square().mean(axes, keepdim=True)
        return x * torch.rsqrt(squares + self.epsilon) * self.weight.reshape(shape)


class UnitNormalization(nn.Module):
    """x over its Euclidean norm, which is at least 1e-12."""

    def __init__(self, axis: int | tuple[int, ...] = -1) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns a tensor of the shape of x."""
        squares = x.square().sum(self.axis, keepdim=True)
        return x * squares.rsqrt().clamp(max=1e12)


class Normalization(nn.Module):
    """(x - mean) / sqrt(variance) with statistics that do not train."""

    mean: torch.Tensor
    variance: torch.Tensor

    def __init__(
        self,
        shape: tuple[int, ...],
        axis: int | tuple[int, ...] = -1,
        mean: tuple[float, ...] | float | None = None,
        variance: tuple[float, ...] | float | None = None,
    ) -> None:
        super().__init__()
        self.axes = (axis,) if isinstance(axis, int) else axis
        for name, given, start in (("mean", mean, 0.0), ("variance", variance, 1.0)):
            values = torch.tensor(
                start if given is None else given,
                dtype=torch.float32,  # as Keras keeps them
            )
            self.register_buffer(name, values.expand(shape).clone())
        # How many samples Keras has seen.
        self.register_buffer("count", torch.tensor(0) if mean is None else None)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns a tensor of the shape of x."""
        axes = [axis % x.ndim for axis in self.axes]
        shape = [size if axis in axes else 1 for axis, size in enumerate(x.shape)]
        mean, variance = self.mean.reshape(shape), self.variance.reshape(shape)
        return (x - mean) / variance.sqrt().clamp(min=1e-7)  # as Keras does it


class Rescaling(nn.Module):
    """x * scale + offset."""

    def __init__(
        self,
        scale: float | tuple[float, ...],
        offset: float | tuple[float, ...] = 0.0,
    ) -> None:
        super().__init__()
        self.scale, self.offset = scale, offset

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns a tensor of the shape of x, (N, ..., C)."""
        dtype = x.dtype if x.is_floating_point() else torch.get_default_dtype()
        scale, offset = (
            torch.tensor(value, dtype=torch.float32, device=x.device).to(dtype)
            for value in (self.scale, self.offset)  # Keras rounds them
        )
        return x.to(dtype) * scale + offset
