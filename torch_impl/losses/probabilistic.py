"""Losses between distributions, other than the plain crossentropies.

Source: keras 3.15 `losses/losses.py`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from torch_impl.clip import clip
from torch_impl.losses.base import EPSILON, Loss
from torch_impl.losses.crossentropy import Smoothed, binary_crossentropy
from torch_impl.losses.logits import sigmoid


class KLDivergence(Loss):
    """sum(y * log(y / p)) over the last axis, both clipped to [1e-7, 1].

    Differs from torch.nn.KLDivLoss in:
    1. outputs are probabilities, not their logarithms;
    2. it is the sum over the last axis and the mean over the rest: torch's "batchmean", not its
       default;
    3. values are clipped, and the gradient of clipped values is 0.
    """

    def values(self, y_pred: torch.Tensor, y_true: torch.Tensor) -> torch.Tensor:
        """Returns the divergence of each sample."""
        y_true, y_pred = clip(y_true, EPSILON, 1.0), clip(y_pred, EPSILON, 1.0)  # (3)
        return (y_true * (y_true / y_pred).log()).sum(-1)  # (1) (2)


class Poisson(Loss):
    """mean(p - y * log(p + 1e-7)).

    Differs from torch.nn.PoissonNLLLoss in:
    1. outputs are rates, not their logarithms (torch's `log_input=False`);
    2. epsilon is 1e-7, not 1e-8.
    """

    def values(self, y_pred: torch.Tensor, y_true: torch.Tensor) -> torch.Tensor:
        """Returns the mean of each sample."""
        return (y_pred - y_true * (y_pred + EPSILON).log()).mean(-1)  # (1) (2)


class BinaryFocalCrossentropy(Smoothed):
    """The binary crossentropy times (1 - p_t)**gamma, p_t = y * p + (1 - y) * (1 - p).

    Torch has none; `torchvision.ops.sigmoid_focal_loss` always weighs by alpha, and takes logits.
    The crossentropy is exact from logits, and if `y_pred` carries its logits.

    Args:
        apply_class_balancing: whether class 1 is weighted by alpha and class 0 by 1 - alpha.
        alpha: weight of class 1.
        gamma: exponent.
        from_logits: whether outputs are logits.
        label_smoothing: as for `BinaryCrossentropy`.
        axis: of the mean.
        reduction: see `Loss`.
    """

    def __init__(
        self,
        apply_class_balancing: bool = False,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
    ) -> None:
        super().__init__(from_logits, label_smoothing, axis, reduction)
        self.apply_class_balancing, self.alpha, self.gamma = apply_class_balancing, alpha, gamma

    def values(self, y_pred: torch.Tensor, y_true: torch.Tensor) -> torch.Tensor:
        """Returns the mean of each sample; both tensors have one shape."""
        if self.label_smoothing:
            y_true = y_true * (1.0 - self.label_smoothing) + 0.5 * self.label_smoothing
        if self.from_logits:
            y_pred = sigmoid(y_pred)
        entropy = binary_crossentropy(y_pred, y_true, from_logits=False)
        right = y_true * y_pred + (1 - y_true) * (1 - y_pred)
        entropy = (1.0 - right) ** self.gamma * entropy
        if self.apply_class_balancing:
            entropy = (y_true * self.alpha + (1 - y_true) * (1 - self.alpha)) * entropy
        return entropy.mean(self.axis)


class CategoricalFocalCrossentropy(Smoothed):
    """sum(-y * log(p) * alpha * (1 - p)**gamma), which torch lacks.

    Probabilities are divided by their sum, then clipped to [1e-7, 1 - 1e-7], from logits too.

    Args:
        alpha: factor of all classes.
        gamma: exponent.
        from_logits: whether outputs are logits.
        label_smoothing: as for `CategoricalCrossentropy`.
        axis: of the classes.
        reduction: see `Loss`.
    """

    def __init__(
        self,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
    ) -> None:
        super().__init__(from_logits, label_smoothing, axis, reduction)
        self.alpha, self.gamma = alpha, gamma

    def values(self, y_pred: torch.Tensor, y_true: torch.Tensor) -> torch.Tensor:
        """Returns the loss of each sample; both tensors are (N, ..., classes)."""
        smoothing = self.label_smoothing
        if smoothing:
            y_true = y_true * (1.0 - smoothing) + smoothing / y_true.shape[-1]
        if self.from_logits:
            y_pred = y_pred.softmax(self.axis)
        output = y_pred / y_pred.sum(self.axis, keepdim=True)
        output = clip(output, EPSILON, 1.0 - EPSILON)
        weight = (1.0 - output) ** self.gamma * self.alpha
        return (weight * (-y_true * output.log())).sum(self.axis)


class CategoricalGeneralizedCrossEntropy(Loss):
    """(1 - p[y]**q) / q with labels y, which torch lacks.

    Args:
        q: in (0, 1); near 0 it is the crossentropy, near 1 the absolute error.
        reduction: see `Loss`.
    """

    def __init__(self, q: float = 0.5, reduction: str | None = "sum_over_batch_size") -> None:
        super().__init__(reduction)
        if not 0 < q < 1:
            raise ValueError(f"q={q!r}: expected a number in (0, 1)")
        self.q = q

    def values(self, y_pred: torch.Tensor, y_true: torch.Tensor) -> torch.Tensor:
        """Returns the loss of each sample; `y_pred` is (N, ..., classes), `y_true` (N, ...)."""
        one_hot = F.one_hot(y_true.long(), y_pred.shape[-1]).to(y_pred.dtype)
        return (1 - (y_pred * one_hot).sum(-1) ** self.q) / self.q
