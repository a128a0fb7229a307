"""Batches of augmented images, by number or one after the other, as Keras's iterators give them."""

from __future__ import annotations

import os
from collections.abc import Iterator as Iterating
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from torch_impl.augment.files import to_pil
from torch_impl.augment.layout import check_images, to_tensor
from torch_impl.augment.parameters import Parameters

if TYPE_CHECKING:
    from torch_impl.augment.generator import ImageDataGenerator

SUBSETS = ("training", "validation")


def is_count(value: object) -> bool:
    """Whether a value is an integer of at least 1, NumPy's included."""
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= 1


class BatchIterator:
    """The order of the samples, and when it and the seeds are drawn.

    `iterator[number]` is a batch; every access draws new parameters. The order of the samples is
    drawn at the first access and again at every `on_epoch_end`. A `for` loop is one epoch, with
    `on_epoch_end` after it; in Keras it does not end. `next(iterator)` does not end here either: it
    goes from epoch to epoch. (Keras's `fit` also looks at two batches first and shuffles their
    order: `torch_impl.data.FlowBatches`.)

    Args:
        n: number of samples.
        generator: augments, and holds the random state.
        batch_size: samples a batch; the last one may be smaller.
        shuffle: whether the order is a random one, a new one in each epoch.
        seed: if given, `seed` plus the number of batches so far seeds the random state before each
            batch.
        save_to_dir: folder in which every augmented image is saved, or None.
        save_prefix: of their names.
        save_format: of these files, as Pillow names it.

    Attributes:
        params: how the batch that was accessed last was augmented.
    """

    def __init__(
        self,
        n: int,
        generator: ImageDataGenerator,
        *,
        batch_size: int,
        shuffle: bool,
        seed: int | None,
        save_to_dir: str | os.PathLike[str] | None = None,
        save_prefix: str = "",
        save_format: str = "png",
    ) -> None:
        if not is_count(batch_size):
            raise ValueError(f"batch_size={batch_size!r}: expected an integer of at least 1")
        if n == 0:
            raise ValueError("no images: expected at least one")
        if save_to_dir is not None and not Path(save_to_dir).is_dir():
            raise ValueError(f"save_to_dir={str(save_to_dir)!r}: there is no such folder")
        self.n, self.batch_size, self.shuffle, self.seed = n, int(batch_size), shuffle, seed
        self.generator = generator
        self.save_to_dir, self.save_prefix, self.save_format = save_to_dir, save_prefix, save_format
        self.batch_index = 0
        self.total_batches_seen = 0
        self.params: Parameters | None = None
        self._order: torch.Tensor | None = None

    def __len__(self) -> int:
        return -(-self.n // self.batch_size)

    def __getitem__(self, number: int) -> Any:
        """Returns a batch, augmented with parameters drawn now."""
        if not 0 <= number < len(self):
            raise IndexError(f"batch {number}: expected 0 to {len(self) - 1}")
        self._seed_batch()
        self.total_batches_seen += 1
        return self.batch_of(self.indices(number))

    def __iter__(self) -> Iterating[Any]:
        for number in range(len(self)):
            yield self[number]
        self.on_epoch_end()

    def __next__(self) -> Any:
        self._seed_batch()
        if self.batch_index == 0:
            self.on_epoch_end()
        number = self.batch_index
        self.batch_index = (number + 1) % len(self)
        self.total_batches_seen += 1
        return self.batch_of(self.indices(number))

    def indices(self, number: int) -> torch.Tensor:
        """Returns the numbers of the samples of a batch; draws the order if there is none."""
        if self._order is None:
            self.on_epoch_end()
        assert self._order is not None
        return self._order[number * self.batch_size : (number + 1) * self.batch_size]

    def on_epoch_end(self) -> None:
        """Draws a new order of the samples."""
        order = self.generator.random_state.permutation(self.n) if self.shuffle else None
        self._order = torch.arange(self.n) if order is None else torch.from_numpy(order)

    def reset(self) -> None:
        """Lets `next` start with the first batch of a new epoch."""
        self.batch_index = 0

    def batch_of(self, index: torch.Tensor) -> Any:
        """Returns given samples as a batch, augmented with parameters drawn now."""
        images, self.params = self._augmented(index)
        if self.save_to_dir is not None:
            self._save(images, index)
        return self._with_labels(images, index)

    def _augmented(self, index: torch.Tensor) -> tuple[torch.Tensor, Parameters]:
        raise NotImplementedError

    def _with_labels(self, images: torch.Tensor, index: torch.Tensor) -> Any:
        raise NotImplementedError

    _save_names = 10_000  # Keras names a file by a number below this

    def _save(self, images: torch.Tensor, index: torch.Tensor) -> None:
        for image, number in zip(images, index.tolist(), strict=True):
            picture = to_pil(image, self.generator.data_format)
            # Keras draws it from the same stream.
            drawn = self.generator.random_state.randint(self._save_names)
            name = f"{self.save_prefix}_{number}_{drawn}.{self.save_format}"
            assert self.save_to_dir is not None
            picture.save(os.path.join(self.save_to_dir, name))

    def _seed_batch(self) -> None:
        if self.seed is not None:
            self.generator.random_state.seed(self.seed + self.total_batches_seen)


class NumpyArrayIterator(BatchIterator):
    """Batches of images held in memory.

    Args:
        x: four axes, images first, in the generator's `data_format`: a tensor or an array; or a
            pair of it and further inputs, one or a list, which are fed as they are.
        y: labels, as many; or None.
        generator: augments.
        batch_size: samples a batch; the last one may be smaller.
        shuffle: whether the order is a random one, a new one in each epoch.
        sample_weight: as many as images, or None.
        seed: see `BatchIterator`.
        save_to_dir: folder in which every augmented image is saved, or None.
        save_prefix: of their names.
        save_format: of these files.
        ignore_class_split: whether the two subsets may hold different classes.
        subset: "validation" takes the first samples, as many as the generator's
            `validation_split` says, "training" the others; both are augmented.

    Batches are images; (images, labels); or (images, labels, weights). With further inputs, a list
    of images and these stands in place of the images.

    Raises:
        ValueError: different lengths, no images, another number of axes, subsets with different
            classes.
    """

    def __init__(
        self,
        x: Any,
        y: Any,
        generator: ImageDataGenerator,
        *,
        batch_size: int = 32,
        shuffle: bool = True,
        sample_weight: Any = None,
        seed: int | None = None,
        save_to_dir: str | os.PathLike[str] | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        ignore_class_split: bool = False,
        subset: str | None = None,
    ) -> None:
        more: list[Any] = []
        if isinstance(x, tuple | list):
            if len(x) != 2:
                raise ValueError(f"x of {len(x)} parts: expected images, and further inputs")
            x, more = x[0], list(x[1]) if isinstance(x[1], list) else [x[1]]
        parts = [to_tensor(x, generator.dtype)]
        parts += [to_tensor(part) for part in more]
        self._has_labels, self._has_weights = y is not None, sample_weight is not None
        parts += [to_tensor(part) for part in (y, sample_weight) if part is not None]
        lengths = [len(part) for part in parts]
        if len(set(lengths)) > 1:
            shapes = ", ".join(str(tuple(part.shape)) for part in parts)
            raise ValueError(
                "images, further inputs, labels and weights of different lengths: got shapes "
                f"{shapes}"
            )
        check_images(parts[0], generator.data_format, "flow", stacklevel=3)
        if subset is not None:
            parts = self._subset(parts, generator, subset, ignore_class_split)
        super().__init__(
            len(parts[0]),
            generator,
            batch_size=batch_size,
            shuffle=shuffle,
            seed=seed,
            save_to_dir=save_to_dir,
            save_prefix=save_prefix,
            save_format=save_format,
        )
        self.x, *self._parts = parts

    def _subset(
        self,
        parts: list[torch.Tensor],
        generator: ImageDataGenerator,
        subset: str,
        ignore_class_split: bool,
    ) -> list[torch.Tensor]:
        if subset not in SUBSETS:
            raise ValueError(f"subset={subset!r}: expected 'training' or 'validation'")
        at = int(len(parts[0]) * generator.validation_split)
        if self._has_labels and not ignore_class_split:
            labels = parts[-2] if self._has_weights else parts[-1]
            if not torch.equal(labels[:at].unique(), labels[at:].unique()):
                raise ValueError(
                    f"the first {at} labels, for validation, hold other classes than the remaining "
                    f"{len(labels) - at}: shuffle images and labels first (are they sorted?), or "
                    "pass ignore_class_split=True"
                )
        return [part[:at] if subset == "validation" else part[at:] for part in parts]

    @property
    def y(self) -> torch.Tensor | None:
        """The labels."""
        if not self._has_labels:
            return None
        return self._parts[-2] if self._has_weights else self._parts[-1]

    def _augmented(self, index: torch.Tensor) -> tuple[torch.Tensor, Parameters]:
        return self.generator.augmented(self.x, index)

    def _with_labels(self, images: torch.Tensor, index: torch.Tensor) -> Any:
        parts = [part.index_select(0, index.to(part.device)) for part in self._parts]
        num_last = self._has_labels + self._has_weights
        more, last = parts[: len(parts) - num_last], parts[len(parts) - num_last :]
        first = [images, *more] if more else images
        if not self._has_labels:
            return first
        return (first, *last)
