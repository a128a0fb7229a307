"""The batches of `fit`: from arrays in Keras's order, or as an iterable gives them."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch

from torch_impl.losses import sample_weights

# --- Nests: arrays in tuples, lists and mappings, as `fit` takes several inputs and targets -------


def mapped(function: Callable[[Any], Any], nest: Any) -> Any:
    """Applies a function to every array of a nest; None stays None.

    Args:
        function: of one array.
        nest: an array, None, or a tuple, list or mapping of nests.

    Returns:
        The same structure.
    """
    if nest is None:
        return None
    if isinstance(nest, Mapping):
        return {name: mapped(function, part) for name, part in nest.items()}
    if isinstance(nest, tuple | list):
        return type(nest)(mapped(function, part) for part in nest)
    return function(nest)


def leaves(nest: Any) -> Iterator[Any]:
    """Yields the arrays of a nest, without None."""
    if nest is None:
        return
    if isinstance(nest, Mapping):
        nest = list(nest.values())
    if isinstance(nest, tuple | list):
        for part in nest:
            yield from leaves(part)
        return
    yield nest


# --- The batches of `fit`: from arrays in Keras's order, or as an iterable gives them -------------
#
# Source: keras 3.15 `trainers/data_adapters/array_data_adapter.py`, `array_slicing.py`,
# `trainers/epoch_iterator.py`.


@dataclass(frozen=True)
class Batch:
    """One batch, or all samples.

    Attributes:
        x: inputs: an array, or a tuple, list or mapping of arrays, (N, ...) each.
        y: targets, of the same kinds; None if there are none.
        weight: of the samples, of the same kinds; None if all count alike.
    """

    x: Any
    y: Any = None
    weight: Any = None

    def __len__(self) -> int:
        return len(next(leaves(self.x)))

    def mapped(self, function: Callable[[Any], Any]) -> Batch:
        """Applies a function to every array."""
        return Batch(*(mapped(function, part) for part in (self.x, self.y, self.weight)))

    def parts(self) -> tuple[Any, ...]:
        """Returns (x, y), or (x, y, weight), as a loop over batches takes them."""
        return (self.x, self.y) if self.weight is None else (self.x, self.y, self.weight)

    def rows(self, start: int, end: int | None = None) -> Batch:
        """Returns some samples in a row."""
        return self.mapped(lambda array: array[start:end])


def samples(x: Any, y: Any, weight: Any, where: str) -> Batch:
    """Returns the arrays that `fit` was given as one batch.

    Args:
        x: inputs.
        y: targets.
        weight: weights of the samples, or None.
        where: name of the arguments for messages, such as "x, y".

    Raises:
        ValueError: there are no samples, or not the same number in all arrays.
    """
    lengths = [len(array) for array in leaves((x, y, weight))]
    if len(set(lengths)) != 1 or not lengths[0]:
        raise ValueError(
            f"{where} have {', '.join(map(str, lengths)) or 'no'} samples: expected the same "
            "number, at least 1, in every array"
        )
    return Batch(x, y, weight)


def split_off(whole: Batch, share: float) -> tuple[Batch, Batch]:
    """Returns what `validation_split` leaves for training, and the last samples.

    Args:
        whole: all samples.
        share: of the samples that are for validation, in (0, 1).

    Raises:
        ValueError: one of the parts would be empty.
    """
    size = len(whole)
    at = math.floor(size * (1.0 - share)) if 0 < share < 1 else 0
    if not 0 < at < size:
        raise ValueError(
            f"validation_split={share!r} of {size} samples: expected a share in (0, 1) that leaves "
            "at least one sample for each part"
        )
    return whole.rows(0, at), whole.rows(at)


class Batches(Protocol):
    """One pass over them is one epoch of the data."""

    @property
    def number(self) -> int | None:
        """Number of batches; None if it is not known."""

    def __iter__(self) -> Iterator[Batch]: ...


class ArrayBatches:
    """Batches of arrays, the same in every epoch; the last one may be smaller and is kept.

    Args:
        whole: all samples.
        batch_size: samples in a batch, at least 1.
        order: (N,) numbers of the samples; None: as they are.
    """

    def __init__(self, whole: Batch, batch_size: int, order: torch.Tensor | None = None) -> None:
        if order is not None:
            # Once, so that a batch is a view and not a copy.
            whole = whole.mapped(lambda array: array[_like(order, array)])
        self._whole, self._batch_size = whole, batch_size

    @property
    def number(self) -> int:
        """Number of batches."""
        return -(-len(self._whole) // self._batch_size)

    def __iter__(self) -> Iterator[Batch]:
        for start in range(0, len(self._whole), self._batch_size):
            yield self._whole.rows(start, start + self._batch_size)


class GivenBatches:
    """Batches that an iterable gives: x, (x, y) or (x, y, weight); one pass is one epoch.

    Args:
        given: such an iterable, for example a DataLoader. A generator, which can be passed through
            only once, is enough for one epoch, or for all with `steps_per_epoch`.
        change: applied to every batch.
    """

    def __init__(
        self, given: Iterable[Any], change: Callable[[Batch], Batch] = lambda batch: batch
    ) -> None:
        self._given, self._change = given, change

    @property
    def number(self) -> int | None:
        """Number of batches; None if it is not known."""
        return len(self._given) if isinstance(self._given, Sized) else None

    def __iter__(self) -> Iterator[Batch]:
        for item in self._given:
            is_parts = isinstance(item, tuple | list)
            yield self._change(Batch(*item[:3]) if is_parts else Batch(item))


class PreparedBatches:
    """Batches, each of them changed before it is used.

    Args:
        batches: as they come.
        prepare: returns the batch that is used.
    """

    def __init__(self, batches: Batches, prepare: Callable[[Batch], Batch]) -> None:
        self._batches, self._prepare = batches, prepare

    @property
    def number(self) -> int | None:
        """Number of batches; None if it is not known."""
        return self._batches.number

    def __iter__(self) -> Iterator[Batch]:
        return map(self._prepare, self._batches)


class Epochs:
    """Cuts what batches give into epochs, as Keras does.

    Without `steps_per_epoch`, an epoch is one pass. With it, the next epoch goes on where the last
    one ended; where the batches end within an epoch, the epoch ends there with a warning.

    Args:
        batches: one pass over them is one epoch of the data.
        steps: number of steps of an epoch; None: a pass.
    """

    def __init__(self, batches: Batches, steps: int | None) -> None:
        self._batches, self._steps = batches, steps
        self._pass: Iterator[Batch] | None = None
        self._num_yielded = 0

    @property
    def number(self) -> int | None:
        """Number of batches of an epoch; None if it is not known."""
        return self._batches.number if self._steps is None else self._steps

    def epoch(self) -> Iterator[Batch]:
        """Yields the batches of the next epoch."""
        if self._steps is None:
            yield from self._batches
            return
        if self._pass is None:
            self._begin()
        assert self._pass is not None
        for _ in range(self._steps):
            batch = next(self._pass, None)
            if batch is None:
                warnings.warn(
                    f"the data ended after {self._num_yielded} steps; expected at least "
                    f"steps_per_epoch = {self._steps} of them in every epoch",
                    stacklevel=2,
                )
                self._pass = None
                return
            self._num_yielded += 1
            yield batch
        if self._batches.number is not None and self._num_yielded >= self._batches.number:
            self._begin()

    def _begin(self) -> None:
        self._pass, self._num_yielded = iter(self._batches), 0


def _like(order: torch.Tensor, array: Any) -> Any:
    """Returns an index in the form that an array takes."""
    return order.to(array.device) if isinstance(array, torch.Tensor) else order.numpy()


# --- What `fit` was given, sorted: the samples or batches of training and of validation -----------


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
    return given if isinstance(given, GivenBatches) else GivenBatches(given)


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
