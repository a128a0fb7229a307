"""Metrics of an epoch: each adds batches up, and is asked at the end."""

from __future__ import annotations

from collections.abc import Callable

import torch

Function = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class Average:
    """The mean of the values of all samples."""

    def __init__(self, name: str, function: Function) -> None:
        self.name, self.function = name, function
        self.total = self.number = torch.zeros(())

    @torch.no_grad()
    def update(self, output: torch.Tensor, target: torch.Tensor) -> None:
        """Adds a batch."""
        values = self.function(output, target).to(torch.get_default_dtype())
        mask = getattr(output, "_keras_mask", None)
        counts = torch.ones_like(values) if mask is None else mask.to(values.dtype)
        self.total = self.total + (values * counts).sum()
        self.number = self.number + counts.sum()

    def compute(self) -> torch.Tensor:
        """Returns the mean."""
        return self.total / self.number.clamp(min=1)

    def reset(self) -> None:
        """Forgets all batches."""
        self.total = self.number = torch.zeros(())


def accuracy(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Returns which samples are right; as in Keras, shapes say what that means."""
    if output.shape[-1] == 1:
        return binary_accuracy(output, target)
    if target.ndim < output.ndim or target.shape[-1] == 1:
        return sparse_categorical_accuracy(output, target)
    return categorical_accuracy(output, target)


def binary_accuracy(
    output: torch.Tensor, target: torch.Tensor, threshold: float = 0.5
) -> torch.Tensor:
    """Returns which outputs are on the right side of a threshold."""
    if target.ndim < output.ndim:
        target = target[..., None]
    return (output > threshold).to(target.dtype) == target


def sparse_categorical_accuracy(
    output: torch.Tensor, target: torch.Tensor
) -> torch.Tensor:
    """Returns where the greatest output is at the label."""
    labels = target[..., 0] if target.ndim == output.ndim else target
    return output.argmax(-1) == labels


def categorical_accuracy(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Returns where the greatest output is at the greatest target."""
    return output.argmax(-1) == target.argmax(-1)


def top_k_categorical_accuracy(k: int = 5) -> Function:
    """Returns the function that says where the greatest target is among k outputs."""
    sparse = sparse_top_k_categorical_accuracy(k)
    return lambda output, target: sparse(output, target.argmax(-1))


def sparse_top_k_categorical_accuracy(k: int = 5) -> Function:
    """Returns the function that says where the label is among k outputs."""

    def function(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        own = output.gather(-1, target.long().reshape(*output.shape[:-1], 1))
        return (output > own).sum(-1) < k  # ties are in

    return function


class RootMeanSquaredError(Average):
    """The root of the mean of all squares."""

    def __init__(self, name: str) -> None:
        super().__init__(name, squares)

    def compute(self) -> torch.Tensor:
        """Returns the root."""
        return super().compute().sqrt()


def squares(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Returns the square of each error."""
    return (output - target.reshape(output.shape)).square()


class Counts:
    """How many true and how many false samples have outputs above a threshold."""

    def __init__(self, name: str, thresholds: float = 0.5) -> None:
        self.name, self.threshold = name, thresholds
        self.true_positives = torch.zeros(())
        self.false_positives = torch.zeros(())
        self.false_negatives = torch.zeros(())

    @torch.no_grad()
    def update(self, output: torch.Tensor, target: torch.Tensor) -> None:
        """Adds a batch."""
        is_true = target.reshape(output.shape) != 0
        is_positive = output > self.threshold
        self.true_positives = self.true_positives + (is_true & is_positive).sum()
        self.false_positives = self.false_positives + (~is_true & is_positive).sum()
        self.false_negatives = self.false_negatives + (is_true & ~is_positive).sum()

    def reset(self) -> None:
        """Forgets all batches."""
        self.true_positives = torch.zeros(())
        self.false_positives = torch.zeros(())
        self.false_negatives = torch.zeros(())


class Precision(Counts):
    """True positives among all positives."""

    def compute(self) -> torch.Tensor:
        """Returns the share; 0 of nothing."""
        number = self.true_positives + self.false_positives
        return self.true_positives / number.clamp(min=1)


class Recall(Counts):
    """True positives among all true samples."""

    def compute(self) -> torch.Tensor:
        """Returns the share; 0 of nothing."""
        number = self.true_positives + self.false_negatives
        return self.true_positives / number.clamp(min=1)


class AUC:
    """The area under the ROC curve, of counts at thresholds from 0 to 1."""

    def __init__(self, name: str, num_thresholds: int = 200) -> None:
        self.name, self.size = name, num_thresholds
        self.of_true, self.of_false = torch.zeros(self.size), torch.zeros(self.size)

    @torch.no_grad()
    def update(self, output: torch.Tensor, target: torch.Tensor) -> None:
        """Adds a batch."""
        scaled = output.clamp(0, 1) * (self.size - 1)
        # The last threshold that an output exceeds; the first one is below 0.
        bucket = (scaled.ceil() - 1).clamp(min=0).long().flatten()
        is_true = (target != 0).flatten().to(self.of_true.dtype)
        for counts, weights in ((self.of_true, is_true), (self.of_false, 1 - is_true)):
            counts.scatter_add_(0, bucket, weights)

    def compute(self) -> torch.Tensor:
        """Returns the area."""
        true, false = (
            counts.flip(0).cumsum(0).flip(0) / counts.sum().clamp(min=1)
            for counts in (self.of_true, self.of_false)
        )
        return ((false[:-1] - false[1:]) * (true[:-1] + true[1:]) / 2).sum()

    def reset(self) -> None:
        """Forgets all batches."""
        self.of_true, self.of_false = torch.zeros(self.size), torch.zeros(self.size)
