"""Batches of images from a folder, as `keras.utils.image_dataset_from_directory` makes them.

Sources: keras 3.15 `utils/image_dataset_utils.py`, `utils/dataset_utils.py`; tensorflow 2.21
`python/ops/image_ops_impl.py`, `resize_with_pad`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from torch_impl.augment.decode import decode
from torch_impl.augment.layout import from_channels_first
from torch_impl.augment.shuffled import epoch_orders
from torch_impl.layers.image.cropping import largest_part
from torch_impl.layers.image.resample import resize


class ImageDataset:
    """Batches of images and labels; each loop over it is an epoch.

    With `shuffle`, the epochs have the orders of Keras's dataset, one after the other.

    Attributes:
        file_paths: of the images, in the order before each epoch is shuffled.
        class_names: in the order of their numbers; None without labels.
        labels: (n,) int64, of the files; None without labels.
    """

    def __init__(
        self,
        file_paths: Sequence[str],
        labels: Sequence[int] | None,
        class_names: Sequence[str] | None,
        *,
        label_mode: str | None,
        image_size: tuple[int, int],
        num_channels: int,
        interpolation: str,
        shape: str | None,
        data_format: str,
        batch_size: int | None,
        shuffle_seeds: tuple[int, int | None] | None,
    ) -> None:
        self.file_paths = list(file_paths)
        self.class_names = None if class_names is None else list(class_names)
        self.labels = None if labels is None else torch.tensor(list(labels), dtype=torch.int64)
        self._label_mode, self._image_size = label_mode, image_size
        self._num_channels, self._interpolation, self._shape = num_channels, interpolation, shape
        self._data_format, self._batch_size = data_format, batch_size
        n = len(self.file_paths)
        self._orders: Iterator[list[int]] = itertools.repeat(list(range(n)))
        if shuffle_seeds is not None:
            buffer_size = 1024 if batch_size is None else 8 * batch_size
            self._orders = epoch_orders(n, buffer_size, *shuffle_seeds)

    def __len__(self) -> int:
        """The number of batches of an epoch; of images, without `batch_size`."""
        return -(-len(self.file_paths) // (self._batch_size or 1))

    def __iter__(self) -> Iterator[Any]:
        """Returns the batches of the next epoch.

        Returns:
            An iterator of images, or of (images, labels). Images are (N, C, H, W), or (N, H, W, C)
            with "channels_last": float32 in [0, 255], but uint8 with interpolation "nearest".
            Labels are (N,) int64 for "int", (N, 1) float32 for "binary", (N, classes) float32 for
            "categorical". Without `batch_size`, there is no N.

        Raises:
            ValueError: a file cannot be read as an image.
        """
        return self._batches(next(self._orders))

    def _batches(self, order: list[int]) -> Iterator[Any]:
        if self._batch_size is None:
            for number in order:
                yield self._part([number], one=True)
            return
        for start in range(0, len(order), self._batch_size):
            yield self._part(order[start : start + self._batch_size], one=False)

    def in_fit(self) -> Iterator[Iterator[Any]]:
        """Yields the epochs that Keras's `fit(dataset)` trains on, without end.

        Keras begins to read the dataset twice in each epoch, without `steps_per_epoch`, and only
        feeds the first of the two. So `fit` has every other order of a shuffled dataset.
        """
        while True:
            order = next(self._orders)
            next(self._orders)
            yield self._batches(order)

    def _part(self, numbers: list[int], *, one: bool) -> Any:
        images = torch.stack([self._image(self.file_paths[number]) for number in numbers])
        batch = from_channels_first(images, self._data_format).contiguous()
        if self.labels is None:
            return batch[0] if one else batch
        labels = self.labels[numbers]
        if self._label_mode == "binary":
            labels = labels[:, None].to(torch.float32)
        elif self._label_mode == "categorical":
            classes = torch.arange(len(self.class_names or ()))
            labels = (labels[:, None] == classes).to(torch.float32)
        return (batch[0], labels[0]) if one else (batch, labels)

    def _image(self, path: str) -> torch.Tensor:
        image = decode(path, self._num_channels)[None]
        if self._shape == "crop":
            height, width = image.shape[-2:]
            part = largest_part(height, width, self._image_size, np.float32)
            top, left = (height - part[0]) // 2, (width - part[1]) // 2
            image = image[..., top : top + part[0], left : left + part[1]]
        elif self._shape == "pad":
            return _resized_with_pad(image, self._image_size, self._interpolation)[0]
        return resize(image, self._image_size, self._interpolation)[0]


def _resized_with_pad(
    image: torch.Tensor, size: tuple[int, int], interpolation: str
) -> torch.Tensor:
    """Returns an image resized into a size with its shape kept, and zeros around it."""
    lengths, wanted = np.array(image.shape[-2:], np.float32), np.array(size, np.float32)
    exact = lengths / (lengths / wanted).max()
    new = np.maximum(np.floor(exact).astype(int), 1)
    before = np.maximum(np.floor((wanted - exact) / np.float32(2)).astype(int), 0)
    resized = resize(image, (int(new[0]), int(new[1])), interpolation)
    top, left = before.tolist()
    bottom, right = (np.array(size) - new - before).tolist()
    return F.pad(resized, (left, right, top, bottom))
