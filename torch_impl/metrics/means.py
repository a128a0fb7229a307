"""Sum and Mean of values, and the mean of a function of outputs and targets.

Source: keras 3.15 `metrics/reduction_metrics.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from torch_impl.losses.base import Loss
from torch_impl.losses.reduction import divide_no_nan, merge_weights
from torch_impl.masks import mask_of
from torch_impl.metrics.base import Metric
from torch_impl.metrics.weights import samplewise


class Sum(Metric):
    """sum(weight * values). Axes that the weights lack are added up first."""

    def __init__(self, name: str | None = "sum", dtype: torch.dtype | str | None = None) -> None:
        super().__init__(name, dtype)
        self._begin(total=())

    @torch.no_grad()
    def update(
        self,
        values: torch.Tensor,
        sample_weight: torch.Tensor | None = None,
        mask: torch.Tensor | None = None,
    ) -> None:
        """Adds values of any shape; the rest as for `Mean.update`."""
        values, _ = samplewise(values, sample_weight, mask, torch.sum, self.dtype)
        self._add(total=values.sum())

    def result(self) -> torch.Tensor:
        """Returns the sum, a scalar."""
        return self._state["total"]


class Average(Metric):
    """Base of `Mean` and of means of functions: sum(weight * value) / sum(weight)."""

    def __init__(self, name: str | None = None, dtype: torch.dtype | str | None = None) -> None:
        super().__init__(name, dtype)
        self._begin(total=(), count=())

    def _average(
        self,
        values: torch.Tensor,
        sample_weight: torch.Tensor | None,
        mask: torch.Tensor | None,
    ) -> None:
        values, weight = samplewise(values, sample_weight, mask, torch.mean, self.dtype)
        count = values.new_tensor(values.numel()) if weight is None else weight.sum()
        self._add(total=values.sum(), count=count)

    def result(self) -> torch.Tensor:
        """Returns the mean, a scalar; 0 if the weights add up to 0, or without any batch."""
        return divide_no_nan(self._state["total"], self._state["count"])


class Mean(Average):
    """sum(weight * values) / sum(weight), where each sample first becomes the mean of its values.

    A batch without weights counts as many samples as it has rows, a scalar as one.
    """

    def __init__(self, name: str | None = "mean", dtype: torch.dtype | str | None = None) -> None:
        super().__init__(name, dtype)

    @torch.no_grad()
    def update(
        self,
        values: torch.Tensor,
        sample_weight: torch.Tensor | None = None,
        mask: torch.Tensor | None = None,
    ) -> None:
        """Adds values.

        Args:
            values: (N, ...) of any dtype, or a scalar.
            sample_weight: see `torch_impl.metrics.weights.samplewise`.
            mask: true where a value counts. As in Keras, it has no effect without sample weights.

        Raises:
            ValueError: the weights cannot be broadcast to the values.
        """
        self._average(values, sample_weight, mask)


class MeanMetricWrapper(Average):
    """The mean of a function of outputs and targets, as `compile(metrics=[function])` makes it.

    Args:
        fn: takes (y_pred, y_true, **kwargs), outputs first, and returns values, (N, ...). A loss
            of `torch_impl.losses` returns one number a batch, which counts as one sample.
        name: see `Metric`.
        dtype: see `Metric`; the function computes in the dtype of the outputs.
        **kwargs: of the function.
    """

    def __init__(
        self,
        fn: Callable[..., torch.Tensor],
        name: str | None = None,
        dtype: torch.dtype | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name, dtype)
        self._fn, self._settings = fn, kwargs
        if isinstance(fn, Loss):
            self.direction = "down"

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
            y_pred: outputs of the model, (N, ...).
            y_true: targets.
            sample_weight: (N,), or in the shape of the values of the function.
            mask: true where a value counts, in the shape of the values; it multiplies the weights.
                None: that which `y_pred` carries (see `torch_impl.masks`), if it carries one.

        Raises:
            ValueError: shapes do not fit.
        """
        mask = mask_of(y_pred) if mask is None else mask
        values = self._fn(y_pred, y_true, **self._settings)
        weight = merge_weights(sample_weight, mask, self.dtype, "sum")
        self._average(values, weight, self._values_mask(y_pred, y_true))

    def _values_mask(self, y_pred: torch.Tensor, y_true: torch.Tensor) -> torch.Tensor | None:
        """Which values count if the function itself says that, else None."""
        return None
