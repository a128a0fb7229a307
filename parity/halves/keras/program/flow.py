"""A flow of ImageDataGenerator over arrays: its arrays and draws in the place of its pixels.

The samples of every batch, and the random parameters of every image, are noted where the flow draws
them. From these and the arrays, the other half makes the same batches. They are noted, and not
drawn again from the state of NumPy's generator: `fit` reads ahead in a thread of its own, and other
code may draw from the same generator meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from parity.data.augmented import DRAWN, first_images, summed
from parity.halves.keras.versions import image_module

# Arguments of the generator that the other half gets, as the generator keeps them.
_ARGUMENTS = (
    *("rotation_range", "width_shift_range", "height_shift_range", "shear_range", "zoom_range"),
    *("channel_shift_range", "brightness_range", "horizontal_flip", "vertical_flip"),
    *("fill_mode", "cval", "interpolation_order", "rescale"),
    *("featurewise_center", "featurewise_std_normalization"),
)
_FILL_MODES = ("nearest", "constant", "reflect", "wrap")


def is_flow(given: Any) -> bool:
    """Whether `fit` gets an iterator of an ImageDataGenerator."""
    module = image_module()
    return module is not None and isinstance(given, module.Iterator)


def why_written(flow: Any, steps: int | None = None) -> str | None:
    """Returns why the batches of a flow have to be written down; None if they can be made again.

    Args:
        flow: for which `is_flow` holds.
        steps: number of batches of a pass; None: all. A pass over a part of them leaves it open
            which ones have been read ahead.
    """
    module = image_module()
    if type(flow) is not module.NumpyArrayIterator:
        return f"{type(flow).__name__} reads them from files"
    generator = flow.image_data_generator
    if type(generator) is not module.ImageDataGenerator:
        return f"its generator is of another class, {type(generator).__name__}"
    if generator.preprocessing_function is not None:
        return "its generator has a preprocessing_function"
    for name in ("samplewise_center", "samplewise_std_normalization", "zca_whitening"):
        if getattr(generator, name):
            return f"{name} of its generator rounds in another way in torch"
    if generator.interpolation_order not in (0, 1) or generator.fill_mode not in _FILL_MODES:
        return (
            f"interpolation_order={generator.interpolation_order} with fill_mode="
            f"{generator.fill_mode!r} is not exact in torch_impl.augment"
        )
    if flow.data_format != "channels_last":
        return f"its images are {flow.data_format}"
    if flow.workers > 1:
        return f"it has {flow.workers} workers, which draw at the same time"
    if steps is not None and steps < len(flow):
        return f"validation_steps={steps} leaves out some of its {len(flow)} batches"
    return None


class Flow:
    """Notes what a flow draws.

    Args:
        given: a flow for which `why_written` is None.
    """

    def __init__(self, given: Any) -> None:
        self._flow = given
        self._index: list[np.ndarray] = []  # of each batch
        self._drawn: list[list[dict[str, Any]]] = []
        self._sums: list[float] = []
        self._parts: list[tuple[int, int]] = []  # of the batches that were used
        self._begun = 0
        self._of_batch = threading.local()
        self._wanted: Callable[[int], bool] = lambda number: False
        self.images: dict[int, np.ndarray] = {}  # by the number of the batch, from 1

    @contextmanager
    def watched(self, wanted: Callable[[int], bool] = lambda number: False) -> Iterator[None]:
        """Notes what is drawn in the block.

        Args:
            wanted: of which batches since `begin`, counted from 1, some images are kept.
        """
        flow, self._wanted = self._flow, wanted
        generator, own = flow.image_data_generator, flow._get_batches_of_transformed_samples
        draw = generator.get_random_transform

        def drawing(*arguments: Any, **keywords: Any) -> Any:
            parameters = draw(*arguments, **keywords)
            if (current := getattr(self._of_batch, "drawn", None)) is not None:
                current.append(parameters)
            return parameters

        def batch(index: np.ndarray) -> Any:
            self._of_batch.drawn = []
            try:
                made = own(index)
                self._note(index, self._of_batch.drawn, made)
            finally:
                self._of_batch.drawn = None
            return made

        # Another flow of the same generator may have replaced it.
        before = vars(generator).get("get_random_transform")
        flow._get_batches_of_transformed_samples = batch
        generator.get_random_transform = drawing
        try:
            yield
        finally:
            del flow._get_batches_of_transformed_samples, generator.get_random_transform
            if before is not None:
                generator.get_random_transform = before

    def _note(self, index: np.ndarray, drawn: list[dict[str, Any]], made: Any) -> None:
        images = made[0] if isinstance(made, tuple) else made
        images = images[0] if isinstance(images, list) else images
        self._index.append(np.array(index))
        self._drawn.append(drawn)
        self._sums.append(summed(images))
        number = len(self._index) - self._begun
        if self._wanted(number):
            self.images[number] = first_images(images)

    def begin(self) -> None:
        """Before a pass over the batches: what was drawn so far belongs to none."""
        self._begun = len(self._index)

    def end(self, number: int | None = None) -> None:
        """After a pass.

        Args:
            number: of the batches that were used, the first ones; None: all of the flow.
        """
        most = len(self._flow) if number is None else number
        self._parts.append((self._begun, self._begun + most))

    @property
    def sums(self) -> np.ndarray:
        """(batches,) sums of the pixels of the batches that were used."""
        return np.array(self._used(self._sums))

    def told(self) -> dict[str, Any]:
        """Returns the arrays, and what was drawn, as a nest for the feed file."""
        flow, generator = self._flow, self._flow.image_data_generator
        index, drawn = self._used(self._index), self._used(self._drawn)
        images = [each for batch in drawn for each in batch]
        columns = {name: [each[name] for each in images] for name in DRAWN}
        return {
            "x": _narrow(flow.x),
            "misc": tuple(flow.x_misc),
            "y": flow.y,
            "weight": flow.sample_weight,
            "mean": generator.mean if generator.featurewise_center else None,
            "std": generator.std if generator.featurewise_std_normalization else None,
            "index": np.concatenate([np.zeros(0, int), *index]).astype(np.int32),
            "sizes": np.array([len(each) for each in index], np.int32),
            "sums": self.sums,
            "drawn": {n: _column(values) for n, values in columns.items() if None not in values},
        }

    def settings(self) -> dict[str, Any]:
        """Returns the dtype of the images and the arguments of generator and flow, for JSON."""
        flow, generator = self._flow, self._flow.image_data_generator
        arguments = {name: _plain(getattr(generator, name)) for name in _ARGUMENTS}
        own = {name: _plain(getattr(flow, name)) for name in ("batch_size", "shuffle", "seed")}
        return {"dtype": str(flow.x.dtype), "arguments": arguments, "flow": own}

    def _used(self, values: Sequence[Any]) -> list[Any]:
        return [each for first, last in self._parts for each in values[first:last]]


def _narrow(array: np.ndarray) -> np.ndarray:
    """Returns an array in float32 if that is exact."""
    narrow = array.astype(np.float32)
    return narrow if np.array_equal(narrow, array) else array


def _column(values: list[Any]) -> np.ndarray:
    """Returns the values of a parameter: one of each image, or one for all if they are the same."""
    column = np.array(values, np.float64)
    is_same = bool(len(column)) and bool((column == column[0]).all())
    return column[:1] if is_same else column


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, str) else np.asarray(value).tolist()
