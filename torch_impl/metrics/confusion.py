"""Positives and negatives at thresholds, and the metrics that are computed from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from torch_impl.losses.reduction import divide_no_nan, same_rank
from torch_impl.metrics.accuracy import NOT_IN_TOP_K, only_top_k
from torch_impl.metrics.base import EPSILON, Metric, broadcast_weight, check_pair

# --------------------------------------------------------------------------------------------------
#
# True and false positives and negatives at thresholds: what many metrics are computed from.
#
#     outputs, targets, weights -> Thresholds -> four counts, one number a threshold
#
# An output is positive if it is greater than the threshold. Thresholds of equal distances are
# counted in buckets: each output goes to the last threshold that it exceeds, and sums over buckets
# give the counts. That is faster, and where rounding decides, its answer is another one.
#
# Source: keras 3.15 `metrics/metrics_utils.py`.


COUNTS = ("true_positives", "false_positives", "true_negatives", "false_negatives")


@dataclass(frozen=True)
class Thresholds:
    """Thresholds in their order.

    Attributes:
        values: the thresholds.
        is_even: whether outputs are counted in buckets.
    """

    values: tuple[float, ...]
    is_even: bool

    @classmethod
    def of(cls, thresholds: float | Sequence[float] | None, default: float = 0.5) -> Thresholds:
        """Returns thresholds that a user gave: one, several, or None for the default.

        Raises:
            ValueError: a threshold is not in [0, 1].
        """
        if thresholds is None:
            return cls((default,), False)
        values = tuple(thresholds) if isinstance(thresholds, Sequence) else (thresholds,)
        if wrong := [value for value in values if not 0 <= value <= 1]:
            raise ValueError(f"thresholds {wrong}: expected numbers in [0, 1]")
        return cls(values, is_even(values))

    @classmethod
    def evenly(cls, num_thresholds: int) -> Thresholds:
        """Returns so many thresholds of equal distances, from 0 to 1."""
        steps = [(i + 1) * 1.0 / (num_thresholds - 1) for i in range(num_thresholds - 2)]
        return cls((0.0, *steps, 1.0), True)

    def with_margin(self) -> Thresholds:
        """Returns these, but the first one less than 0, and the last one greater than 1."""
        return Thresholds((0.0 - EPSILON, *self.values[1:-1], 1.0 + EPSILON), self.is_even)


def is_even(thresholds: Sequence[float]) -> bool:
    """Whether three or more thresholds go from 0 to 1 in equal steps, to 1e-5 of each."""
    if len(thresholds) < 3:
        return False
    even = np.arange(len(thresholds), dtype=np.float32) / (len(thresholds) - 1)
    return np.allclose(thresholds, even, rtol=1e-5, atol=EPSILON)


def confusion_counts(
    y_pred: torch.Tensor,
    y_true: torch.Tensor,
    thresholds: Thresholds,
    sample_weight: torch.Tensor | None = None,
    *,
    dtype: torch.dtype,
    top_k: int | None = None,
    class_id: int | None = None,
    label_weights: torch.Tensor | None = None,
    is_multi_label: bool = False,
) -> dict[str, torch.Tensor]:
    """Returns the four counts of a batch, under the names in `COUNTS`.

    Args:
        y_pred: (N, ...), between 0 and 1; a NaN is not positive.
        y_true: in the same shape, or without its last axis of 1; anything but 0 is true.
        thresholds: of the counts.
        sample_weight: (), (N,), (N, 1) or the shape of the outputs.
        dtype: in which is computed and counted.
        top_k: outputs that are not among the k greatest of their row are negative.
        class_id: index on the last axis of the only class that counts.
        label_weights: (columns,) factors of the sample weights.
        is_multi_label: whether each column is counted alone.

    Returns:
        Tensors of (thresholds,), or of (thresholds, columns) if each column is counted alone.

    Raises:
        ValueError: shapes do not fit.
    """
    y_pred, y_true = same_rank(y_pred.to(dtype), y_true.to(dtype))
    check_pair(y_pred, y_true)
    weight = None
    if sample_weight is not None:
        weight = sample_weight.to(dtype)
        weight = weight[..., None] if weight.ndim < y_true.ndim else weight
    if top_k is not None:
        y_pred = only_top_k(y_pred, top_k)
    if class_id is not None:
        if y_pred.ndim == 1:
            raise ValueError(
                f"class_id={class_id} with y_pred of shape {tuple(y_pred.shape)}: expected "
                "(samples, classes)"
            )
        y_pred, y_true = y_pred[..., class_id, None], y_true[..., class_id, None]
    weight = y_pred.new_ones(()) if weight is None else broadcast_weight(weight, y_pred.shape)
    if label_weights is not None:
        weight = weight * broadcast_weight(label_weights.to(weight), y_pred.shape)
    num_columns = y_pred.shape[-1] if is_multi_label else 1
    outputs, is_true, weight = (
        x.reshape(-1, num_columns) for x in (y_pred, y_true != 0, weight.broadcast_to(y_pred.shape))
    )
    count = _in_buckets if thresholds.is_even else _one_by_one
    counts = count(outputs, is_true, weight, thresholds)
    return counts if is_multi_label else {name: x[:, 0] for name, x in counts.items()}


def _in_buckets(
    y_pred: torch.Tensor, is_true: torch.Tensor, weight: torch.Tensor, thresholds: Thresholds
) -> dict[str, torch.Tensor]:
    """The four counts; the tensors are (values, columns)."""
    num_thresholds = len(thresholds.values)
    bucket = torch.ceil(y_pred.clamp(0.0, 1.0) * (num_thresholds - 1)) - 1
    if thresholds.values[0] < 0:  # which an output of 0 exceeds
        bucket = bucket.clamp(min=0)
    is_counted = bucket >= 0  # False for NaN, too
    bucket = torch.where(is_counted, bucket, 0).long()
    shape = (num_thresholds, y_pred.shape[1])
    counts = {}
    for positives, negatives, weights in (
        ("true_positives", "false_negatives", torch.where(is_true, weight, 0)),
        ("false_positives", "true_negatives", torch.where(is_true, 0, weight)),
    ):
        buckets = weights.new_zeros(shape).scatter_add(0, bucket, weights * is_counted)
        counts[positives] = buckets.flip(0).cumsum(0).flip(0)
        counts[negatives] = weights.sum(0) - counts[positives]
    return counts


def _one_by_one(
    y_pred: torch.Tensor, is_true: torch.Tensor, weight: torch.Tensor, thresholds: Thresholds
) -> dict[str, torch.Tensor]:
    """The four counts; the tensors are (values, columns)."""
    bounds = torch.tensor(thresholds.values, dtype=y_pred.dtype, device=y_pred.device)
    is_positive = y_pred > bounds[:, None, None]  # (thresholds, values, columns)
    cells = (
        is_true & is_positive,
        ~is_true & is_positive,
        ~is_true & ~is_positive,
        is_true & ~is_positive,
    )
    counts = [torch.where(cell, weight, 0).sum(1) for cell in cells]
    return dict(zip(COUNTS, counts, strict=True))


# --- Counts at thresholds, and precision and recall -----------------------------------------------
#
# Source: keras 3.15 `metrics/confusion_metrics.py`.


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

    def _squeezed(self, values: torch.Tensor) -> torch.Tensor:
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
        return self._squeezed(self._state[self._COUNTS[0]])


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
        return self._squeezed(divide_no_nan(right, right + wrong))


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


# --- The best of one share where another one is high enough, over thresholds from 0 to 1 ----------
#
# Source: keras 3.15 `metrics/confusion_metrics.py` (`SensitivitySpecificityBase`).


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


# --------------------------------------------------------------------------------------------------
#
# AUC: the area under a curve through all thresholds. Source: keras 3.15 `confusion_metrics.py`.


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
