"""RootMeanSquaredError and R2Score. Source: keras 3.15 `metrics/regression_metrics.py`."""

from __future__ import annotations

import warnings

import torch

from torch_impl.losses.reduction import same_rank
from torch_impl.metrics.base import Metric, check_pair
from torch_impl.metrics.means import Average
from torch_impl.metrics.weights import broadcast_weight

_AGGREGATIONS = ("uniform_average", "variance_weighted_average", None)


class RootMeanSquaredError(Average):
    """sqrt(mean((y_pred - y_true)**2)) over all samples of all batches, not a mean of roots."""

    direction = "down"

    def __init__(
        self, name: str | None = "root_mean_squared_error", dtype: torch.dtype | str | None = None
    ) -> None:
        super().__init__(name, dtype)

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
            y_pred: (N, ...).
            y_true: in the same shape, or without its last axis of 1.
            sample_weight: see `torch_impl.metrics.weights.samplewise`.
            mask: has no effect, as in Keras.
        """
        y_true, y_pred = same_rank(y_true.to(self.dtype), y_pred.to(self.dtype))
        check_pair(y_pred, y_true)
        self._average((y_pred - y_true).square(), sample_weight, None)

    def result(self) -> torch.Tensor:
        """Returns the root, a scalar; 0 without any weight."""
        return super().result().sqrt()


class R2Score(Metric):
    """1 - sum((y_true - y_pred)**2) / sum((y_true - mean(y_true))**2), column by column.

    Traps, in Keras as here:
    1. a column of equal targets gives 0, or NaN if all its outputs are right;
    2. the adjusted score counts entries, N * columns, where the formula means samples;
    3. the second sum is computed as sum(y**2) - sum(y)**2 / N, which loses digits if the mean of
       the targets is large. In float32, the score may then be anything.

    Args:
        class_aggregation: "uniform_average", "variance_weighted_average", or None for one score a
            column.
        num_regressors: of the adjusted score; 0 means no adjustment.
        name: see `Metric`.
        dtype: see `Metric`.

    Raises:
        ValueError: an argument has another value.
    """

    direction = "up"

    def __init__(
        self,
        class_aggregation: str | None = "uniform_average",
        num_regressors: int = 0,
        name: str | None = "r2_score",
        dtype: torch.dtype | str | None = None,
    ) -> None:
        super().__init__(name, dtype)
        if class_aggregation not in _AGGREGATIONS:
            raise ValueError(
                f"class_aggregation={class_aggregation!r}: expected one of {_AGGREGATIONS}"
            )
        if num_regressors < 0:
            raise ValueError(f"num_regressors={num_regressors!r}: expected a number of at least 0")
        self.class_aggregation, self.num_regressors = class_aggregation, num_regressors
        self._begin(num_samples=(), squared_sum=(0,), sum=(0,), residual=(0,), count=(0,))

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
            y_pred: (N, columns).
            y_true: (N, columns), or (N,) for one column.
            sample_weight: (), (N,), (N, 1) or (N, columns).
            mask: has no effect, as in Keras.

        Raises:
            ValueError: the shapes are others, or earlier batches had more or fewer columns.
        """
        y_true, y_pred = same_rank(y_true.to(self.dtype), y_pred.to(self.dtype))
        check_columns(self.name, y_pred, y_true)
        weight = y_true.new_ones(()) if sample_weight is None else sample_weight.to(self.dtype)
        weight = broadcast_weight(weight[:, None] if weight.ndim == 1 else weight, y_true.shape)
        self._add(
            sum=(y_true * weight).sum(0),
            squared_sum=(y_true * (y_true * weight)).sum(0),
            residual=((y_true - y_pred).square() * weight).sum(0),
            count=weight.sum(0),
            num_samples=weight.new_tensor(y_true.numel()),  # (2)
        )

    def result(self) -> torch.Tensor:
        """Returns the score, a scalar, or one a column without aggregation.

        Raises:
            ValueError: there was no batch yet.
        """
        total = self._filled("sum")
        variation = self._state["squared_sum"] - total * (total / self._state["count"])  # (3)
        scores = 1 - self._state["residual"] / variation
        scores = torch.where(scores.isinf(), 0.0, scores)  # (1)
        if self.class_aggregation == "uniform_average":
            scores = scores.mean()
        elif self.class_aggregation == "variance_weighted_average":
            scores = (variation * scores).sum() / variation.sum()
        return self._adjusted(scores) if self.num_regressors else scores

    def _adjusted(self, scores: torch.Tensor) -> torch.Tensor:
        num_samples = self._state["num_samples"].float()  # Keras's own dtype here
        if self.num_regressors >= num_samples - 1:
            warnings.warn(
                f"num_regressors={self.num_regressors} with {int(num_samples)} values, too few: "
                "the score is not adjusted",
                stacklevel=3,
            )
            return scores
        free = num_samples - self.num_regressors - 1
        return 1 - (1 - scores) * (num_samples - 1) / free


def check_columns(name: str, y_pred: torch.Tensor, y_true: torch.Tensor) -> None:
    """Raises a ValueError unless outputs and targets are (N, columns)."""
    if y_pred.ndim != 2 or y_pred.shape != y_true.shape:
        raise ValueError(
            f"{name}: y_true has shape {tuple(y_true.shape)}, y_pred {tuple(y_pred.shape)}: "
            "expected (samples, columns) for both"
        )
