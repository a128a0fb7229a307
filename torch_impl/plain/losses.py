"""Losses by Keras's rules: probabilities, smoothing, and the mean over a batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from torch_impl.plain.operations import clip

EPSILON = 1e-7  # Keras's


class Loss(nn.Module):
    """The mean of the losses of samples.

    Weighted losses are divided by the number of samples, not by the sum of weights.
    Outputs (N, 1) and targets (N,) are compared sample by sample; torch makes (N, N) of
    them. Steps that the mask of an output leaves out do not count.
    """

    def __init__(self, reduction: str = "sum_over_batch_size") -> None:
        super().__init__()
        self.reduction = reduction

    def forward(
        self,
        output: torch.Tensor,
        target: torch.Tensor,
        sample_weight: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Returns the loss of a batch, a scalar.

        Args:
            output: (N, ...).
            target: the same, or labels.
            sample_weight: (N,), or of the shape of the values of the loss.
        """
        mask = getattr(output, "_keras_mask", None)
        values = self.per_sample(output, target)
        number = values.numel()
        if mask is not None:
            values, number = torch.where(mask, values, 0.0), mask.sum()
        if sample_weight is not None:
            values = weighted(values, sample_weight)
        return values.sum() if self.reduction == "sum" else values.sum() / number

    def per_sample(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Returns the loss of each sample, (N, ...)."""
        if target.ndim == output.ndim - 1 and output.shape[-1] == 1:
            target = target[..., None]
        elif target.ndim == output.ndim + 1 and target.shape[-1] == 1:
            target = target[..., 0]
        return self.values(output, target)

    def values(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Returns the loss of each sample, of tensors of one rank."""
        raise NotImplementedError


def weighted(values: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Returns values times weights; as in Keras, a last axis of 1 may lack in one."""
    if weight.ndim == values.ndim + 1 and weight.shape[-1] == 1:
        weight = weight[..., 0]
    elif values.ndim == weight.ndim + 1 and values.shape[-1] == 1:
        values = values[..., 0]
    return values * weight.to(values.dtype)


def channels_last(output: torch.Tensor) -> torch.Tensor:
    """Turns an output (N, C, ...) into Keras's layout (N, ..., C), with its logits."""
    turned = output.movedim(1, -1)
    logits = getattr(output, "_keras_logits", None)
    if logits is not None:
        turned._keras_logits = logits.movedim(1, -1)  # type: ignore[attr-defined]
    return turned


def logits_of(output: torch.Tensor, from_logits: bool) -> torch.Tensor | None:
    """Returns the logits of an output; None if there are probabilities alone."""
    logits: torch.Tensor | None = getattr(output, "_keras_logits", None)
    return output if logits is None and from_logits else logits


class SparseCategoricalCrossentropy(Loss):
    """-log(p[label]): of the logits of a softmax, else of probabilities.

    The classes are the last axis; those of torch's loss are axis 1.
    """

    def __init__(
        self, from_logits: bool = False, reduction: str = "sum_over_batch_size"
    ) -> None:
        super().__init__(reduction)
        self.from_logits = from_logits

    def values(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Returns the loss of each label, (N, ...)."""
        labels = target.long()
        labels = labels[..., 0] if labels.ndim == output.ndim else labels
        logits = logits_of(output, self.from_logits)
        if logits is None:
            logits = clip(output, EPSILON, 1 - EPSILON).log()
        rows = logits.reshape(-1, logits.shape[-1])
        losses = F.cross_entropy(rows, labels.reshape(-1), reduction="none")
        return losses.reshape(labels.shape)


class CategoricalCrossentropy(Loss):
    """-sum(y * log(p)) with a distribution for each sample."""

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        reduction: str = "sum_over_batch_size",
    ) -> None:
        super().__init__(reduction)
        self.from_logits, self.label_smoothing = from_logits, label_smoothing

    def values(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Returns the loss of each sample, (N, ...)."""
        smoothing = self.label_smoothing
        target = (
            target.to(output.dtype) * (1 - smoothing) + smoothing / target.shape[-1]
        )
        logits = logits_of(output, self.from_logits)
        if logits is not None:
            return -(target * logits.log_softmax(-1)).sum(-1)
        output = output / output.sum(-1, keepdim=True)
        return -(target * clip(output, EPSILON, 1 - EPSILON).log()).sum(-1)


class BinaryCrossentropy(Loss):
    """mean(-y * log(p) - (1 - y) * log(1 - p)) over the last axis."""

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        reduction: str = "sum_over_batch_size",
    ) -> None:
        super().__init__(reduction)
        self.from_logits, self.label_smoothing = from_logits, label_smoothing

    def values(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Returns the mean of each sample."""
        smoothing = self.label_smoothing
        target = target.to(output.dtype) * (1 - smoothing) + 0.5 * smoothing
        x = logits_of(output, self.from_logits)
        if x is None:
            p = clip(output, EPSILON, 1 - EPSILON)
            return -(target * p.log() + (1 - target) * (1 - p).log()).mean(-1)
        # torch's own function loses digits of the gradient where that is small.
        tail = torch.where(x >= 0, -x, x).exp().log1p()
        return (torch.where(x >= 0, x, 0.0) - x * target + tail).mean(-1)


class MeanSquaredError(Loss):
    """The mean of squares over the last axis."""

    def values(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Returns the mean of each sample."""
        return (output - target).square().mean(-1)


class MeanAbsoluteError(Loss):
    """The mean of absolute values over the last axis."""

    def values(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Returns the mean of each sample."""
        return (output - target).abs().mean(-1)


class MeanAbsolutePercentageError(Loss):
    """100 * mean(|(y - p) / y|), with a y of at least 1e-7."""

    def values(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Returns the mean of each sample."""
        size = target.to(output.dtype).abs().clamp(min=EPSILON)
        return 100 * ((target - output) / size).abs().mean(-1)


class MeanSquaredLogarithmicError(Loss):
    """mean((log(y + 1) - log(p + 1)) ** 2), both at least 1e-7."""

    def values(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Returns the mean of each sample."""
        least = float(np.float32(EPSILON))  # Keras rounds it
        logs = [
            (clip(x, least, float("inf")) + 1).log()
            for x in (output, target.to(output.dtype))
        ]
        return (logs[0] - logs[1]).square().mean(-1)


class Huber(Loss):
    """Squares up to delta, then a line."""

    def __init__(
        self, delta: float = 1.0, reduction: str = "sum_over_batch_size"
    ) -> None:
        super().__init__(reduction)
        self.delta = delta

    def values(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Returns the mean of each sample."""
        target = target.to(output.dtype)
        return F.huber_loss(output, target, reduction="none", delta=self.delta).mean(-1)


class LogCosh(Loss):
    """mean(log(cosh(p - y)))."""

    def values(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Returns the mean of each sample."""
        error = output - target
        log_2 = float(np.log(np.float32(2)))  # Keras rounds it
        # F.softplus(x) is x from 20 on, unless it is told a greater number.
        return (error + F.softplus(-2.0 * error, threshold=40) - log_2).mean(-1)


class Hinge(Loss):
    """mean(max(1 - y * p, 0)), with y of -1 and 1; of 0 and 1, 0 stands for -1."""

    def values(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Returns the mean of each sample."""
        return margins(output, target).mean(-1)


class SquaredHinge(Loss):
    """mean(max(1 - y * p, 0) ** 2), with y as for the hinge."""

    def values(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Returns the mean of each sample."""
        return margins(output, target).square().mean(-1)


def margins(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Returns max(1 - y * p, 0) of each value."""
    target = target.to(output.dtype)
    is_binary = ((target == 0) | (target == 1)).all()
    signs = torch.where(is_binary, 2 * target - 1, target)
    return clip(1 - signs * output, 0.0, float("inf"))


class CategoricalHinge(Loss):
    """max(greatest wrong output - right output + 1, 0), with rows of 0 and 1."""

    def values(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Returns the loss of each sample."""
        right = (target * output).sum(-1)
        wrong = ((1 - target) * output).amax(-1)
        return clip(wrong - right + 1, 0.0, float("inf"))


class KLDivergence(Loss):
    """sum(y * log(y / p)), both between 1e-7 and 1."""

    def values(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Returns the divergence of each sample."""
        y = clip(target.to(output.dtype), EPSILON, 1.0)
        return (y * (y / clip(output, EPSILON, 1.0)).log()).sum(-1)


class Poisson(Loss):
    """mean(p - y * log(p + 1e-7))."""

    def values(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Returns the mean of each sample."""
        return (output - target * (output + EPSILON).log()).mean(-1)


class CosineSimilarity(Loss):
    """Minus the cosine of the angle between y and p."""

    def values(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Returns the negative cosine of each sample."""
        y, p = (
            x * x.square().sum(-1, keepdim=True).rsqrt().clamp(max=1 / EPSILON)
            for x in (target.to(output.dtype), output)
        )
        return -(y * p).sum(-1)


class OutputLosses(nn.Module):
    """The weighted sum of the losses of several outputs, or of the only one."""

    def __init__(
        self, losses: dict[str, Any], weights: dict[str, float] | None = None
    ) -> None:
        super().__init__()
        self.losses = losses  # which may be functions
        self.weights = weights or dict.fromkeys(losses, 1.0)
        self.parts: dict[str, torch.Tensor] = {}

    def forward(
        self,
        outputs: dict[str, torch.Tensor] | torch.Tensor,
        targets: Any,
        sample_weight: Any = None,
    ) -> torch.Tensor:
        """Returns the loss of a batch, a scalar.

        Args:
            outputs: by name, or of the only output.
            targets: likewise.
            sample_weight: for all outputs, or by name; an output may have none.
        """
        if isinstance(outputs, torch.Tensor):
            (name,) = self.losses
            outputs, targets = {name: outputs}, {name: targets}
        parts, values = {}, []
        for name, loss in self.losses.items():
            weight = sample_weight
            if isinstance(sample_weight, dict):
                weight = sample_weight.get(name)
            given = (outputs[name], targets[name])
            parts[name] = loss(*given) if weight is None else loss(*given, weight)
            values.append(self.weights[name] * parts[name])
        # Of one loss, Keras's history has the sum alone.
        several = parts if len(parts) > 1 else {}
        self.parts = {name: value.detach() for name, value in several.items()}
        return torch.stack(values).sum()
