"""True and false positives and negatives at thresholds: what many metrics are computed from.

    outputs, targets, weights -> Thresholds -> four counts, one number a threshold

An output is positive if it is greater than the threshold. Thresholds of equal distances are counted
in buckets: each output goes to the last threshold that it exceeds, and sums over buckets give the
counts. That is faster, and where rounding decides, its answer is another one.

Source: keras 3.15 `metrics/metrics_utils.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from torch_impl.losses.reduction import same_rank
from torch_impl.metrics.base import EPSILON, check_pair
from torch_impl.metrics.ranking import only_top_k
from torch_impl.metrics.weights import broadcast_weight

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
