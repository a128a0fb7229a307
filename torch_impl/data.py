"""Feeds the training samples, epoch by epoch in the order of Keras's `fit`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from torch_impl.image_data import image_data_generator
from torch_impl.seeds import KerasSeeds

if TYPE_CHECKING:
    from parity.data.dataset import Data
    from parity.programs.run_spec import RunSpec
    from torch_impl.augment import ImageDataGenerator, KerasTransform, Parameters

# Batch size of evaluations, which larger batches make faster.
EVALUATION_BATCH_SIZE = 256

# Pixels that are augmented at once: enough for all threads, few enough for the processor's cache.
AHEAD = 2**19


@dataclass(frozen=True)
class Batch:
    """One batch.

    Attributes:
        x: (N, C, H, W) images in channels-last memory.
        y: (N,) int64 labels.
        index: (N,) int64, the numbers of the training samples.
        params: the parameters of the augmentation, or None.
    """

    x: torch.Tensor
    y: torch.Tensor
    index: torch.Tensor
    params: Parameters | None


class Batches(Protocol):
    """Iterating once is one epoch; the next iteration is the next epoch."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Batch]: ...


class ArrayBatches:
    """Feeds what `model.fit(x, y, shuffle=True)` feeds: one permutation, the same in every epoch.

    The samples are put into this order once, so that a batch is a view and not a copy.
    """

    def __init__(
        self, x: torch.Tensor, y: torch.Tensor, batch_size: int, order: torch.Tensor
    ) -> None:
        on_device = order.to(x.device)
        parts = zip(
            x[on_device].split(batch_size),
            y[on_device].split(batch_size),
            order.split(batch_size),
            strict=True,
        )
        self._batches = [Batch(images, labels, index, None) for images, labels, index in parts]

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[Batch]:
        return iter(self._batches)


class FlowBatches:
    """Feeds what `model.fit(datagen.flow(x, y))` feeds, see `FitFlow`.

    Several batches are augmented at once. They get the same parameters as one after the other,
    since these are drawn image by image.
    """

    def __init__(
        self,
        x: torch.Tensor,
        y: torch.Tensor,
        batch_size: int,
        datagen: ImageDataGenerator,
        seeds: KerasSeeds,
    ) -> None:
        from torch_impl.augment import FitFlow  # torchvision takes as long as torch

        self._flow = datagen.flow(x, y, batch_size)
        self._fed = FitFlow(self._flow, seeds)

    def __len__(self) -> int:
        return len(self._flow)

    def __iter__(self) -> Iterator[Batch]:
        indices = [self._flow.indices(number) for number in self._fed.begin()]
        at_once = max(1, AHEAD // (self._flow.batch_size * self._flow.x[0].numel()))
        for start in range(0, len(indices), at_once):
            yield from self._augmented(indices[start : start + at_once])
        self._fed.end()

    def _augmented(self, indices: list[torch.Tensor]) -> Iterator[Batch]:
        x, y = self._flow.batch_of(torch.cat(indices))
        assert self._flow.params is not None
        sizes = [len(index) for index in indices]
        ends = np.cumsum(sizes)[:-1]
        drawn = [np.split(values, ends) for values in self._flow.params.values()]
        params = [
            dict(zip(self._flow.params, part, strict=True)) for part in zip(*drawn, strict=True)
        ]
        for batch in zip(x.split(sizes), y.split(sizes), indices, params, strict=True):
            yield Batch(*batch)


class OwnBatches:
    """Feeds what `fit` feeds, but draws from torch's own generator.

    As in a seeded Keras program, arrays have one order for all epochs, and augmented batches have a
    new one in each. (A DataLoader with shuffle=True draws a new order for both, with which a
    network memorises the training samples later; see docs/behaviour.md.)

    Args:
        x: (N, C, H, W) images.
        y: (N,) labels.
        batch_size: samples per step.
        transform: applied to a batch of images, or None.
    """

    def __init__(
        self,
        x: torch.Tensor,
        y: torch.Tensor,
        batch_size: int,
        transform: KerasTransform | None = None,
    ) -> None:
        self._x, self._y, self._batch_size, self._transform = x, y, batch_size, transform
        self._order = torch.randperm(len(x))

    def __len__(self) -> int:
        return -(-len(self._x) // self._batch_size)

    def __iter__(self) -> Iterator[Batch]:
        batches = ArrayBatches(self._x, self._y, self._batch_size, self._order)
        if self._transform is None:
            yield from batches
            return
        for batch in batches:
            yield replace(batch, x=self._transform(batch.x))
        self._order = torch.randperm(len(self._x))


def training_data(spec: RunSpec, data: Data, seeds: KerasSeeds) -> Batches:
    """Returns the training batches of a spec.

    Args:
        spec: gives batch size, augmentation, dtype and device.
        data: the arrays of the run.
        seeds: the seeds after the model was built.
    """
    x, y = to_tensors(spec, data.x_train, data.y_train)
    is_independent = spec.mode == "independent"
    if spec.augmentation is None:
        if is_independent:
            return OwnBatches(x, y, spec.batch_size)
        return ArrayBatches(x, y, spec.batch_size, seeds.fit_order(len(x)))
    if is_independent:
        transform = image_data_generator(spec.augmentation, spec.dtype).transform
        return OwnBatches(x, y, spec.batch_size, transform)
    datagen = image_data_generator(spec.augmentation, spec.dtype, seeds)
    return FlowBatches(x, y, spec.batch_size, datagen, seeds)


def validation_data(spec: RunSpec, data: Data) -> Batches:
    """Returns the validation batches of a spec: in order, not augmented.

    For arrays Keras uses the batch size of the training. For a `flow` it uses 32.
    """
    x, y = to_tensors(spec, data.x_val, data.y_val)
    batch_size = spec.batch_size if spec.augmentation is None else 32
    return ArrayBatches(x, y, batch_size, torch.arange(len(x)))


def evaluation_data(spec: RunSpec, data: Data) -> Batches:
    """Returns batches of the training samples for evaluation: in order, not augmented."""
    x, y = to_tensors(spec, data.x_train, data.y_train)
    return ArrayBatches(x, y, EVALUATION_BATCH_SIZE, torch.arange(len(x)))


def to_tensors(spec: RunSpec, x: object, y: object) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns images (N, H, W, C) and labels as (N, C, H, W) and (N,) tensors on the device.

    The permuted view of an array with channels last is already torch's channels-last layout.
    """
    images = torch.tensor(x, dtype=getattr(torch, spec.dtype), device=spec.device)
    return images.permute(0, 3, 1, 2), torch.tensor(y, dtype=torch.int64, device=spec.device)
