"""Normalisation over the batch, by Keras's statistics."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class BatchNormalization(nn.Module):
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

    def extra_repr(self) -> str:
        """Shown in the module's repr."""
        return f"{self.num_features}, axis={self.axis}, momentum={self.momentum}, " + (
            f"epsilon={self.epsilon}, trainable={self.trainable}"
        )
