"""Losses as metrics: their values of samples, averaged over batches with sample weights.

The formulas are those of `torch_impl.losses`. A metric divides by the sum of the weights, where a
loss divides by the number of values.

Source: keras 3.15 `metrics/regression_metrics.py`, `probabilistic_metrics.py`, `hinge_metrics.py`.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from torch_impl import losses
from torch_impl.metrics.base import MeanMetricWrapper

# Keras's functions of these do not bring targets and outputs to the same rank, and broadcast.
_BROADCAST = (
    *(losses.Hinge, losses.SquaredHinge, losses.CategoricalHinge),
    *(losses.KLDivergence, losses.Poisson),
)


def values_of(loss: losses.Loss) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Returns Keras's function of a loss: (y_pred, y_true) to the values of samples.

    Args:
        loss: made with reduction="none".
    """

    def values(y_pred: torch.Tensor, y_true: torch.Tensor) -> torch.Tensor:
        if isinstance(loss, _BROADCAST) and y_pred.is_floating_point():
            return loss.values(y_pred, y_true.to(y_pred.dtype))
        result: torch.Tensor = loss(y_pred, y_true)
        return result

    return values


class LossMetric(MeanMetricWrapper):
    """The mean of the values of a loss. Base of the metrics of this file.

    Values are computed in the dtype of the outputs, from their logits if they carry any (see
    `torch_impl.losses.logits`).

    A trap, in Keras as here: the hinges, `KLDivergence` and `Poisson` broadcast. Outputs (N, 1)
    with targets (N,) make N * N pairs; the losses compare sample by sample.

    Args:
        loss: of `torch_impl.losses`, with reduction="none".
        name: see `Metric`.
        dtype: see `Metric`.
    """

    direction = "down"

    def __init__(
        self, loss: losses.Loss, name: str | None = None, dtype: torch.dtype | str | None = None
    ) -> None:
        super().__init__(values_of(loss), name, dtype)


class MeanSquaredError(LossMetric):
    """The mean of `torch_impl.losses.MeanSquaredError`."""

    def __init__(
        self, name: str | None = "mean_squared_error", dtype: torch.dtype | str | None = None
    ) -> None:
        super().__init__(losses.MeanSquaredError("none"), name, dtype)


class MeanAbsoluteError(LossMetric):
    """The mean of `torch_impl.losses.MeanAbsoluteError`."""

    def __init__(
        self, name: str | None = "mean_absolute_error", dtype: torch.dtype | str | None = None
    ) -> None:
        super().__init__(losses.MeanAbsoluteError("none"), name, dtype)


class MeanAbsolutePercentageError(LossMetric):
    """The mean of `torch_impl.losses.MeanAbsolutePercentageError`, in percent."""

    def __init__(
        self,
        name: str | None = "mean_absolute_percentage_error",
        dtype: torch.dtype | str | None = None,
    ) -> None:
        super().__init__(losses.MeanAbsolutePercentageError("none"), name, dtype)


class MeanSquaredLogarithmicError(LossMetric):
    """The mean of `torch_impl.losses.MeanSquaredLogarithmicError`."""

    def __init__(
        self,
        name: str | None = "mean_squared_logarithmic_error",
        dtype: torch.dtype | str | None = None,
    ) -> None:
        super().__init__(losses.MeanSquaredLogarithmicError("none"), name, dtype)


class LogCoshError(LossMetric):
    """The mean of `torch_impl.losses.LogCosh`. Keras calls it "logcosh"."""

    def __init__(
        self, name: str | None = "logcosh", dtype: torch.dtype | str | None = None
    ) -> None:
        super().__init__(losses.LogCosh("none"), name, dtype)


class CosineSimilarity(MeanMetricWrapper):
    """The mean cosine, 1 for the same direction: the loss of that name with the other sign.

    Args:
        name: see `Metric`.
        dtype: see `Metric`.
        axis: of the vectors. Keras's `get_config` lacks it.
    """

    direction = "up"

    def __init__(
        self,
        name: str | None = "cosine_similarity",
        dtype: torch.dtype | str | None = None,
        axis: int = -1,
    ) -> None:
        values = values_of(losses.CosineSimilarity(axis, "none"))
        super().__init__(lambda y_pred, y_true: -values(y_pred, y_true), name, dtype)
        self.axis = axis


class Hinge(LossMetric):
    """The mean of `torch_impl.losses.Hinge`."""

    def __init__(self, name: str | None = "hinge", dtype: torch.dtype | str | None = None) -> None:
        super().__init__(losses.Hinge("none"), name, dtype)


class SquaredHinge(LossMetric):
    """The mean of `torch_impl.losses.SquaredHinge`."""

    def __init__(
        self, name: str | None = "squared_hinge", dtype: torch.dtype | str | None = None
    ) -> None:
        super().__init__(losses.SquaredHinge("none"), name, dtype)


class CategoricalHinge(LossMetric):
    """The mean of `torch_impl.losses.CategoricalHinge`."""

    def __init__(
        self, name: str | None = "categorical_hinge", dtype: torch.dtype | str | None = None
    ) -> None:
        super().__init__(losses.CategoricalHinge("none"), name, dtype)


class KLDivergence(LossMetric):
    """The mean of `torch_impl.losses.KLDivergence`."""

    def __init__(
        self, name: str | None = "kl_divergence", dtype: torch.dtype | str | None = None
    ) -> None:
        super().__init__(losses.KLDivergence("none"), name, dtype)


class Poisson(LossMetric):
    """The mean of `torch_impl.losses.Poisson`."""

    def __init__(
        self, name: str | None = "poisson", dtype: torch.dtype | str | None = None
    ) -> None:
        super().__init__(losses.Poisson("none"), name, dtype)


class BinaryCrossentropy(LossMetric):
    """The mean of `torch_impl.losses.BinaryCrossentropy`, which explains the arguments.

    Targets of shape (N,) belong to predictions of shape (N, 1), or the other way round; Keras
    raises an error for them.
    """

    def __init__(
        self,
        name: str | None = "binary_crossentropy",
        dtype: torch.dtype | str | None = None,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
    ) -> None:
        loss = losses.BinaryCrossentropy(from_logits, label_smoothing, reduction="none")
        super().__init__(loss, name, dtype)
        self.from_logits, self.label_smoothing = from_logits, label_smoothing


class CategoricalCrossentropy(LossMetric):
    """The mean of `torch_impl.losses.CategoricalCrossentropy`, which explains the arguments."""

    def __init__(
        self,
        name: str | None = "categorical_crossentropy",
        dtype: torch.dtype | str | None = None,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
    ) -> None:
        loss = losses.CategoricalCrossentropy(from_logits, label_smoothing, axis, "none")
        super().__init__(loss, name, dtype)
        self.from_logits, self.label_smoothing, self.axis = from_logits, label_smoothing, axis


class SparseCategoricalCrossentropy(LossMetric):
    """The mean of `torch_impl.losses.SparseCategoricalCrossentropy`, which explains the arguments.

    A trap, in Keras as here: samples with the label `ignore_class` count as samples of loss 0. Only
    if there are sample weights or a mask, they do not count.

    Args:
        name: see `Metric`.
        dtype: see `Metric`.
        from_logits: whether outputs are logits.
        ignore_class: label without a loss.
        axis: of the classes, which must be the last one, as with TensorFlow.
    """

    def __init__(
        self,
        name: str | None = "sparse_categorical_crossentropy",
        dtype: torch.dtype | str | None = None,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
    ) -> None:
        loss = losses.SparseCategoricalCrossentropy(from_logits, ignore_class, "none")
        super().__init__(loss, name, dtype)
        self.from_logits, self.ignore_class, self.axis = from_logits, ignore_class, axis

    @torch.no_grad()
    def update(
        self,
        y_pred: torch.Tensor,
        y_true: torch.Tensor,
        sample_weight: torch.Tensor | None = None,
        mask: torch.Tensor | None = None,
    ) -> None:
        """Adds a batch: `y_pred` is (N, ..., classes), `y_true` (N, ...) or (N, ..., 1)."""
        if self.axis not in (-1, y_pred.ndim - 1):
            raise ValueError(f"axis={self.axis}: expected -1, the last axis of the outputs")
        super().update(y_pred, y_true, sample_weight, mask)

    def _values_mask(self, y_pred: torch.Tensor, y_true: torch.Tensor) -> torch.Tensor | None:
        if self.ignore_class is None:
            return None
        return (y_true != self.ignore_class).reshape(y_pred.shape[:-1])
