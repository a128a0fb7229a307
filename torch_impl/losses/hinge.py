"""Margin losses. Source: keras 3.15 `losses/losses.py`."""

from __future__ import annotations

import torch

from torch_impl.clip import clip
from torch_impl.losses.base import Loss


class Hinge(Loss):
    """mean(max(1 - y_true * y_pred, 0)) with y_true of -1 and 1.

    Differs from torch.nn.HingeEmbeddingLoss, which is another formula, and from
    torch.nn.MarginRankingLoss in:
    1. targets that are all 0 or 1 count as -1 and 1; if the batch has any other value, all targets
       stay as they are.
    """

    def values(self, y_pred: torch.Tensor, y_true: torch.Tensor) -> torch.Tensor:
        """Returns the mean of each sample."""
        return _margin(y_pred, y_true).mean(-1)


class SquaredHinge(Loss):
    """mean(max(1 - y_true * y_pred, 0)**2); targets as for `Hinge`. Torch has none."""

    def values(self, y_pred: torch.Tensor, y_true: torch.Tensor) -> torch.Tensor:
        """Returns the mean of each sample."""
        return _margin(y_pred, y_true).square().mean(-1)


class CategoricalHinge(Loss):
    """max(neg - pos + 1, 0), pos = sum(y_true * y_pred), neg = max((1 - y_true) * y_pred).

    Differs from torch.nn.MultiMarginLoss in:
    1. the best wrong class counts, not the mean over all wrong ones;
    2. neg is a maximum over products, which include the 0 of the right class;
    3. targets are one-hot rows.
    """

    def values(self, y_pred: torch.Tensor, y_true: torch.Tensor) -> torch.Tensor:
        """Returns the loss of each sample."""
        positive = (y_true * y_pred).sum(-1)
        negative = ((1 - y_true) * y_pred).amax(-1)  # (1) (2)
        return clip(negative - positive + 1, 0.0)


def _margin(y_pred: torch.Tensor, y_true: torch.Tensor) -> torch.Tensor:
    is_binary = ((y_true == 0) | (y_true == 1)).all()
    signs = torch.where(is_binary, 2 * y_true - 1, y_true)  # (1)
    # torch.maximum with 0 would halve the gradient at a tie.
    return clip(1 - signs * y_pred, 0.0)
