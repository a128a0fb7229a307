"""Reduces losses of samples to one number: weights, masks, ranks and means by Keras's rules.

    values of samples -> times weights (and mask) -> sum -> divided by the number of values

Source: keras 3.15 `losses/loss.py`, `trainers/data_adapters/data_adapter_utils.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

REDUCTIONS = ("sum_over_batch_size", "mean", "sum", "mean_with_sample_weight", "none", None)


def same_rank(x1: torch.Tensor, x2: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Gives two tensors the same rank if their ranks differ by one and the last axis is 1.

    (N,) with (N, 1) becomes (N, 1); torch would broadcast to (N, N). For higher ranks, the axis of
    1 is dropped instead. Other ranks stay as they are.
    """
    if x1.ndim == x2.ndim + 1 and x1.shape[-1] == 1:
        return (x1, x2[:, None]) if x2.ndim == 1 else (x1[..., 0], x2)
    if x2.ndim == x1.ndim + 1 and x2.shape[-1] == 1:
        return (x1[:, None], x2) if x1.ndim == 1 else (x1, x2[..., 0])
    return x1, x2


def reduce_weighted(
    values: torch.Tensor,
    sample_weight: torch.Tensor | None = None,
    mask: torch.Tensor | None = None,
    reduction: str | None = "sum_over_batch_size",
) -> torch.Tensor:
    """Returns the loss of a batch from the losses of its samples.

    With "sum_over_batch_size", a mask weights valid values by total / valid, so that the mean is
    taken over valid values. A mean over nothing is 0, and so is its gradient.

    Args:
        values: losses, (N, ...).
        sample_weight: of any dtype, broadcast against `values` after `same_rank`.
        mask: true where a value counts, of the shape of `values`.
        reduction: "sum_over_batch_size" or "mean" divide by the number of values, "sum" does not
            divide, "mean_with_sample_weight" divides by the sum of the weights; "none" and None
            leave the values alone.

    Returns:
        A scalar, or the weighted values if nothing is reduced.

    Raises:
        ValueError: `reduction` is unknown.
    """
    check_reduction(reduction)
    weight = merge_weights(sample_weight, mask, values.dtype, reduction)
    if weight is not None:
        values, weight = same_rank(values, weight)
        values = values * weight
    if reduction in ("none", None) or values.shape in ((), (0,)):
        return values
    total = values.sum()
    if reduction == "sum":
        return total
    if reduction == "mean_with_sample_weight" and weight is not None:
        return divide_no_nan(total, weight.sum())
    return total / values.numel() if values.numel() else total


def check_reduction(reduction: str | None) -> None:
    """Raises ValueError if a reduction is not known."""
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction={reduction!r}: expected one of {REDUCTIONS}")


def sample_weights(
    y: torch.Tensor, class_weight: Mapping[int, float], dtype: torch.dtype = torch.float32
) -> torch.Tensor:
    """Returns the sample weights that `model.fit(class_weight=...)` makes of the class weights.

    Differs from the `weight` of torch.nn.CrossEntropyLoss in:
    1. the loss gets them as sample weights, and its mean divides by the number of samples:
       sum(w * l) / N, not sum(w * l) / sum(w);
    2. a class without a weight has the weight 1;
    3. labels may be one-hot rows, whose greatest entry counts.

    Args:
        y: (N,) or (N, 1) labels, or (N, classes) one-hot rows.
        class_weight: from label to weight.
        dtype: of the result; Keras uses its floatx.

    Returns:
        (N,) weights, on the device of `y`.
    """
    if y.ndim > 1:
        y = y[..., 0] if y.shape[-1] == 1 else y.argmax(-1)  # (3)
    if y.ndim != 1:
        raise ValueError(f"y has rank {y.ndim} without its classes: expected one label a sample")
    labels = y.round() if y.is_floating_point() else y
    weights = torch.ones_like(labels, dtype=dtype)  # (2)
    for label, weight in class_weight.items():  # on the device; a list of labels would wait for it
        weights = torch.where(labels == label, float(weight), weights)
    return weights


def merge_weights(
    sample_weight: torch.Tensor | None,
    mask: torch.Tensor | None,
    dtype: torch.dtype,
    reduction: str | None,
) -> torch.Tensor | None:
    """Returns weights and mask as one tensor of weights; None if there is neither.

    Args:
        sample_weight: of any dtype, or None.
        mask: true where a value counts, or None.
        dtype: of the result.
        reduction: a mean over the batch makes the weights of valid values greater, see
            `reduce_weighted`; with any other, a mask multiplies weights by 0 and 1.
    """
    weight = None if sample_weight is None else sample_weight.to(dtype)
    if mask is None:
        return weight
    valid = mask.to(dtype)
    if reduction in ("mean", "sum_over_batch_size"):
        total = torch.full_like(valid.sum(), valid.numel())
        valid = torch.where(mask.bool(), divide_no_nan(total, valid.sum()), 0)
    if weight is None:
        return valid
    valid, weight = same_rank(valid, weight)
    return weight * valid


def divide_no_nan(numerator: torch.Tensor, denominator: torch.Tensor) -> torch.Tensor:
    """Returns the quotient, or 0 where the denominator is 0; the gradient is 0 there, too."""
    is_zero = denominator == 0
    # The quotient alone under `where` would have a NaN gradient where it is not taken.
    return torch.where(is_zero, 0, numerator / torch.where(is_zero, 1, denominator))
