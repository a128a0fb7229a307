"""Losses between numbers: squares, absolute values, and mixtures of both.

All take the mean over the last axis, then the reduction over the other axes. Source: keras 3.15
`losses/losses.py`.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from torch_impl.clip import clip
from torch_impl.losses.base import EPSILON, Loss, normalize

_LOG_2 = float(np.log(np.float32(2)))


class MeanSquaredError(Loss):
    """mean((y_true - y_pred)**2). Differs from torch.nn.MSELoss only as `Loss` says."""

    def values(self, y_pred: torch.Tensor, y_true: torch.Tensor) -> torch.Tensor:
        """Returns the mean square of each sample."""
        return (y_true - y_pred).square().mean(-1)


class MeanAbsoluteError(Loss):
    """mean(|y_true - y_pred|). Differs from torch.nn.L1Loss only as `Loss` says."""

    def values(self, y_pred: torch.Tensor, y_true: torch.Tensor) -> torch.Tensor:
        """Returns the mean absolute error of each sample."""
        return (y_true - y_pred).abs().mean(-1)


class MeanAbsolutePercentageError(Loss):
    """100 * mean(|(y_true - y_pred) / max(|y_true|, 1e-7)|), which torch lacks."""

    def values(self, y_pred: torch.Tensor, y_true: torch.Tensor) -> torch.Tensor:
        """Returns the mean percentage of each sample."""
        return 100 * ((y_true - y_pred) / clip(y_true.abs(), EPSILON)).abs().mean(-1)


class MeanSquaredLogarithmicError(Loss):
    """mean((log(max(y_true, e) + 1) - log(max(y_pred, e) + 1))**2), e = 1e-7, which torch lacks.

    e is rounded to float32, in float64 runs too.
    """

    def values(self, y_pred: torch.Tensor, y_true: torch.Tensor) -> torch.Tensor:
        """Returns the mean square of each sample."""
        logs = [(clip(y, float(np.float32(EPSILON))) + 1).log() for y in (y_pred, y_true)]
        return (logs[0] - logs[1]).square().mean(-1)


class CosineSimilarity(Loss):
    """-sum(y_true * y_pred) of unit vectors: from -1 (same direction) to 1 (opposite direction).

    Differs from torch.nn.CosineSimilarity in:
    1. the sign: it is a loss;
    2. each vector is divided by its norm, or by 1e-7 where that is greater; torch compares the
       norms with 1e-8.

    Args:
        axis: of the vectors. Keras's `get_config` lacks it.
        reduction: see `Loss`.
    """

    def __init__(self, axis: int = -1, reduction: str | None = "sum_over_batch_size") -> None:
        super().__init__(reduction)
        self.axis = axis

    def values(self, y_pred: torch.Tensor, y_true: torch.Tensor) -> torch.Tensor:
        """Returns the negative cosine of each sample."""
        pair = normalize(y_true, self.axis) * normalize(y_pred, self.axis)  # (2)
        return -pair.sum(self.axis)  # (1)


class Huber(Loss):
    """d**2 / 2 where |d| <= delta, else delta * |d| - delta**2 / 2, with d = y_pred - y_true.

    torch.nn.SmoothL1Loss divides this by its beta. torch.nn.HuberLoss differs only as `Loss` says.

    Args:
        delta: where the square becomes a line. Keras's `get_config` lacks it.
        reduction: see `Loss`.
    """

    def __init__(self, delta: float = 1.0, reduction: str | None = "sum_over_batch_size") -> None:
        super().__init__(reduction)
        self.delta = delta

    def values(self, y_pred: torch.Tensor, y_true: torch.Tensor) -> torch.Tensor:
        """Returns the mean of each sample."""
        error = y_pred - y_true
        size = error.abs()
        delta = torch.tensor(self.delta, dtype=size.dtype, device=size.device)
        line = delta * size - 0.5 * delta.square()
        return torch.where(size <= delta, 0.5 * error.square(), line).mean(-1)


class LogCosh(Loss):
    """mean(log(cosh(y_pred - y_true))), which torch lacks.

    It is computed as d + softplus(-2 * d) - log(2), with two traps:
    1. log(2) is rounded to float32, in float64 runs too, so that the loss of a perfect output is
       -1.9e-9 there and not 0;
    2. torch's softplus(x) is x above 20, which is wrong by 2e-9 in float64.
    """

    def values(self, y_pred: torch.Tensor, y_true: torch.Tensor) -> torch.Tensor:
        """Returns the mean of each sample."""
        error = y_pred - y_true
        return (error + F.softplus(error * -2.0, threshold=40) - _LOG_2).mean(-1)  # (1) (2)
