"""The best of one share where another one is high enough, over thresholds from 0 to 1.

Source: keras 3.15 `metrics/confusion_metrics.py` (`SensitivitySpecificityBase`).
"""

from __future__ import annotations

from typing import ClassVar

import torch

from torch_impl.losses.reduction import divide_no_nan
from torch_impl.metrics.confusion import COUNTS, Thresholds
from torch_impl.metrics.counts import Counts

# Each share is the first count, divided by the sum of both.
_SHARES = {
    "sensitivity": ("true_positives", "false_negatives"),
    "recall": ("true_positives", "false_negatives"),
    "specificity": ("true_negatives", "false_positives"),
    "precision": ("true_positives", "false_positives"),
}


class _AtLeast(Counts):
    """max(best) over the thresholds with constrained >= value, compared in float32; else 0."""

    direction = "up"
    _COUNTS = COUNTS
    _BEST: ClassVar[str]
    _CONSTRAINED: ClassVar[str]

    def __init__(
        self,
        value: float,
        num_thresholds: int,
        class_id: int | None,
        name: str | None,
        dtype: torch.dtype | str | None,
    ) -> None:
        if not 0 <= value <= 1:
            raise ValueError(f"{self._CONSTRAINED}={value!r}: expected a number in [0, 1]")
        if num_thresholds < 1:
            raise ValueError(f"num_thresholds={num_thresholds!r}: expected at least 1")
        self.num_thresholds, self._value = num_thresholds, value
        thresholds = (
            Thresholds.of(None) if num_thresholds == 1 else Thresholds.evenly(num_thresholds)
        )
        super().__init__(thresholds, class_id=class_id, name=name, dtype=dtype)

    def result(self) -> torch.Tensor:
        """Returns the best share, a scalar; 0 if no threshold satisfies the condition."""
        constrained, best = self._share(self._CONSTRAINED), self._share(self._BEST)
        # Keras rounds the bound to float32, in float64 runs too.
        bound = torch.tensor(self._value, dtype=torch.float32, device=best.device)
        return torch.where(constrained >= bound, best, 0).max().clamp(min=0)

    def _share(self, share: str) -> torch.Tensor:
        right, wrong = (self._state[name] for name in _SHARES[share])
        return divide_no_nan(right, right + wrong)


class SensitivityAtSpecificity(_AtLeast):
    """The greatest sensitivity, tp / (tp + fn), where tn / (tn + fp) is at least `specificity`.

    Args:
        specificity: in [0, 1].
        num_thresholds: from 0 to 1, in equal steps; 1 means the threshold 0.5 alone.
        class_id: index on the last axis of the only class that counts.
        name: see `Metric`.
        dtype: see `Metric`.
    """

    _BEST, _CONSTRAINED = "sensitivity", "specificity"

    def __init__(
        self,
        specificity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: torch.dtype | str | None = None,
    ) -> None:
        super().__init__(specificity, num_thresholds, class_id, name, dtype)
        self.specificity = specificity


class SpecificityAtSensitivity(_AtLeast):
    """The greatest specificity, tn / (tn + fp), where tp / (tp + fn) is at least `sensitivity`.

    Args:
        sensitivity: in [0, 1].
        num_thresholds: as for `SensitivityAtSpecificity`, and so are the others.
        class_id: index of the only class that counts.
        name: see `Metric`.
        dtype: see `Metric`.
    """

    _BEST, _CONSTRAINED = "specificity", "sensitivity"

    def __init__(
        self,
        sensitivity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: torch.dtype | str | None = None,
    ) -> None:
        super().__init__(sensitivity, num_thresholds, class_id, name, dtype)
        self.sensitivity = sensitivity


class PrecisionAtRecall(_AtLeast):
    """The greatest precision, tp / (tp + fp), where tp / (tp + fn) is at least `recall`.

    Args:
        recall: in [0, 1].
        num_thresholds: as for `SensitivityAtSpecificity`, and so are the others.
        class_id: index of the only class that counts.
        name: see `Metric`.
        dtype: see `Metric`.
    """

    _BEST, _CONSTRAINED = "precision", "recall"

    def __init__(
        self,
        recall: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: torch.dtype | str | None = None,
    ) -> None:
        super().__init__(recall, num_thresholds, class_id, name, dtype)
        self.recall = recall


class RecallAtPrecision(_AtLeast):
    """The greatest recall, tp / (tp + fn), where tp / (tp + fp) is at least `precision`.

    Args:
        precision: in [0, 1].
        num_thresholds: as for `SensitivityAtSpecificity`, and so are the others.
        class_id: index of the only class that counts.
        name: see `Metric`.
        dtype: see `Metric`.
    """

    _BEST, _CONSTRAINED = "recall", "precision"

    def __init__(
        self,
        precision: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: torch.dtype | str | None = None,
    ) -> None:
        super().__init__(precision, num_thresholds, class_id, name, dtype)
        self.precision = precision
