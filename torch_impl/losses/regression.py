"""Losses between numbers and distributions, of margins and overlaps. Source: keras 3.15."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F

from torch_impl.clip import clip
from torch_impl.losses.crossentropy import Smoothed, binary_crossentropy
from torch_impl.losses.logits import sigmoid
from torch_impl.losses.reduction import EPSILON, Loss, normalize

# --- Margin losses. Source: keras 3.15 `losses/losses.py` -----------------------------------------


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


# --- Losses between numbers: squares, absolute values, and mixtures of both -----------------------
#
# All take the mean over the last axis, then the reduction over the other axes. Source: keras 3.15
# `losses/losses.py`.


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


# --- Losses of overlaps. Source: keras 3.15 `losses/losses.py`. Torch has neither -----------------


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


# --- Losses between distributions, other than the plain crossentropies ----------------------------
#
# Source: keras 3.15 `losses/losses.py`.


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
