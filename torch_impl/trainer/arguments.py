"""What `fit` was given, sorted: the samples or batches of training and of validation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from torch_impl.losses import sample_weights
from torch_impl.trainer.batches import Batch, GivenBatches, samples, split_off


def sorted_data(
    x: Any,
    y: Any,
    sample_weight: Any,
    class_weight: Mapping[int, float] | None,
    validation_split: float,
    validation_data: Any,
    dtype: torch.dtype,
) -> tuple[Any, Any]:
    """Returns what to train on and what to validate on.

    Args:
        x: as in `Trainer.fit`, as are the next five.
        y: targets.
        sample_weight: weights of the samples.
        class_weight: weights of the labels.
        validation_split: share of the samples.
        validation_data: beside the samples of training.
        dtype: of weights that follow from the labels.

    Returns:
        For each of the two a Batch with all samples, or batches as they come; None without
        validation.

    Raises:
        ValueError: they do not fit together.
    """
    validation = None if validation_data is None else _validation(validation_data)
    has_split = bool(validation_split) and validation is None
    if gives_batches(x, y):
        if sample_weight is not None:
            raise ValueError("sample_weight with batches: expected batches (x, y, weight)")
        if has_split:
            raise ValueError(
                f"validation_split={validation_split!r} with batches: expected arrays, or "
                "validation_data"
            )
        return GivenBatches(x, weighting(class_weight, dtype)), validation
    train = samples(x, y, sample_weight, "x, y and sample_weight")
    if has_split:
        train, validation = split_off(train, validation_split)
    return weighting(class_weight, dtype)(train), validation


def gives_batches(x: Any, y: Any) -> bool:
    """Whether x gives batches: it is no array, and there are no targets beside it."""
    is_nest = isinstance(x, np.ndarray | torch.Tensor | tuple | list | Mapping)
    return y is None and not is_nest


def is_validated(epoch: int, frequency: int | Sequence[int]) -> bool:
    """Whether an epoch, from 0, is validated by Keras's `validation_freq`."""
    if isinstance(frequency, int):
        return (epoch + 1) % frequency == 0
    return epoch + 1 in frequency


def check_numbers(**numbers: int | None) -> None:
    """Rejects numbers that are not whole or too small.

    Raises:
        ValueError: `epochs` is below 0, or another one below 1.
    """
    for name, number in numbers.items():
        least = 0 if name == "epochs" else 1
        is_whole = isinstance(number, int) and not isinstance(number, bool)
        if number is not None and not (is_whole and number >= least):
            raise ValueError(f"{name}={number!r}: expected a whole number of at least {least}")


def _validation(given: Any) -> Any:
    if isinstance(given, tuple | list) and len(given) in (2, 3):
        x, y, weight = (*given, None)[:3]
        return samples(x, y, weight, "validation_data")
    return GivenBatches(given)


def weighting(
    class_weight: Mapping[int, float] | None, dtype: torch.dtype
) -> Callable[[Batch], Batch]:
    """Returns what gives the samples of a batch the weights of their classes.

    Args:
        class_weight: from label to weight; None: a batch stays as it is.
        dtype: of the weights.
    """

    def weighted(batch: Batch) -> Batch:
        if class_weight is None:
            return batch
        if batch.weight is not None:
            raise ValueError("class_weight with weights of the samples: expected one of them")
        if batch.y is None or isinstance(batch.y, tuple | list | Mapping):
            raise ValueError("class_weight: expected one array of targets, as in Keras")
        weights = sample_weights(torch.as_tensor(batch.y), class_weight, dtype)
        return Batch(batch.x, batch.y, weights)

    return weighted
