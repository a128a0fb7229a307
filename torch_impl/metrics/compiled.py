"""What `model.compile(metrics=[...])` makes of a string, a configuration or a function.

Source: keras 3.15 `trainers/compile_utils.py` (`get_metric`, `get_loss`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from torch_impl import losses
from torch_impl.metrics.accuracy import (
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
)
from torch_impl.metrics.adapted import Adapted, is_adaptable
from torch_impl.metrics.base import Metric
from torch_impl.metrics.configuration import from_config
from torch_impl.metrics.means import MeanMetricWrapper

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
