"""Correlations of outputs and targets. Source: keras 3.15 `metrics/correlation_metrics.py`.

Both are correlations within a sample, along an axis, averaged over samples. To correlate all
samples, pass tensors of (N, 1) with axis=0.
"""

from __future__ import annotations

import torch

from torch_impl.losses.reduction import same_rank
from torch_impl.metrics.base import EPSILON, check_pair
from torch_impl.metrics.means import MeanMetricWrapper


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
