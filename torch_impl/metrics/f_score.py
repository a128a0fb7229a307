"""FBetaScore and F1Score. Source: keras 3.15 `metrics/f_score_metrics.py`."""

from __future__ import annotations

import torch

from torch_impl.metrics.base import EPSILON, Metric
from torch_impl.metrics.regression import check_columns
from torch_impl.metrics.weights import broadcast_weight

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
