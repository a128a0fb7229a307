"""Normalisation over the batch, of each example alone, and of a kernel by its spectral norm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from torch_impl.clip import clip
from torch_impl.layers.convolution import DepthwiseConv1D, DepthwiseConv2D
from torch_impl.layers.einsum_dense import EinsumDense
from torch_impl.layers.layer import Layer

# --- Normalisation over the batch, by Keras's statistics ------------------------------------------


class BatchNormalization(Layer):
    """y = (x - mean) / sqrt(variance + epsilon) * gamma + beta, for each channel.

    In train mode mean and variance are those of the batch, and
    moving = momentum * moving + (1 - momentum) * batch; in eval mode they are the moving ones.

    Differs from torch.nn.BatchNorm2d in:
    1. epsilon is 1e-3, not 1e-5;
    2. momentum is the share of the old value, 0.99; torch's is the share of the new one, 0.1;
    3. the moving variance averages the biased variance of the batch, torch's n / (n - 1) times it;
    4. a batch with one value for each channel is not an error: its variance is 0;
    5. `trainable=False` freezes it: train mode then uses the moving statistics too, and does not
       change them;
    6. with a mask, the statistics of a batch are those of the steps that count; what is divided by
       their number has 1e-7 added to it.

    Parameters and buffers have torch's names, so that a state_dict of torch.nn.BatchNorm2d fits.

    Source: keras 3.15 `layers/normalization/batch_normalization.py`.

    Args:
        num_features: length of the axis.
        axis: axis of the channels in the input: 1 in torch's layout.
        momentum: share of the old moving statistics.
        epsilon: added to the variance.
        center: whether there is a beta.
        scale: whether there is a gamma.
        trainable: see 5.; can be changed later.
        **options: device and dtype of the weights.
    """

    running_mean: torch.Tensor
    running_var: torch.Tensor
    num_batches_tracked: torch.Tensor

    def __init__(
        self,
        num_features: int,
        axis: int = 1,
        momentum: float = 0.99,  # (2)
        epsilon: float = 1e-3,  # (1)
        center: bool = True,
        scale: bool = True,
        trainable: bool = True,
        **options: Any,
    ) -> None:
        super().__init__()
        self.num_features, self.axis = num_features, axis
        self.momentum, self.epsilon = momentum, epsilon
        self.trainable = trainable
        ones, zeros = (fill(num_features, **options) for fill in (torch.ones, torch.zeros))
        self.weight = nn.Parameter(ones) if scale else None
        self.bias = nn.Parameter(zeros) if center else None
        self.register_buffer("running_mean", zeros.clone())
        self.register_buffer("running_var", ones.clone())
        self.register_buffer("num_batches_tracked", torch.tensor(0, dtype=torch.long))

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Normalises x and, in train mode, moves the statistics.

        Args:
            x: (N, ...), with the channels on `axis`.
            mask: true where values count, of the shape of x without the axis of the channels.

        Raises:
            ValueError: the mask has another shape.
        """
        uses_batch = self.training and self.trainable  # (5)
        if mask is not None:
            shape = list(x.shape)
            del shape[self.axis]
            if list(mask.shape) != shape:
                raise ValueError(f"mask has shape {tuple(mask.shape)}: expected {tuple(shape)}")
            if uses_batch:
                return self._over_steps_that_count(x.movedim(self.axis, -1), mask)
        channels_first = x.movedim(self.axis, 1)
        num_values = x.numel() // self.num_features
        # Copies, since torch keeps them for the gradient and the buffers change below.
        mean, variance = self.running_mean.clone(), self.running_var.clone()
        y = torch.batch_norm(
            channels_first,
            self.weight,
            self.bias,
            mean,
            variance,
            uses_batch,
            1 - self.momentum,  # (2)
            self.epsilon,
            True,
        )  # (4): torch's class refuses one value, its function does not
        if uses_batch:
            self.num_batches_tracked += 1
            self.running_mean.copy_(mean)
            kept = self.running_var * self.momentum
            # With one value, n / (n - 1) is undefined, and the variance is 0.
            share = (num_values - 1) / num_values
            self.running_var.copy_(kept + (variance - kept) * share if share else kept)  # (3)
        return y.movedim(1, self.axis)

    def _over_steps_that_count(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Normalises x, (N, ..., C), by the statistics where the mask, (N, ...), is true."""
        counts, axes = mask.bool()[..., None], tuple(range(mask.ndim))
        divisor = counts.sum().to(x.dtype) + 1e-7  # (6)
        mean = torch.where(counts, x, 0).sum(axes) / divisor
        variance = torch.where(counts, x - mean, 0).square().sum(axes) / divisor
        with torch.no_grad():
            self.num_batches_tracked += 1
            for moving, batch in ((self.running_mean, mean), (self.running_var, variance)):
                moving.copy_(moving * self.momentum + batch * (1 - self.momentum))
        y = (x - mean) * torch.rsqrt(variance + self.epsilon)
        y = y if self.weight is None else y * self.weight
        y = y if self.bias is None else y + self.bias
        return y.movedim(-1, self.axis)


# --- Normalisation of each example alone ----------------------------------------------------------


def _axes(axis: int | Sequence[int], rank: int) -> tuple[int, ...]:
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    return tuple(sorted(number % rank for number in axes))


class _OverAxes(Layer):
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


class GroupNormalization(Layer):
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


# --- A wrapper that divides the kernel of a layer by its spectral norm ----------------------------


class SpectralNormalization(Layer):
    """Divides the kernel of a layer by an estimate of its greatest singular value, in train mode.

    Differs from torch.nn.utils.parametrizations.spectral_norm in:
    1. the kernel itself is divided and stored, at every call in train mode, and an optimizer moves
       what is stored. Torch keeps the kernel and divides a copy;
    2. the matrix has the last axis of Keras's kernel as its columns: (window * in, out);
    3. the state is `vector_u`, (1, columns), alone; the other vector follows from it;
    4. norms are at least 1e-7, and a kernel of zeros stays.

    Source: keras 3.15 `layers/normalization/spectral_normalization.py`.

    Args:
        layer: has a `weight`: a dense layer, a convolution or an embedding, also within a module
            that has it as its child `layer`.
        power_iterations: of each call, at least 1.
        name: Keras's name of the layer, under which it is a child.

    Raises:
        ValueError: `power_iterations` is less than 1, or the layer has no weight.
    """

    vector_u: torch.Tensor

    def __init__(self, layer: nn.Module, power_iterations: int = 1, name: str = "layer") -> None:
        super().__init__()
        if power_iterations < 1:
            raise ValueError(f"{power_iterations=}: expected at least 1")
        self.power_iterations, self.name = power_iterations, name
        self.add_module(name, layer)
        matrix = _matrix(self._kernel_of(layer))
        drawn = nn.init.trunc_normal_(matrix.new_empty(1, matrix.shape[1]), 0.0, 0.02, -0.04, 0.04)
        self.register_buffer("vector_u", drawn)

    def _kernel_of(self, layer: nn.Module) -> nn.Module:
        """Returns the module that holds the kernel."""
        inner: nn.Module = layer
        while not isinstance(getattr(inner, "weight", None), torch.Tensor):
            if not isinstance(getattr(inner, "layer", None), nn.Module):
                raise ValueError(f"{type(layer).__name__}: expected a layer with a weight")
            inner = inner.layer  # type: ignore[assignment]
        return inner

    @torch.no_grad()
    def _normalise(self, holder: nn.Module) -> None:
        kernel: torch.Tensor = holder.weight  # type: ignore[assignment]
        is_set = (kernel != 0).any()
        matrix, u = _matrix(holder), self.vector_u
        v = u
        for _ in range(self.power_iterations):
            v = _over_norm(u @ matrix.T)
            u = _over_norm(v @ matrix)
        norm = (v @ matrix @ u.T).reshape(())
        kernel.copy_(torch.where(is_set, kernel / norm, kernel))  # (1), (4)
        self.vector_u.copy_(torch.where(is_set, u, self.vector_u))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns the output of the layer."""
        layer = self.get_submodule(self.name)
        if self.training:
            self._normalise(self._kernel_of(layer))
        y: torch.Tensor = layer(x)
        return y


def _matrix(holder: nn.Module) -> torch.Tensor:
    """Returns the kernel as (rows, columns); the order of the rows does not matter."""
    kernel: torch.Tensor = holder.weight.detach()  # type: ignore[operator]
    if isinstance(holder, DepthwiseConv1D | DepthwiseConv2D):
        inputs = int(holder.groups)
        return kernel.reshape(inputs, kernel.shape[0] // inputs, -1).movedim(1, -1).flatten(0, 1)
    if isinstance(holder, nn.Embedding):
        return kernel
    if isinstance(holder, nn.Linear):
        return kernel.T
    if isinstance(holder, EinsumDense):
        return kernel.reshape(-1, kernel.shape[-1])
    # Convolutions: (out, in, h, w) is Keras's (h, w, in, out); if transposed, (in, out, h, w) is
    # (h, w, out, in).
    return kernel.movedim(0, -1).flatten(0, -2)


def _over_norm(x: torch.Tensor) -> torch.Tensor:
    """Does what `keras.utils.normalize` does over all axes, whose norm is at least 1e-7."""
    return x * clip(torch.rsqrt(x.square().sum()), high=1e7)
