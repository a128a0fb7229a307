"""FBetaScore and F1Score, and intersection over union of classes."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch

from torch_impl.metrics.accuracy import argmax
from torch_impl.metrics.base import EPSILON, Metric, broadcast_weight, check_pair
from torch_impl.metrics.regression import check_columns

# --- FBetaScore and F1Score. Source: keras 3.15 `metrics/f_score_metrics.py` ----------------------


_AVERAGES = ("micro", "macro", "weighted", None)


class FBetaScore(Metric):
    """(1 + beta**2) * precision * recall / (beta**2 * precision + recall), column by column.

    1e-7 is added to every divisor, so that a perfect score is a little less than 1.

    Args:
        average: None for one score a column; "macro" for their mean; "weighted" for the mean that
            is weighted by true samples; "micro" for one score of all entries.
        beta: how much more recall counts than precision, greater than 0.
        threshold: outputs that are greater are positive, in (0, 1]. None: the greatest output of a
            row is, and all that equal it, unless it is within 1e-9 of 0.
        name: see `Metric`.
        dtype: see `Metric`.

    Raises:
        ValueError: an argument has another value.
    """

    direction = "up"

    def __init__(
        self,
        average: str | None = None,
        beta: float = 1.0,
        threshold: float | None = None,
        name: str | None = "fbeta_score",
        dtype: torch.dtype | str | None = None,
    ) -> None:
        super().__init__(name, dtype)
        if average not in _AVERAGES:
            raise ValueError(f"average={average!r}: expected one of {_AVERAGES}")
        if beta <= 0:
            raise ValueError(f"beta={beta!r}: expected a number greater than 0")
        if threshold is not None and not 0 < threshold <= 1:
            raise ValueError(f"threshold={threshold!r}: expected a number in (0, 1], or None")
        self.average, self.beta, self.threshold = average, beta, threshold
        names = ("true_positives", "false_positives", "false_negatives", "intermediate_weights")
        self._begin(**dict.fromkeys(names, () if average == "micro" else (0,)))

    @torch.no_grad()
    def update(
        self,
        y_pred: torch.Tensor,
        y_true: torch.Tensor,
        sample_weight: torch.Tensor | None = None,
        mask: torch.Tensor | None = None,
    ) -> None:
        """Adds a batch.

        Args:
            y_pred: (N, columns).
            y_true: (N, columns) of 0 and 1.
            sample_weight: (N,).
            mask: has no effect, as in Keras.

        Raises:
            ValueError: the shapes are others, or earlier batches had more or fewer columns.
        """
        y_true, y_pred = y_true.to(self.dtype), y_pred.to(self.dtype)
        check_columns(self.name, y_pred, y_true)
        if self.threshold is None:
            is_positive = (y_pred >= y_pred.amax(-1, keepdim=True)) & (y_pred.abs() > 1e-9)
        else:
            is_positive = y_pred > self.threshold
        positive = is_positive.to(self.dtype)
        weight = y_true.new_ones(1) if sample_weight is None else sample_weight.to(self.dtype)
        weight = broadcast_weight(weight, y_true.shape[:1])[:, None]
        amounts = {
            "true_positives": positive * y_true,
            "false_positives": positive * (1 - y_true),
            "false_negatives": (1 - positive) * y_true,
            "intermediate_weights": y_true,
        }
        is_micro = self.average == "micro"
        sums = {name: x * weight for name, x in amounts.items()}
        self._add(**{name: x.sum() if is_micro else x.sum(0) for name, x in sums.items()})

    def result(self) -> torch.Tensor:
        """Returns the score, a scalar, or one a column without `average`.

        Raises:
            ValueError: there was no batch yet.
        """
        right = self._filled("true_positives")
        precision = right / (right + self._state["false_positives"] + EPSILON)
        recall = right / (right + self._state["false_negatives"] + EPSILON)
        squared = self.beta**2
        score = precision * recall / (squared * precision + recall + EPSILON) * (1 + squared)
        if self.average == "weighted":
            weights = self._state["intermediate_weights"]
            return (score * (weights / (weights.sum() + EPSILON))).sum()
        return score if self.average is None else score.mean()


class F1Score(FBetaScore):
    """`FBetaScore` with beta = 1: 2 * precision * recall / (precision + recall)."""

    def __init__(
        self,
        average: str | None = None,
        threshold: float | None = None,
        name: str | None = "f1_score",
        dtype: torch.dtype | str | None = None,
    ) -> None:
        super().__init__(average, 1.0, threshold, name, dtype)


# --------------------------------------------------------------------------------------------------
#
# Intersection over union of classes: tp / (tp + fp + fn). Source: keras 3.15 `iou_metrics.py`.


class IoU(Metric):
    """The mean of tp / (tp + fp + fn + 1e-7) over classes, from one matrix of labels by outputs.

    Traps, in Keras as here:
    1. classes that no target and no output has do not count in the mean;
    2. targets and outputs that are no class do not count at all;
    3. sample weights are cut to whole numbers, unless `dtype` is a floating-point one;
    4. the result is float32, in float64 runs too.

    Args:
        num_classes: classes are 0 to num_classes - 1.
        target_class_ids: classes of the mean.
        name: see `Metric`.
        dtype: of the matrix; None means int64, as in Keras.
        ignore_class: targets of this class do not count.
        sparse_y_true: whether targets are labels; if not, the greatest one along `axis` counts.
        sparse_y_pred: the same of outputs. Labels of outputs are cut to whole numbers.
        axis: of the classes.

    Raises:
        ValueError: a target class is not one of the classes.
    """

    direction = "up"

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: torch.dtype | str | None = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        super().__init__(name, torch.int64 if dtype is None else dtype)
        if wrong := [i for i in target_class_ids if not 0 <= i < num_classes]:
            raise ValueError(f"target_class_ids has {wrong}: expected 0 to {num_classes - 1}")
        self.num_classes, self.target_class_ids = num_classes, list(target_class_ids)
        self.ignore_class, self.axis = ignore_class, axis
        self.sparse_y_true, self.sparse_y_pred = sparse_y_true, sparse_y_pred
        self._begin(total_confusion_matrix=(num_classes, num_classes))

    @torch.no_grad()
    def update(
        self,
        y_pred: torch.Tensor,
        y_true: torch.Tensor,
        sample_weight: torch.Tensor | None = None,
        mask: torch.Tensor | None = None,
    ) -> None:
        """Adds a batch.

        Args:
            y_pred: labels in any shape, or with an axis of classes.
            y_true: labels for as many values, or with an axis of classes.
            sample_weight: one weight, or one a label. Warns if whole numbers are made of fractions.
            mask: has no effect, as in Keras.

        Raises:
            ValueError: shapes do not fit.
        """
        labels = (y_true if self.sparse_y_true else argmax(y_true, self.axis)).to(self.dtype)
        outputs = (y_pred if self.sparse_y_pred else argmax(y_pred, self.axis)).to(self.dtype)
        labels, outputs = labels.reshape(-1), outputs.reshape(-1)
        check_pair(outputs, labels)
        weight = self._weight(sample_weight, labels)
        is_valid = self._is_class(labels) & self._is_class(outputs)
        if self.ignore_class is not None:
            is_valid &= labels != self.ignore_class
        cell = torch.where(is_valid, labels.long() * self.num_classes + outputs.long(), 0)
        matrix = labels.new_zeros(self.num_classes**2)
        matrix = matrix.scatter_add(0, cell, torch.where(is_valid, weight, 0))
        self._add(total_confusion_matrix=matrix.reshape(self.num_classes, self.num_classes))

    def result(self) -> torch.Tensor:
        """Returns the mean, a float32 scalar; 0 if no class occurs."""
        matrix = self._state["total_confusion_matrix"]
        both = matrix.diagonal()
        union = matrix.sum(0) + matrix.sum(1) - both
        both, union = (x[self.target_class_ids].float() for x in (both, union))  # (4)
        occurs = union > 1e-9
        shares = torch.where(occurs, both / (union + EPSILON), 0.0)
        return shares.sum() / (occurs.sum() + EPSILON)  # (1)

    def _is_class(self, labels: torch.Tensor) -> torch.Tensor:
        return (labels >= 0) & (labels < self.num_classes)  # (2)

    def _weight(self, sample_weight: torch.Tensor | None, labels: torch.Tensor) -> torch.Tensor:
        if sample_weight is None:
            return torch.ones_like(labels)
        if sample_weight.is_floating_point() and not self.dtype.is_floating_point:
            warnings.warn(
                f"{self.name}: sample weights are {sample_weight.dtype}, and are cut to "
                f"{self.dtype}; pass dtype='float32' to the metric for weights that are fractions",
                stacklevel=3,
            )
        weight = sample_weight.to(self.dtype)  # (3)
        weight = weight.reshape(-1) if weight.ndim > 1 else weight
        return broadcast_weight(weight, labels.shape)


class BinaryIoU(IoU):
    """`IoU` of two classes: an output is class 1 if it is at least the threshold.

    Args:
        target_class_ids: classes of the mean.
        threshold: compared in float32.
        name: see `Metric`.
        dtype: see `IoU`.
    """

    def __init__(
        self,
        target_class_ids: Sequence[int] = (0, 1),
        threshold: float = 0.5,
        name: str | None = None,
        dtype: torch.dtype | str | None = None,
    ) -> None:
        super().__init__(2, target_class_ids, name, dtype)
        self.threshold = threshold

    def update(
        self,
        y_pred: torch.Tensor,
        y_true: torch.Tensor,
        sample_weight: torch.Tensor | None = None,
        mask: torch.Tensor | None = None,
    ) -> None:
        """Adds a batch: outputs of any shape, and as many targets of 0 and 1; see `IoU.update`."""
        bound = torch.tensor(self.threshold, dtype=torch.float32, device=y_pred.device)
        super().update(y_pred.float() >= bound, y_true, sample_weight, mask)


class MeanIoU(IoU):
    """`IoU` with the mean over all classes; its docstring explains the arguments."""

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: torch.dtype | str | None = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        settings = (ignore_class, sparse_y_true, sparse_y_pred, axis)
        super().__init__(num_classes, range(num_classes), name, dtype, *settings)


class OneHotIoU(IoU):
    """`IoU` of targets with an axis of classes, and of outputs with one unless they are labels."""

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: torch.dtype | str | None = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        settings = (ignore_class, False, sparse_y_pred, axis)
        super().__init__(num_classes, target_class_ids, name, dtype, *settings)


class OneHotMeanIoU(MeanIoU):
    """`OneHotIoU` with the mean over all classes."""

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: torch.dtype | str | None = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        super().__init__(num_classes, name, dtype, ignore_class, False, sparse_y_pred, axis)
