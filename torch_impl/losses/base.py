"""Loss: the base class of all losses."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import nn

from torch_impl.clip import clip
from torch_impl.losses.reduction import check_reduction, reduce_weighted, same_rank
from torch_impl.masks import mask_of

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
        own = self._mask(y_true, y_pred)
        mask = own if mask is None else mask if own is None else mask & own
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
