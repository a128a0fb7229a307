"""The accuracies: how often outputs are right, by TensorFlow's rules for ties."""

from __future__ import annotations

import torch

from torch_impl.losses.reduction import same_rank
from torch_impl.metrics.base import MeanMetricWrapper, check_pair

# --- The greatest of several classes, by TensorFlow's rules for ties, NaN and infinity ------------
#
# Source: keras 3.15 `backend/tensorflow/numpy.py` (`argmax`), `metrics/metrics_utils.py`
# (`_filter_top_k`); tensorflow 2.21 `core/kernels/in_topk_op.h`.


NOT_IN_TOP_K = -1e10  # what Keras sets other outputs to


def argmax(x: torch.Tensor, axis: int = -1) -> torch.Tensor:
    """Returns the index of the greatest entry, the first one of equal entries.

    Differs from torch.argmax in:
    1. NaN is never the greatest; a row of NaN gives 0. In torch, NaN is greater than any number;
    2. -0.0 is less than 0.0. Keras sets it to the negative number that is closest to 0.

    Args:
        x: of any dtype.
        axis: along which entries are compared.
    """
    if not x.is_floating_point():
        return x.to(torch.uint8 if x.dtype == torch.bool else x.dtype).argmax(axis)
    limits = torch.finfo(x.dtype)
    x = x.nan_to_num(nan=limits.min, posinf=torch.inf, neginf=limits.min)  # (1)
    x = torch.where((x == 0) & x.signbit(), -limits.tiny, x)  # (2)
    return x.argmax(axis)


def in_top_k(y_pred: torch.Tensor, labels: torch.Tensor, k: int) -> torch.Tensor:
    """Returns whether each label is among the k classes with the greatest outputs.

    A label is in if fewer than k outputs are greater than its own, so that ties are in: more than k
    classes may be. It is out if it is no class, or if any output of its row is NaN or infinite.

    Args:
        y_pred: (N, classes), floating point.
        labels: (N,) integers.
        k: at least 1.

    Returns:
        (N,) booleans.
    """
    is_class = (labels >= 0) & (labels < y_pred.shape[-1])
    scores = y_pred.gather(-1, torch.where(is_class, labels, 0)[:, None])
    num_greater = (y_pred > scores).sum(-1)
    return (num_greater < k) & is_class & y_pred.isfinite().all(-1)


def only_top_k(y_pred: torch.Tensor, k: int) -> torch.Tensor:
    """Sets all but the k greatest outputs of each row to -1e10; the first of equal ones stay."""
    chosen = y_pred.argsort(dim=-1, descending=True, stable=True)[..., :k]
    is_in = torch.zeros_like(y_pred).scatter(-1, chosen, 1.0)
    return y_pred * is_in + NOT_IN_TOP_K * (1 - is_in)


# --------------------------------------------------------------------------------------------------
#
# The accuracies: how often outputs are right. Source: keras 3.15 `metrics/accuracy_metrics.py`.
#
# All are means of ones and zeros (`MeanMetricWrapper`), weighted by samples.


class Accuracy(MeanMetricWrapper):
    """How often y_pred == y_true, entry by entry; for outputs that are labels themselves.

    `compile(metrics=["accuracy"])` means another one: see `accuracy_for`.
    """

    direction = "up"

    def __init__(
        self, name: str | None = "accuracy", dtype: torch.dtype | str | None = None
    ) -> None:
        super().__init__(_equal, name, dtype)


class BinaryAccuracy(MeanMetricWrapper):
    """How often (y_pred > threshold) == y_true, with y_true of 0 and 1, of any shape.

    An output that equals the threshold counts as class 0.

    Args:
        name: see `Metric`.
        dtype: see `Metric`.
        threshold: rounded to float32, in float64 runs too.
    """

    direction = "up"

    def __init__(
        self,
        name: str | None = "binary_accuracy",
        dtype: torch.dtype | str | None = None,
        threshold: float = 0.5,
    ) -> None:
        super().__init__(_beyond_threshold, name, dtype, threshold=threshold)
        self.threshold = threshold


class CategoricalAccuracy(MeanMetricWrapper):
    """How often the greatest output is at the greatest target, along the last axis.

    Of equal entries the first one counts; see `torch_impl.metrics.accuracy.argmax`. Outputs and
    targets are (N, ..., classes).
    """

    direction = "up"

    def __init__(
        self, name: str | None = "categorical_accuracy", dtype: torch.dtype | str | None = None
    ) -> None:
        super().__init__(_one_hot_matches, name, dtype)


class SparseCategoricalAccuracy(MeanMetricWrapper):
    """How often the greatest output is at the label; of equal outputs the first one counts.

    Outputs are (N, ..., classes), labels (N, ...) or (N, ..., 1).
    """

    direction = "up"

    def __init__(
        self,
        name: str | None = "sparse_categorical_accuracy",
        dtype: torch.dtype | str | None = None,
    ) -> None:
        super().__init__(_label_matches, name, dtype)


class TopKCategoricalAccuracy(MeanMetricWrapper):
    """How often the greatest target is at one of the k greatest outputs.

    Outputs and targets are (N, ..., classes). Ties are in: see
    `torch_impl.metrics.accuracy.in_top_k`. Keras takes outputs in float32 alone.

    Args:
        k: at least 1.
        name: see `Metric`.
        dtype: see `Metric`.
    """

    direction = "up"

    def __init__(
        self,
        k: int = 5,
        name: str | None = "top_k_categorical_accuracy",
        dtype: torch.dtype | str | None = None,
    ) -> None:
        super().__init__(_one_hot_in_top_k, name, dtype, k=k)
        self.k = _checked(k)


class SparseTopKCategoricalAccuracy(MeanMetricWrapper):
    """How often the label is at one of the k greatest outputs.

    Outputs are (N, ..., classes), labels (N, ...). Ties are in, as for `TopKCategoricalAccuracy`.

    Args:
        k: at least 1.
        name: see `Metric`.
        dtype: see `Metric`.
        from_sorted_ids: whether outputs are labels, (N, ..., at least k), the best one first.
    """

    direction = "up"

    def __init__(
        self,
        k: int = 5,
        name: str | None = "sparse_top_k_categorical_accuracy",
        dtype: torch.dtype | str | None = None,
        from_sorted_ids: bool = False,
    ) -> None:
        super().__init__(_label_in_top_k, name, dtype, k=k, from_sorted_ids=from_sorted_ids)
        self.k, self.from_sorted_ids = _checked(k), from_sorted_ids


def _checked(k: int) -> int:
    if k < 1:
        raise ValueError(f"k={k!r}: expected a whole number of at least 1")
    return k


def _equal(y_pred: torch.Tensor, y_true: torch.Tensor) -> torch.Tensor:
    y_true, y_pred = same_rank(y_true.to(y_pred.dtype), y_pred)
    check_pair(y_pred, y_true)
    return y_true == y_pred


def _beyond_threshold(
    y_pred: torch.Tensor, y_true: torch.Tensor, threshold: float = 0.5
) -> torch.Tensor:
    y_true, y_pred = same_rank(y_true, y_pred)
    check_pair(y_pred, y_true)
    bound = torch.tensor(threshold, dtype=torch.float32, device=y_pred.device)
    return (y_pred > bound).to(y_true.dtype) == y_true


def _one_hot_matches(y_pred: torch.Tensor, y_true: torch.Tensor) -> torch.Tensor:
    labels = argmax(y_true)
    flat = labels[..., 0] if labels.ndim == y_pred.ndim and labels.shape[-1] == 1 else labels
    return _checked_labels(y_pred, flat) == argmax(y_pred)


def _label_matches(y_pred: torch.Tensor, y_true: torch.Tensor) -> torch.Tensor:
    labels = y_true[..., 0] if y_true.ndim == y_pred.ndim and y_true.shape[-1] == 1 else y_true
    # In the dtype of the outputs, in which a label of 0.5 is no class.
    labels = _checked_labels(y_pred, labels.to(y_pred.dtype))
    return labels == argmax(y_pred).to(y_pred.dtype)


def _one_hot_in_top_k(y_pred: torch.Tensor, y_true: torch.Tensor, k: int = 5) -> torch.Tensor:
    return _label_in_top_k(y_pred, argmax(y_true.to(y_pred.dtype)), k)


def _label_in_top_k(
    y_pred: torch.Tensor, y_true: torch.Tensor, k: int = 5, from_sorted_ids: bool = False
) -> torch.Tensor:
    rows = y_pred.reshape(-1, y_pred.shape[-1])
    if len(rows) != y_true.numel():
        _raise_no_labels(y_pred, y_true)
    if from_sorted_ids:
        labels = y_true.reshape(-1, 1).to(y_pred.dtype)
        return (labels == rows[:, :k]).any(-1).reshape(y_true.shape)
    return in_top_k(rows, y_true.reshape(-1).long(), k).reshape(y_true.shape)


def _checked_labels(y_pred: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    if labels.shape != y_pred.shape[:-1]:
        _raise_no_labels(y_pred, labels)
    return labels


def _raise_no_labels(y_pred: torch.Tensor, labels: torch.Tensor) -> None:
    raise ValueError(
        f"labels have shape {tuple(labels.shape)}, y_pred {tuple(y_pred.shape)}: expected one "
        "label for each row of classes"
    )
