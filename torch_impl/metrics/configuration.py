"""from_config: the metric that a Keras configuration describes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from torch_impl import losses
from torch_impl.metrics import (
    accuracy,
    auc,
    correlation,
    counts,
    f_score,
    from_losses,
    iou,
    means,
    operating_points,
    regression,
)
from torch_impl.metrics.base import Metric
from torch_impl.metrics.names import snake_case
from torch_impl.near_names import one_of

_CLASSES: tuple[type[Metric], ...] = (
    *(means.Mean, means.Sum),
    *(accuracy.Accuracy, accuracy.BinaryAccuracy, accuracy.CategoricalAccuracy),
    *(accuracy.SparseCategoricalAccuracy, accuracy.TopKCategoricalAccuracy),
    accuracy.SparseTopKCategoricalAccuracy,
    *(from_losses.MeanSquaredError, from_losses.MeanAbsoluteError, from_losses.LogCoshError),
    *(from_losses.MeanAbsolutePercentageError, from_losses.MeanSquaredLogarithmicError),
    *(from_losses.CosineSimilarity, from_losses.Hinge, from_losses.SquaredHinge),
    *(from_losses.CategoricalHinge, from_losses.KLDivergence, from_losses.Poisson),
    *(from_losses.BinaryCrossentropy, from_losses.CategoricalCrossentropy),
    from_losses.SparseCategoricalCrossentropy,
    *(regression.RootMeanSquaredError, regression.R2Score),
    *(correlation.PearsonCorrelation, correlation.ConcordanceCorrelation),
    *(counts.TruePositives, counts.FalsePositives, counts.TrueNegatives, counts.FalseNegatives),
    *(counts.Precision, counts.Recall, auc.AUC),
    *(operating_points.SensitivityAtSpecificity, operating_points.SpecificityAtSensitivity),
    *(operating_points.PrecisionAtRecall, operating_points.RecallAtPrecision),
    *(f_score.FBetaScore, f_score.F1Score),
    *(iou.IoU, iou.BinaryIoU, iou.MeanIoU, iou.OneHotIoU, iou.OneHotMeanIoU),
)
_SHORT: dict[str, type[Metric]] = {
    "bce": from_losses.BinaryCrossentropy,
    "mse": from_losses.MeanSquaredError,
    "mae": from_losses.MeanAbsoluteError,
    "mape": from_losses.MeanAbsolutePercentageError,
    "msle": from_losses.MeanSquaredLogarithmicError,
}
# By Keras's names: that of the class, the same in snake case, and the short ones.
METRICS: dict[str, type[Metric]] = {
    **{name: kind for kind in _CLASSES for name in (kind.__name__, snake_case(kind.__name__))},
    **{name: kind for short, kind in _SHORT.items() for name in (short, short.upper())},
}


def from_config(config: str | Mapping[str, Any], dtype: torch.dtype | str | None = None) -> Metric:
    """Returns the metric that Keras's configuration describes, as `keras.metrics.get` does.

    A name gives a metric with its defaults, whose own name is that of its class: "mae" is called
    "mean_absolute_error". (In `compile(metrics=["mae"])` it is called "mae": see `metric`.) Keras's
    configuration lacks the axis of a cosine: Keras restores its default, and so does this function.

    Args:
        config: a name such as "mse" or "AUC", or a dictionary of `keras.metrics.serialize`, with
            "class_name" and "config". A function of Keras becomes the mean of its values.
        dtype: of the metric, if the configuration has none.

    Raises:
        ValueError: there is no metric of that name here.
        TypeError: the metric needs arguments, which a name does not tell.
    """
    if isinstance(config, str):
        return _class(config)(dtype=dtype)
    kind, settings = config["class_name"], config.get("config") or {}
    if kind == "function":  # whose "config" is its name
        return _of_function(settings, {"name": settings, "dtype": dtype})
    settings = {"dtype": dtype, **{key: value_of(value) for key, value in settings.items()}}
    if kind == "MeanMetricWrapper":
        return _wrapper(settings)
    return _class(kind)(**settings)


def _wrapper(settings: dict[str, Any]) -> Metric:
    """Returns a `MeanMetricWrapper` of the function that "fn" describes."""
    fn = settings.pop("fn")
    if fn["class_name"] == "function":
        return _of_function(fn["config"], settings)
    return means.MeanMetricWrapper(losses.from_config(fn), **settings)


def _of_function(name: Any, settings: dict[str, Any]) -> Metric:
    """Returns the mean of a function of Keras. The name of a loss is its function, not a metric."""
    if name not in losses.LOSSES or name == "sparse_categorical_crossentropy":
        return _class(name)(**settings)  # the latter masks values by its labels
    own = {key: settings.pop(key) for key in ("name", "dtype") if key in settings}
    if settings.get("axis") == -1:  # of the losses, only some take it
        del settings["axis"]
    return from_losses.LossMetric(losses.LOSSES[name](reduction="none", **settings), **own)


def _class(name: Any) -> type[Metric]:
    if name not in METRICS:
        raise ValueError(f"metric {name!r}: {one_of(name, METRICS, 'torch_impl.metrics.METRICS')}")
    return METRICS[name]


def value_of(value: Any) -> Any:
    """Returns a value of a configuration, of an array its numbers."""
    if isinstance(value, Mapping) and value.get("class_name") in ("__tensor__", "__numpy__"):
        return value["config"]["value"]
    return value
