"""Loss, and how losses of samples become one number by Keras's rules."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import nn

from torch_impl.clip import clip
from torch_impl.masks import mask_of

# --------------------------------------------------------------------------------------------------
#
# Reduces losses of samples to one number: weights, masks, ranks and means by Keras's rules.
#
#     values of samples -> times weights (and mask) -> sum -> divided by the number of values
#
# Source: keras 3.15 `losses/loss.py`, `trainers/data_adapters/data_adapter_utils.py`.


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


# --- Loss: the base class of all losses -----------------------------------------------------------


EPSILON = 1e-7  # `keras.config.epsilon()`, unless a program has changed it


class Loss(nn.Module, abc.ABC):
    """A loss by Keras's rules: `values` for each sample, then weights, then a reduction.

    Differs from a loss of torch.nn in:
    1. `sample_weight` is an argument of the call, and the mean divides by the number of values,
       not by the sum of weights (but see "mean_with_sample_weight");
    2. targets of shape (N,) and outputs of shape (N, 1), or the reverse, are compared sample by
       sample;
    3. the reductions have Keras's names, and the mean over the last axis is taken before them.

    Differs from Keras in two ways. Outputs come first, as in torch. The loss is computed in the
    dtype of the outputs, to which targets are cast; Keras casts both to its floatx.
    Source: keras 3.15 `losses/loss.py`, `losses/losses.py` (`LossFunctionWrapper`).

    Args:
        reduction: see `torch_impl.losses.reduction.reduce_weighted`.
    """

    def __init__(self, reduction: str | None = "sum_over_batch_size") -> None:
        super().__init__()
        check_reduction(reduction)
        self.reduction = reduction  # (3)

    def forward(
        self,
        y_pred: torch.Tensor,
        y_true: torch.Tensor,
        sample_weight: torch.Tensor | None = None,
        mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Returns the loss of a batch.

        Args:
            y_pred: outputs of the model, (N, ...), floating point.
            y_true: targets, in the same shape unless the loss takes another one.
            sample_weight: (N,), or the shape of the values of the loss.
            mask: true where a value counts, in the shape of the values of the loss. None: that
                which `y_pred` carries (see `torch_impl.masks`), if it carries one. A mean then
                divides by the number of values that count, whatever their weights are.

        Returns:
            A scalar, or the values for the reduction "none".

        Raises:
            ValueError: `y_pred` is not floating point, for example if the arguments are swapped.
        """
        if not y_pred.is_floating_point():
            raise ValueError(
                f"y_pred is {y_pred.dtype}: expected floating point; outputs come before targets"
            )
        mask = mask_of(y_pred) if mask is None else mask
        y_true, y_pred = same_rank(self._cast(y_true, y_pred), y_pred)  # (2)
        values = self.values(y_pred, y_true)
        loss_mask = self._mask(y_true, y_pred)
        mask = loss_mask if mask is None else mask if loss_mask is None else mask & loss_mask
        return reduce_weighted(values, sample_weight, mask, self.reduction)  # (1)

    @abc.abstractmethod
    def values(self, y_pred: torch.Tensor, y_true: torch.Tensor) -> torch.Tensor:
        """Returns the loss of each sample, (N, ...) without the last axis of `y_pred`."""

    def _cast(self, y_true: torch.Tensor, y_pred: torch.Tensor) -> torch.Tensor:
        return y_true.to(y_pred.dtype)

    def _mask(self, y_true: torch.Tensor, y_pred: torch.Tensor) -> torch.Tensor | None:
        """Returns which values count if the loss itself decides that, else None."""
        return None

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Makes a loss from the result of Keras's `get_config`; its "name" is ignored."""
        return cls(**{key: value for key, value in config.items() if key not in ("name", "dtype")})

    def extra_repr(self) -> str:
        """Shown in the module's repr."""
        settings = {
            k: v for k, v in vars(self).items() if not k.startswith("_") and k != "training"
        }
        return ", ".join(f"{name}={value!r}" for name, value in settings.items())


def normalize(x: torch.Tensor, axis: int) -> torch.Tensor:
    """Divides by the L2 norm along an axis, or by 1e-7 if the norm is smaller.

    Source: keras 3.15 `ops/nn.py` (`normalize`).
    """
    inverse = x.square().sum(axis, keepdim=True).rsqrt()
    return x * clip(inverse, high=1 / EPSILON)
