"""Layers that give images one size: by resizing, by cropping the middle, by cropping at random.

Sources: keras 3.15 `layers/preprocessing/image_preprocessing/resizing.py`, `center_crop.py`,
`random_crop.py`; `backend/tensorflow/image.py`, `resize`; `utils/image_utils.py`, `smart_resize`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from torch_impl.layers.image.random_layer import RandomImageLayer, as_batch, as_floating, one_of
from torch_impl.layers.image.resample import METHODS, in_dtype_of, resize


class Resizing(nn.Module):
    """Resizes images to one size.

    Differs from torchvision's Resize in:
    1. without `antialias`, which is the default, a smaller image is sampled, not averaged;
    2. the cubic kernel has a = -1/2, and pixels outside have no weight in it;
    3. "lanczos3", "lanczos5" and "area" are TensorFlow's kernels;
    4. positions, weights and sums are float32, for images in float64 too, as in TensorFlow.

    Args:
        height: of the result.
        width: of the result.
        interpolation: "bilinear", "nearest", "bicubic", "area", "lanczos3" or "lanczos5".
        crop_to_aspect_ratio: whether an image of another shape is cropped at its centre first.
        pad_to_aspect_ratio: whether it is padded on both sides first; if an odd number of rows is
            missing, one fewer is added, as in Keras.
        fill_mode: "constant", of the padding.
        fill_value: of the padding.
        antialias: whether the kernel is widened when an image becomes smaller.
    """

    def __init__(
        self,
        height: int,
        width: int,
        interpolation: str = "bilinear",
        crop_to_aspect_ratio: bool = False,
        pad_to_aspect_ratio: bool = False,
        fill_mode: str = "constant",
        fill_value: float = 0.0,
        antialias: bool = False,
    ) -> None:
        super().__init__()
        self.height, self.width = size_of(height, width)
        self.interpolation = one_of(interpolation, "interpolation", METHODS)
        if crop_to_aspect_ratio and pad_to_aspect_ratio:
            raise ValueError(
                "crop_to_aspect_ratio=True, pad_to_aspect_ratio=True: expected one of them"
            )
        self.crop_to_aspect_ratio = crop_to_aspect_ratio
        self.pad_to_aspect_ratio = pad_to_aspect_ratio
        one_of(fill_mode, "fill_mode", ("constant",))
        self.fill_value, self.antialias = fill_value, antialias

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns images of (height, width).

        Args:
            x: (N, C, H, W) or (C, H, W). Whole numbers stay of their dtype, rounded to even and
                clipped to its range, as when Keras's layer is called by itself; inside a model,
                Keras gives it floating numbers.

        Raises:
            ValueError: x has another rank.
        """
        return self._resized(x, self.interpolation)

    def of_mask(self, x: torch.Tensor) -> torch.Tensor:
        """Returns maps of labels of (height, width), by the nearest pixel, as Keras does it."""
        return self._resized(x, "nearest")

    def _resized(self, x: torch.Tensor, interpolation: str) -> torch.Tensor:
        size = (self.height, self.width)
        images = as_batch(x)
        if self.crop_to_aspect_ratio:
            images = _cropped(images, size, np.float32)
        elif self.pad_to_aspect_ratio:
            images = _padded(images, size, self.fill_value)
        resized = resize(images, size, interpolation, self.antialias)
        return in_dtype_of(x, resized).reshape(*x.shape[:-2], *size)

    def extra_repr(self) -> str:
        """Shown in the module's repr."""
        told = f"{self.height}, {self.width}, interpolation={self.interpolation!r}"
        return f"{told}, antialias={self.antialias}"


class CenterCrop(nn.Module):
    """Crops the middle of images; an image that is too small is cropped to its shape and resized.

    Differs from torchvision's CenterCrop in:
    1. with an odd number of rows too many, the one more is cut off below, where torchvision rounds
       half a row to even;
    2. a small image is resized, bilinearly; torchvision pads it with zeros.

    Args:
        height: of the result.
        width: of the result.
    """

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.height, self.width = size_of(height, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns images of (height, width), floating.

        Args:
            x: (N, C, H, W) or (C, H, W); whole numbers become torch's default dtype.

        Raises:
            ValueError: x has another rank.
        """
        x = as_floating(x)
        images = as_batch(x)
        size = (self.height, self.width)
        surplus = [length - wanted for length, wanted in zip(images.shape[-2:], size, strict=True)]
        if min(surplus) >= 0:
            top, left = surplus[0] // 2, surplus[1] // 2
            cropped = images[..., top : top + self.height, left : left + self.width]
        else:
            cropped = resize(_cropped(images, size, np.float64), size).to(x.dtype)
        return cropped.reshape(*x.shape[:-2], *size)

    def extra_repr(self) -> str:
        """Shown in the module's repr."""
        return f"{self.height}, {self.width}"


class RandomCrop(RandomImageLayer):
    """Crops images at a random place in train mode, and leaves them alone in eval mode.

    Differs from torchvision's RandomCrop in:
    1. the place is drawn from Keras's stream, one for the whole batch;
    2. an image that is not larger in both directions is cut off at its end or resized, bilinearly,
       and nothing is drawn for it; torchvision raises an error, or pads it;
    3. in eval mode the images keep their size;
    4. images in float64 are rounded to float32 where Keras has drawn, as inside its models.

    Args:
        height: of the result.
        width: of the result.
        seed: see `RandomImageLayer`. Without one, Keras draws two integers, and uses the second.
        random_dtype: see `RandomImageLayer`.
    """

    seeds_drawn = 2

    def __init__(
        self,
        height: int,
        width: int,
        seed: int | None = None,
        random_dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(seed, random_dtype)
        self.height, self.width = size_of(height, width)

    def size(self, x: torch.Tensor) -> Sequence[int]:
        """See `RandomImageLayer`."""
        return self.height, self.width

    def draw(self, shape: torch.Size) -> torch.Tensor:
        """Returns (2,) int64: the first row and the first column."""
        height, width = shape[-2:]
        if self._draws_for(shape):
            spans = (height - self.height + 1, width - self.width + 1)
            return torch.stack([self.uniform((), 0.0, float(span)) for span in spans]).long()
        kept = largest_part(height, width, (self.height, self.width), np.float64)
        return torch.tensor([(height - kept[0]) // 2, (width - kept[1]) // 2])

    def apply_drawn(
        self, images: torch.Tensor, drawn: torch.Tensor, *, is_mask: bool = False
    ) -> torch.Tensor:
        """See `RandomImageLayer`; masks that are too small are resized bilinearly, too."""
        top, left = drawn.tolist()
        cropped = images[..., top : top + self.height, left : left + self.width]
        size = (self.height, self.width)
        if cropped.shape[-2:] == size and not self._draws_for(images.shape):
            return cropped
        # Where Keras has drawn, its graph does not know the size of the part, and resizes it, too.
        return resize(cropped, size).to(images.dtype)

    def _draws_for(self, shape: torch.Size) -> bool:
        return shape[-2] > self.height and shape[-1] > self.width

    def extra_repr(self) -> str:
        """Shown in the module's repr."""
        return f"{self.height}, {self.width}, seed={self.seed}"


def size_of(height: int, width: int) -> tuple[int, int]:
    """Returns (height, width).

    Raises:
        ValueError: one of them is no integer of at least 1.
    """
    for name, value in (("height", height), ("width", width)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{name}={value!r}: expected an integer of at least 1")
    return height, width


Number = type[np.float32] | type[np.float64]


def _scaled(length: int, other: int, by: int, kind: Number) -> int:
    """Returns length * other / by without its fraction; Keras divides in float32 or in float64."""
    return int(kind(length * other) / kind(by))


def largest_part(height: int, width: int, size: tuple[int, int], kind: Number) -> tuple[int, int]:
    """Returns height and width of the largest part of an image that has the shape of a size.

    Args:
        height: of the image.
        width: of the image.
        size: (height, width) whose shape the part has.
        kind: of the numbers that Keras divides: float32 in a graph, float64 where sizes are known.
    """
    part_height = max(min(height, _scaled(width, size[0], size[1], kind)), 1)
    part_width = max(min(width, _scaled(height, size[1], size[0], kind)), 1)
    return part_height, part_width


def _cropped(images: torch.Tensor, size: tuple[int, int], kind: Number) -> torch.Tensor:
    height, width = images.shape[-2:]
    part_height, part_width = largest_part(height, width, size, kind)
    top, left = (height - part_height) // 2, (width - part_width) // 2
    return images[..., top : top + part_height, left : left + part_width]


def _padded(images: torch.Tensor, size: tuple[int, int], fill_value: float) -> torch.Tensor:
    height, width = images.shape[-2:]
    rows = (max(height, _scaled(width, size[0], size[1], np.float32)) - height) // 2
    columns = (max(width, _scaled(height, size[1], size[0], np.float32)) - width) // 2
    if rows == columns == 0:
        return images
    return F.pad(images, (columns, columns, rows, rows), value=fill_value)
