"""Counts at thresholds, and precision and recall.

Source: keras 3.15 `metrics/confusion_metrics.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch

from torch_impl.losses.reduction import divide_no_nan
from torch_impl.metrics.base import Metric
from torch_impl.metrics.confusion import Thresholds, confusion_counts
from torch_impl.metrics.ranking import NOT_IN_TOP_K


class Counts(Metric):
    """Base of what is computed from some of the four counts at thresholds."""

    _COUNTS: ClassVar[tuple[str, ...]]

    def __init__(
        self,
        thresholds: Thresholds,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: torch.dtype | str | None = None,
    ) -> None:
        super().__init__(name, dtype)
        self.thresholds, self.top_k, self.class_id = thresholds, top_k, class_id
        self._begin(**dict.fromkeys(self._COUNTS, (len(thresholds.values),)))

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
            y_pred: (N, ...), between 0 and 1.
            y_true: in the same shape, or without its last axis of 1; anything but 0 is true.
            sample_weight: (), (N,), (N, 1) or the shape of the outputs.
            mask: has no effect, as in Keras.

        Raises:
            ValueError: shapes do not fit.
        """
        counts = confusion_counts(
            y_pred,
            y_true,
            self.thresholds,
            sample_weight,
            dtype=self.dtype,
            top_k=self.top_k,
            class_id=self.class_id,
        )
        self._add(**{name: counts[name] for name in self._COUNTS})

    def _told(self, values: torch.Tensor) -> torch.Tensor:
        """A scalar for a single threshold."""
        return values[0] if len(self.thresholds.values) == 1 else values


class _Count(Counts):
    def __init__(
        self,
        thresholds: float | Sequence[float] | None = None,
        name: str | None = None,
        dtype: torch.dtype | str | None = None,
    ) -> None:
        super().__init__(Thresholds.of(thresholds), name=name, dtype=dtype)

    def result(self) -> torch.Tensor:
        """Returns the weighted count: a scalar for one threshold, else one a threshold."""
        return self._told(self._state[self._COUNTS[0]])


class TruePositives(_Count):
    """The sum of weights of true samples whose output is greater than the threshold.

    Args:
        thresholds: one or several in [0, 1]; None means 0.5.
        name: see `Metric`.
        dtype: see `Metric`.
    """

    _COUNTS = ("true_positives",)


class FalsePositives(_Count):
    """The sum of weights of false samples whose output is greater than the threshold.

    Args:
        thresholds: one or several in [0, 1]; None means 0.5.
        name: see `Metric`.
        dtype: see `Metric`.
    """

    _COUNTS = ("false_positives",)


class TrueNegatives(_Count):
    """The sum of weights of false samples whose output is not greater than the threshold.

    Args:
        thresholds: one or several in [0, 1]; None means 0.5.
        name: see `Metric`.
        dtype: see `Metric`.
    """

    _COUNTS = ("true_negatives",)


class FalseNegatives(_Count):
    """The sum of weights of true samples whose output is not greater than the threshold.

    Args:
        thresholds: one or several in [0, 1]; None means 0.5.
        name: see `Metric`.
        dtype: see `Metric`.
    """

    _COUNTS = ("false_negatives",)


class _Share(Counts):
    direction = "up"

    def __init__(
        self,
        thresholds: float | Sequence[float] | None = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: torch.dtype | str | None = None,
    ) -> None:
        default = 0.5 if top_k is None else NOT_IN_TOP_K
        super().__init__(Thresholds.of(thresholds, default), top_k, class_id, name, dtype)

    def result(self) -> torch.Tensor:
        """Returns the share: a scalar for one threshold, else one a threshold; 0 of nothing."""
        right, wrong = (self._state[name] for name in self._COUNTS)
        return self._told(divide_no_nan(right, right + wrong))


class Precision(_Share):
    """true positives / (true positives + false positives).

    Args:
        thresholds: one or several in [0, 1]; None means 0.5, or with `top_k` any output.
        top_k: only the k greatest outputs of each row can be positive. Of equal outputs, the first
            ones are.
        class_id: index on the last axis of the only class that counts.
        name: see `Metric`.
        dtype: see `Metric`.
    """

    _COUNTS = ("true_positives", "false_positives")


class Recall(_Share):
    """true positives / (true positives + false negatives); arguments as for `Precision`."""

    _COUNTS = ("true_positives", "false_negatives")
