"""Batches of augmented images as Keras's iterators give them, by number or in turn."""

from __future__ import annotations

import os
from collections.abc import Iterator as Iterating
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import torch

from torch_impl.augment.files import to_pil
from torch_impl.augment.layout import check_images, to_tensor
from torch_impl.augment.parameters import Parameters

if TYPE_CHECKING:
    from torch_impl.augment.generator import ImageDataGenerator

BatchT_co = TypeVar("BatchT_co", covariant=True)  # a tensor, or a tuple or list of tensors
SUBSETS = ("training", "validation")


def is_count(value: object) -> bool:
    """Whether a value is an integer of at least 1, NumPy's included."""
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= 1


def part_of(values: Any, subset: str, validation_split: float) -> Any:
    """Returns the given fraction of values from the start, for validation, or the rest."""
    at = int(len(values) * validation_split)
    return values[:at] if subset == "validation" else values[at:]


class BatchIterator(Generic[BatchT_co]):
    """Batches in Keras's order, with its moments of drawing orders and seeds.

    `iterator[number]` is a batch; every access draws new parameters. The order of the samples is
    drawn at the first access and again at every `on_epoch_end`. A `for` loop is one epoch, with
    `on_epoch_end` after it; in Keras it does not end. `next(iterator)` does not end here either: it
    goes from epoch to epoch. (Keras's `fit` also reads two batches first and shuffles the order of
    the batches, see `FitFlow`.)

    Args:
        n: number of samples.
        generator: augments the images, and holds the random state.
        batch_size: samples in a batch; the last batch may be smaller.
        shuffle: whether each epoch has a new random order.
        seed: if given, `seed` plus the number of batches so far seeds the random state before each
            batch.
        save_to_dir: folder in which every augmented image is saved, or None.
        save_prefix: start of the file names.
        save_format: format of the files, as Pillow names it.

    Attributes:
        params: the parameters of the last batch that was accessed.
        order: (n,) int64, the samples in their present order; None before the first access.
    """

    def __init__(
        self,
        n: int,
        generator: ImageDataGenerator,
        *,
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
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
        self.order: torch.Tensor | None = None

    def __len__(self) -> int:
        return -(-self.n // self.batch_size)

    def __repr__(self) -> str:
        order = "in a new order each epoch" if self.shuffle else "in their order"
        batches = f"{len(self)} batch{'' if len(self) == 1 else 'es'} of {self.batch_size}"
        return f"{type(self).__name__}({self.n} {self._sample_text()}, {batches}, {order})"

    def _sample_text(self) -> str:
        """Returns what a sample is, for `repr`."""
        return "images"

    def __getitem__(self, number: int) -> BatchT_co:
        """Returns a batch, augmented with parameters drawn now."""
        if not 0 <= number < len(self):
            raise IndexError(f"batch {number}: expected 0 to {len(self) - 1}")
        self._start_batch()
        return self.batch_of(self.indices(number))

    def __iter__(self) -> Iterating[BatchT_co]:
        for number in range(len(self)):
            yield self[number]
        self.on_epoch_end()

    def __next__(self) -> BatchT_co:
        self._start_batch()
        if self.batch_index == 0:
            self.on_epoch_end()
        number = self.batch_index
        self.batch_index = (number + 1) % len(self)
        return self.batch_of(self.indices(number))

    def indices(self, number: int) -> torch.Tensor:
        """Returns the sample numbers of a batch; draws the order if there is none yet."""
        if self.order is None:
            self.on_epoch_end()
        assert self.order is not None
        return self.order[number * self.batch_size : (number + 1) * self.batch_size]

    def on_epoch_end(self) -> None:
        """Draws a new order of the samples."""
        if self.shuffle:
            self.order = torch.from_numpy(self.generator.random_state.permutation(self.n))
        else:
            self.order = torch.arange(self.n)

    def reset(self) -> None:
        """Makes `next` start with the first batch of a new epoch."""
        self.batch_index = 0

    def batch_of(self, index: torch.Tensor) -> BatchT_co:
        """Returns given samples as a batch, augmented with parameters drawn now."""
        images, self.params = self._augmented(index)
        if self.save_to_dir is not None:
            self._save(images, index)
        batch: BatchT_co = self._with_labels(images, index)
        return batch

    def _augmented(self, index: torch.Tensor) -> tuple[torch.Tensor, Parameters]:
        raise NotImplementedError

    def _with_labels(self, images: torch.Tensor, index: torch.Tensor) -> Any:
        raise NotImplementedError

    _save_names = 10_000  # Keras puts a random number below this into a file name

    def _save(self, images: torch.Tensor, index: torch.Tensor) -> None:
        for image, number in zip(images, index.tolist(), strict=True):
            picture = to_pil(image, self.generator.data_format)
            # Keras draws the number from the same stream.
            drawn = self.generator.random_state.randint(self._save_names)
            name = f"{self.save_prefix}_{number}_{drawn}.{self.save_format}"
            assert self.save_to_dir is not None
            picture.save(os.path.join(self.save_to_dir, name))

    def _start_batch(self) -> None:
        if self.seed is not None:
            self.generator.random_state.seed(self.seed + self.total_batches_seen)
        self.total_batches_seen += 1


class NumpyArrayIterator(BatchIterator[BatchT_co]):
    """Batches of images held in memory.

    Args:
        x: images (N, ...) in the generator's `data_format`, as a tensor or an array; or a pair of
            these and further inputs, one or a list, which are fed unchanged.
        y: (N, ...) labels, or None.
        generator: augments the images.
        sample_weight: (N,), or None.
        ignore_class_split: whether the two subsets may have different classes.
        subset: "validation" takes the first samples, as many as the generator's
            `validation_split` says, "training" the others; both are augmented.
        **batches: batch size, order and files, as `BatchIterator` takes them.

    A batch is images, (images, labels), or (images, labels, weights). With further inputs, a list
    of the images and these inputs takes the place of the images.

    Raises:
        ValueError: lengths differ, there are no images, the number of axes is not four, or the
            subsets have different classes.
    """

    def __init__(
        self,
        x: Any,
        y: Any,
        generator: ImageDataGenerator,
        *,
        sample_weight: Any = None,
        ignore_class_split: bool = False,
        subset: str | None = None,
        **batches: Any,
    ) -> None:
        more: list[Any] = []
        if isinstance(x, tuple | list):
            if len(x) != 2:
                raise ValueError(f"x of {len(x)} parts: expected images, and further inputs")
            x, more = x[0], x[1] if isinstance(x[1], list) else [x[1]]
        self.x = to_tensor(x, generator.dtype)
        self.x_misc = [to_tensor(part) for part in more]
        self.y = None if y is None else to_tensor(y)
        self.sample_weight = None if sample_weight is None else to_tensor(sample_weight)
        parts = [self.x, *self.x_misc, self.y, self.sample_weight]
        shapes = [tuple(part.shape) for part in parts if part is not None]
        if len({shape[:1] for shape in shapes}) > 1:
            raise ValueError(
                "images, further inputs, labels and weights of different lengths: got shapes "
                f"{', '.join(map(str, shapes))}"
            )
        check_images(self.x, generator.data_format, "flow", stacklevel=3)
        if subset is not None:
            self._keep(subset, generator.validation_split, ignore_class_split)
        super().__init__(len(self.x), generator, **batches)

    def _sample_text(self) -> str:
        more = [f"further inputs ({len(self.x_misc)})"] if self.x_misc else []
        more += ["labels"] if self.y is not None else []
        more += ["weights"] if self.sample_weight is not None else []
        text = f"images of {tuple(self.x.shape[1:])}"
        return f"{text} with {', '.join(more)}" if more else text

    def _keep(self, subset: str, validation_split: float, ignore_class_split: bool) -> None:
        """Keeps one of the two subsets."""
        if subset not in SUBSETS:
            raise ValueError(f"subset={subset!r}: expected 'training' or 'validation'")
        if self.y is not None and not ignore_class_split:
            first, others = (part_of(self.y, name, validation_split) for name in SUBSETS[::-1])
            if not torch.equal(first.unique(), others.unique()):
                raise ValueError(
                    f"the first {len(first)} labels, for validation, have other classes than the "
                    f"remaining {len(others)}: shuffle images and labels first (are they sorted?), "
                    "or pass ignore_class_split=True"
                )
        self.x = part_of(self.x, subset, validation_split)
        self.x_misc = [part_of(part, subset, validation_split) for part in self.x_misc]
        if self.y is not None:
            self.y = part_of(self.y, subset, validation_split)
        if self.sample_weight is not None:
            self.sample_weight = part_of(self.sample_weight, subset, validation_split)

    def _augmented(self, index: torch.Tensor) -> tuple[torch.Tensor, Parameters]:
        return self.generator.augmented(self.x, index)

    def _with_labels(self, images: torch.Tensor, index: torch.Tensor) -> Any:
        def select(part: torch.Tensor) -> torch.Tensor:
            return part.index_select(0, index.to(part.device))

        first = [images, *map(select, self.x_misc)] if self.x_misc else images
        if self.y is None:
            return first
        if self.sample_weight is None:
            return first, select(self.y)
        return first, select(self.y), select(self.sample_weight)
