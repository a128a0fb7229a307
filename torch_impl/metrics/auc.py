"""AUC: the area under a curve through all thresholds. Source: keras 3.15 `confusion_metrics.py`."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from torch_impl.losses.reduction import divide_no_nan
from torch_impl.metrics.base import Metric
from torch_impl.metrics.confusion import COUNTS, Thresholds, confusion_counts, is_even

_CURVES = ("ROC", "PR", "PRGAIN")
_METHODS = ("interpolation", "majoring", "minoring")


class AUC(Metric):
    """The area under a curve, from counts at thresholds that are the same in every batch.

    - ROC: recall against fp / (fp + tn).
    - PR: precision against recall. "interpolation" adds up the true areas between two thresholds,
      in which tp is a linear function of tp + fp (Davis and Goadrich 2006).
    - PRGAIN: precision gain against recall gain (Flach and Kull 2015).

    Differs from scikit-learn's area in:
    1. outputs are compared with the thresholds alone. Those between two thresholds count as equal.

    Args:
        num_thresholds: from 0 to 1 in equal steps, at least 2. The first one is -1e-7 and the last
            one 1 + 1e-7, so that the curve begins with all outputs and ends with none.
        curve: "ROC", "PR" or "PRGAIN", or in small letters.
        summation_method: "interpolation" between two thresholds (the trapezium, but for PR),
            "minoring" with the lower of both heights, or "majoring" with the higher one.
        name: see `Metric`.
        dtype: see `Metric`.
        thresholds: between 0 and 1, instead of `num_thresholds`; the first and last one are added.
        multi_label: whether each column has a curve; the result is the mean of their areas.
        num_labels: columns; None means those of the first batch. Only with `multi_label`.
        label_weights: (columns,), factors of the sample weights, or with `multi_label` weights of
            the mean of areas.
        from_logits: whether outputs are logits, of which the sigmoid is taken.

    Raises:
        ValueError: an argument has a value that is not listed.
    """

    direction = "up"

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str | None = None,
        dtype: torch.dtype | str | None = None,
        thresholds: Sequence[float] | None = None,
        multi_label: bool = False,
        num_labels: int | None = None,
        label_weights: Sequence[float] | torch.Tensor | None = None,
        from_logits: bool = False,
    ) -> None:
        super().__init__(name, dtype)
        self.curve = _checked("curve", curve.upper(), _CURVES)
        self.summation_method = _checked("summation_method", summation_method.lower(), _METHODS)
        if num_labels and not multi_label:
            raise ValueError(f"num_labels={num_labels}: expected multi_label=True with it")
        self.thresholds = _thresholds(num_thresholds, thresholds)
        self.multi_label, self.num_labels, self.from_logits = multi_label, num_labels, from_logits
        self.label_weights = (
            None if label_weights is None else torch.as_tensor(label_weights, dtype=self.dtype)
        )
        shape = (len(self.thresholds.values), *([num_labels or 0] if multi_label else []))
        self._begin(**dict.fromkeys(COUNTS, shape))

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
            y_pred: (N, ...), between 0 and 1 unless they are logits; (N, columns) with
                `multi_label`.
            y_true: in the same shape, or without its last axis of 1; anything but 0 is true.
            sample_weight: (), (N,), (N, 1) or the shape of the outputs.
            mask: has no effect, as in Keras.

        Raises:
            ValueError: shapes do not fit.
        """
        if self.multi_label and y_pred.ndim != 2:
            raise ValueError(
                f"{self.name}: y_pred has shape {tuple(y_pred.shape)}: expected (samples, columns) "
                "with multi_label=True"
            )
        counts = confusion_counts(
            y_pred.sigmoid() if self.from_logits else y_pred,
            y_true,
            self.thresholds,
            sample_weight,
            dtype=self.dtype,
            label_weights=None if self.multi_label else self.label_weights,
            is_multi_label=self.multi_label,
        )
        self._add(**counts)

    def result(self) -> torch.Tensor:
        """Returns the area, a scalar.

        Raises:
            ValueError: the columns are those of the first batch, and there was none yet.
        """
        tp, fp, tn, fn = (self._filled(name) for name in COUNTS)
        if self.curve == "PR" and self.summation_method == "interpolation":
            areas = _interpolated_precision(tp, fp, fn)
        else:
            x, y = _points(self.curve, tp, fp, tn, fn)
            areas = (x[:-1] - x[1:]) * _heights(self.summation_method, y)
        of_columns = areas.sum(0)
        if not self.multi_label:
            return of_columns
        if self.label_weights is None:
            return of_columns.mean()
        weights = self.label_weights.to(of_columns.device)
        return divide_no_nan((of_columns * weights).sum(), weights.sum())


def _thresholds(num_thresholds: int, thresholds: Sequence[float] | None) -> Thresholds:
    if thresholds is not None:
        values = (0.0, *sorted(thresholds), 1.0)
        return Thresholds(values, is_even(values)).with_margin()
    if num_thresholds < 2:
        raise ValueError(f"num_thresholds={num_thresholds!r}: expected at least 2")
    return Thresholds.evenly(num_thresholds).with_margin()


def _checked(name: str, value: str, expected: tuple[str, ...]) -> str:
    if value not in expected:
        raise ValueError(f"{name}={value!r}: expected one of {expected}")
    return value


def _points(
    curve: str, tp: torch.Tensor, fp: torch.Tensor, tn: torch.Tensor, fn: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns x and y of a curve, (thresholds, ...)."""
    recall = divide_no_nan(tp, tp + fn)
    if curve == "ROC":
        return divide_no_nan(fp, fp + tn), recall
    if curve == "PR":
        return recall, divide_no_nan(tp, tp + fp)
    odds = divide_no_nan(tp + fn, tn + fp)
    recall_gain = torch.where(tp == 0, 0.0, 1.0 - odds * divide_no_nan(fn, tp))
    precision_gain = 1.0 - odds * divide_no_nan(fp, tp)  # 1 without true positives
    return recall_gain.clamp(min=0.0), precision_gain


def _heights(method: str, y: torch.Tensor) -> torch.Tensor:
    if method == "interpolation":
        return (y[:-1] + y[1:]) / 2.0
    return torch.minimum(y[:-1], y[1:]) if method == "minoring" else torch.maximum(y[:-1], y[1:])


def _interpolated_precision(tp: torch.Tensor, fp: torch.Tensor, fn: torch.Tensor) -> torch.Tensor:
    """Returns the area between each two thresholds: the integral of tp / (tp + fp) over recall.

    There, tp = intercept + slope * p with p = tp + fp, so that the integral is
    slope * (change of tp + intercept * log(ratio of p)) / (tp + fn).
    """
    p = tp + fp
    change, change_of_p = tp[:-1] - tp[1:], p[:-1] - p[1:]
    slope = divide_no_nan(change, change_of_p.clamp(min=0))
    intercept = tp[1:] - slope * p[1:]
    is_positive = (p[:-1] > 0) & (p[1:] > 0)
    ratio = torch.where(is_positive, divide_no_nan(p[:-1], p[1:].clamp(min=0)), 1.0)
    area = slope * (change + intercept * ratio.log())
    return divide_no_nan(area, (tp[1:] + fn[1:]).clamp(min=0))
