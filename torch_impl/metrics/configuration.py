"""from_config: metrics of a configuration, of `compile`, or of another library."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from torch_impl import losses
from torch_impl.metrics import accuracy, base, confusion, f_score, from_losses, regression
from torch_impl.metrics.accuracy import (
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
)
from torch_impl.metrics.base import MeanMetricWrapper, Metric, snake_case
from torch_impl.torch_names import one_of

# --------------------------------------------------------------------------------------------------
#
# Adapted: a metric of another library, or of the user's own, with update, compute and reset.


def is_adaptable(given: Any) -> bool:
    """Whether an object has `update`, `compute` and `reset`, as the metrics of torchmetrics do."""
    is_object = not isinstance(given, type | Metric)
    return is_object and all(
        callable(getattr(given, name, None)) for name in ("update", "compute", "reset")
    )


class Adapted(Metric):
    """Calls `update(y_pred, y_true)` of another object, and `compute()` for the result.

    Args:
        given: has `update(y_pred, y_true)`, `compute()`, which returns one number, and `reset()`.
            Its `update` gets `sample_weight=` if it has that argument.
        name: under which the history lists it; None means its attribute `name`, else its class in
            snake case.
        dtype: of the result.
    """

    def __init__(
        self, given: Any, name: str | None = None, dtype: torch.dtype | str | None = None
    ) -> None:
        metric_name = getattr(given, "name", None)
        automatic = (
            metric_name
            if isinstance(metric_name, str) and metric_name
            else snake_case(type(given).__name__)
        )
        super().__init__(name or automatic, dtype)
        self._given = given
        self._takes_weights = "sample_weight" in inspect.signature(given.update).parameters

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
            sample_weight: (N,).
            mask: ignored.

        Raises:
            ValueError: there are weights, and `update` of the object takes none.
        """
        if sample_weight is None:
            self._given.update(y_pred, y_true)
            return
        if not self._takes_weights:
            raise ValueError(
                f"the weighted metric {self.name}: its update takes no weights; expected "
                "update(y_pred, y_true, sample_weight=None), or the metric in Port(metrics=...)"
            )
        self._given.update(y_pred, y_true, sample_weight=sample_weight)

    def result(self) -> torch.Tensor:
        """Returns what `compute` says of all batches since the last reset."""
        return torch.as_tensor(self._given.compute(), dtype=self.dtype)

    def reset(self) -> None:
        """Forgets all batches."""
        super().reset()
        if hasattr(self, "_given"):  # the base class resets before there is any
            self._given.reset()


# --- from_config: the metric that a Keras configuration describes ---------------------------------


_CLASSES: tuple[type[Metric], ...] = (
    *(base.Mean, base.Sum),
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
    *(regression.PearsonCorrelation, regression.ConcordanceCorrelation),
    *(
        confusion.TruePositives,
        confusion.FalsePositives,
        confusion.TrueNegatives,
        confusion.FalseNegatives,
    ),
    *(confusion.Precision, confusion.Recall, confusion.AUC),
    *(confusion.SensitivityAtSpecificity, confusion.SpecificityAtSensitivity),
    *(confusion.PrecisionAtRecall, confusion.RecallAtPrecision),
    *(f_score.FBetaScore, f_score.F1Score),
    *(f_score.IoU, f_score.BinaryIoU, f_score.MeanIoU, f_score.OneHotIoU, f_score.OneHotMeanIoU),
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
    return base.MeanMetricWrapper(losses.from_config(fn), **settings)


def _of_function(name: Any, settings: dict[str, Any]) -> Metric:
    """Returns the mean of a function of Keras. The name of a loss is its function, not a metric."""
    if name not in losses.LOSSES or name == "sparse_categorical_crossentropy":
        return _class(name)(**settings)  # the latter masks values by its labels
    common = {key: settings.pop(key) for key in ("name", "dtype") if key in settings}
    if settings.get("axis") == -1:  # of the losses, only some take it
        del settings["axis"]
    return from_losses.LossMetric(losses.LOSSES[name](reduction="none", **settings), **common)


def _class(name: Any) -> type[Metric]:
    if name not in METRICS:
        raise ValueError(f"metric {name!r}: {one_of(name, METRICS, 'torch_impl.metrics.METRICS')}")
    return METRICS[name]


def value_of(value: Any) -> Any:
    """Returns a value of a configuration, of an array its numbers."""
    if isinstance(value, Mapping) and value.get("class_name") in ("__tensor__", "__numpy__"):
        return value["config"]["value"]
    return value


# --- What `model.compile(metrics=[...])` makes of a string, a configuration or a function ---------
#
# Source: keras 3.15 `trainers/compile_utils.py` (`get_metric`, `get_loss`).


Shape = Sequence[int]
# An object with update, compute and reset is of no type that could be named.
Identifier = Metric | str | Mapping[str, Any] | Callable[..., torch.Tensor] | Any


def metric(
    identifier: Identifier,
    output_shape: Shape | None = None,
    target_shape: Shape | None = None,
    dtype: torch.dtype | str | None = None,
) -> Metric:
    """Returns the metric that `compile(metrics=[identifier])` makes, with its name in the history.

    Args:
        identifier: a metric, which is returned as it is; a name, which becomes the name of the
            metric: "mae", "acc"; a dictionary of `keras.metrics.serialize`; a function of
            (y_pred, y_true), whose own name becomes the name of the metric; or an object with
            `update`, `compute` and `reset`, see `Adapted`.
        output_shape: of the outputs of the model, with the batch; for "accuracy" and "acc".
        target_shape: of the targets, with the batch; likewise.
        dtype: see `Metric`.

    Raises:
        ValueError: there is no metric of that name, or an accuracy has no shapes.
    """
    if isinstance(identifier, Metric):
        return identifier
    if isinstance(identifier, str):
        if identifier.lower() not in ("accuracy", "acc"):
            made = from_config(identifier, dtype)
            made.name = identifier
            return made
        if output_shape is None or target_shape is None:
            raise ValueError(
                f"{identifier!r} without shapes: expected output_shape and target_shape, which "
                "tell the binary, sparse and categorical accuracies apart"
            )
        return accuracy_for(output_shape, target_shape, identifier, dtype)
    if isinstance(identifier, Mapping):
        return from_config(identifier, dtype)
    if is_adaptable(identifier):
        return Adapted(identifier, dtype=dtype)
    if not callable(identifier) or isinstance(identifier, type):
        raise ValueError(
            f"metric {identifier!r}: expected a name, a metric, a function of (y_pred, y_true), or "
            "an object with update, compute and reset"
        )
    return MeanMetricWrapper(identifier, getattr(identifier, "__name__", None), dtype)


def accuracy_for(
    output_shape: Shape,
    target_shape: Shape,
    name: str = "accuracy",
    dtype: torch.dtype | str | None = None,
) -> Metric:
    """Returns the metric that "accuracy" means for a model. The loss does not matter.

    - One column of outputs: `BinaryAccuracy`, with the threshold 0.5 even if outputs are logits.
    - Targets with fewer axes than outputs, or with a last axis of 1: `SparseCategoricalAccuracy`.
    - Else `CategoricalAccuracy`.

    Args:
        output_shape: of the outputs of the model, with the batch: (N, ..., classes).
        target_shape: of the targets, with the batch: (N, ...).
        name: of the metric.
        dtype: see `Metric`.
    """
    is_binary, is_sparse = _kind(output_shape, target_shape)
    if is_binary:
        return BinaryAccuracy(name, dtype)
    return (SparseCategoricalAccuracy if is_sparse else CategoricalAccuracy)(name, dtype)


def crossentropy_for(output_shape: Shape, target_shape: Shape) -> losses.Loss:
    """Returns the loss that `compile(loss="crossentropy")` means, by the rule of `accuracy_for`.

    It takes probabilities. "ce" is another name of it. As metrics, Keras refuses both names.
    """
    is_binary, is_sparse = _kind(output_shape, target_shape)
    if is_binary:
        return losses.BinaryCrossentropy()
    if is_sparse:
        return losses.SparseCategoricalCrossentropy()
    return losses.CategoricalCrossentropy()


def _kind(output_shape: Shape, target_shape: Shape) -> tuple[bool, bool]:
    """Whether outputs are binary, and whether targets are labels."""
    for name, shape in (("output_shape", output_shape), ("target_shape", target_shape)):
        if not shape:
            raise ValueError(f"{name} is {tuple(shape)}: expected at least the axis of the batch")
    is_sparse = len(target_shape) < len(output_shape) or target_shape[-1] == 1
    return output_shape[-1] == 1, is_sparse
