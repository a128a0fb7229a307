"""Losses of overlaps. Source: keras 3.15 `losses/losses.py`. Torch has neither."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from torch_impl.losses.base import EPSILON, Loss


class Dice(Loss):
    """1 - 2 * sum(y_true * y_pred) / (sum(y_true) + sum(y_pred) + 1e-7).

    Args:
        reduction: see `Loss`.
        axis: axes of the sums; None means all axes, with the batch, which leaves a scalar.
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        axis: int | Sequence[int] | None = None,
    ) -> None:
        super().__init__(reduction)
        self.axis = axis

    def values(self, y_pred: torch.Tensor, y_true: torch.Tensor) -> torch.Tensor:
        """Returns the loss along `axis`."""
        both = _sum(y_true * y_pred, self.axis)
        return 1 - 2 * both / (_sum(y_true, self.axis) + _sum(y_pred, self.axis) + EPSILON)


class Tversky(Loss):
    """1 - both / (both + alpha * missed + beta * invented + 1e-7).

    With both = sum(y_true * y_pred), missed = sum(y_true * (1 - y_pred)) and invented =
    sum(y_pred * (1 - y_true)). Keras calls `missed` false positives and `invented` false negatives:
    its alpha is the paper's beta, and its beta the paper's alpha.

    Args:
        alpha: weight of `missed`.
        beta: weight of `invented`.
        reduction: see `Loss`.
        axis: as for `Dice`.
    """

    def __init__(
        self,
        alpha: float = 0.5,
        beta: float = 0.5,
        reduction: str | None = "sum_over_batch_size",
        axis: int | Sequence[int] | None = None,
    ) -> None:
        super().__init__(reduction)
        self.alpha, self.beta, self.axis = alpha, beta, axis

    def values(self, y_pred: torch.Tensor, y_true: torch.Tensor) -> torch.Tensor:
        """Returns the loss along `axis`."""
        both = _sum(y_true * y_pred, self.axis)
        missed = _sum((1 - y_pred) * y_true, self.axis)
        invented = _sum(y_pred * (1 - y_true), self.axis)
        return 1 - both / (both + missed * self.alpha + invented * self.beta + EPSILON)


def _sum(x: torch.Tensor, axis: int | Sequence[int] | None) -> torch.Tensor:
    axes = axis if axis is None or isinstance(axis, int) else tuple(axis)
    return x.sum(axes)
