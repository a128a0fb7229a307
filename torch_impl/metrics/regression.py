"""RootMeanSquaredError, R2Score and correlations of outputs and targets."""

from __future__ import annotations

import warnings

import torch

from torch_impl.losses.reduction import same_rank
from torch_impl.metrics.base import (
    EPSILON,
    Average,
    MeanMetricWrapper,
    Metric,
    broadcast_weight,
    check_pair,
)

# --- Correlations of outputs and targets. Source: keras 3.15 `metrics/correlation_metrics.py` -----
#
# Both are correlations within a sample, along an axis, averaged over samples. To correlate all
# samples, pass tensors of (N, 1) with axis=0.


class PearsonCorrelation(MeanMetricWrapper):
    """The mean of (y_true - mean) / std * (y_pred - mean) / std, from -1 to 1.

    A row of equal entries gives NaN, and so does every mean with it.

    Args:
        name: see `Metric`.
        dtype: see `Metric`.
        axis: along which entries are correlated.
    """

    direction = "up"

    def __init__(
        self,
        name: str | None = "pearson_correlation",
        dtype: torch.dtype | str | None = None,
        axis: int = -1,
    ) -> None:
        super().__init__(_pearson, name, dtype, axis=axis)
        self.axis = axis


class ConcordanceCorrelation(MeanMetricWrapper):
    """2 * covariance / (variance + variance + (difference of the means)**2 + 1e-7), from -1 to 1.

    Unlike Pearson's, it is 1 only if outputs equal targets.

    Args:
        name: see `Metric`.
        dtype: see `Metric`.
        axis: along which entries are correlated.
    """

    direction = "up"

    def __init__(
        self,
        name: str | None = "concordance_correlation",
        dtype: torch.dtype | str | None = None,
        axis: int = -1,
    ) -> None:
        super().__init__(_concordance, name, dtype, axis=axis)
        self.axis = axis


def _pearson(y_pred: torch.Tensor, y_true: torch.Tensor, axis: int = -1) -> torch.Tensor:
    y_true, y_pred = _paired(y_pred, y_true)
    return (_standard(y_true, axis) * _standard(y_pred, axis)).mean(axis)


def _concordance(y_pred: torch.Tensor, y_true: torch.Tensor, axis: int = -1) -> torch.Tensor:
    y_true, y_pred = _paired(y_pred, y_true)
    mean_true, mean_pred = (y.mean(axis, keepdim=True) for y in (y_true, y_pred))
    variances = [y.var(axis, correction=0, keepdim=True) for y in (y_true, y_pred)]
    norm = variances[0] + variances[1] + (mean_true - mean_pred).square()
    # Targets minus the mean of the outputs: as the second factors add up to 0, any number would do.
    covariances = (y_true - mean_pred) * (y_pred - mean_pred)
    return (2 * covariances / (norm + EPSILON)).mean(axis)


def _paired(y_pred: torch.Tensor, y_true: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    y_true, y_pred = same_rank(y_true.to(y_pred.dtype), y_pred)
    check_pair(y_pred, y_true)
    return y_true, y_pred


def _standard(y: torch.Tensor, axis: int) -> torch.Tensor:
    """Returns y with mean 0 and standard deviation 1, by the deviation of all, not of a sample."""
    centred = y - y.mean(axis, keepdim=True)
    return centred / centred.std(axis, correction=0, keepdim=True)


# --- RootMeanSquaredError and R2Score. Source: keras 3.15 `metrics/regression_metrics.py` ---------


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
            sample_weight: see `torch_impl.metrics.base.samplewise`.
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
