"""Layers that flip, turn, zoom, shift, shear and crop images, with Keras's numbers and pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional as F

from torch_impl.layers.image.projective import (
    FILL_MODES,
    INTERPOLATIONS,
    sine_and_cosine,
    transform,
)
from torch_impl.layers.image.random_layer import (
    Factor,
    RandomImageLayer,
    as_batch,
    as_floating,
    bounds_of,
    one_of,
)
from torch_impl.layers.image.resample import METHODS, in_dtype_of, resize
from torch_impl.layers.layer import Layer

# --------------------------------------------------------------------------------------------------
#
# Layers that give images one size: by resizing, by cropping the middle, by cropping at random.
#
# Sources: keras 3.15 `layers/preprocessing/image_preprocessing/resizing.py`, `center_crop.py`,
# `random_crop.py`; `backend/tensorflow/image.py`, `resize`; `utils/image_utils.py`, `smart_resize`.


class Resizing(Layer):
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


class CenterCrop(Layer):
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


# --------------------------------------------------------------------------------------------------
#
# Layers that flip, turn, zoom, shift and shear images at random, with Keras's numbers and pixels.
#
# Sources: keras 3.15 `layers/preprocessing/image_preprocessing/random_flip.py`,
# `random_rotation.py`, `random_zoom.py`, `random_translation.py`, `random_shear.py`.


_FLIP_MODES = ("horizontal", "vertical", "horizontal_and_vertical")


class RandomFlip(RandomImageLayer):
    """Flips an image with probability 1/2.

    Differs from torchvision's RandomHorizontalFlip and RandomVerticalFlip in:
    1. each image of a batch has its own number, which is Keras's;
    2. "horizontal_and_vertical" flips both axes or none: one number decides both.

    Args:
        mode: "horizontal" exchanges left and right, "vertical" top and bottom.
        seed: see `RandomImageLayer`.
        random_dtype: see `RandomImageLayer`.
    """

    def __init__(
        self,
        mode: str = "horizontal_and_vertical",
        seed: int | None = None,
        random_dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(seed, random_dtype)
        self.mode = one_of(mode, "mode", _FLIP_MODES)

    def draw(self, shape: torch.Size) -> torch.Tensor:
        """Returns (N, 1, 1, 1) bool: which images are flipped."""
        return self.uniform((shape[0], 1, 1, 1), 0.0, 1.0) <= 0.5

    def apply_drawn(
        self, images: torch.Tensor, drawn: torch.Tensor, *, is_mask: bool = False
    ) -> torch.Tensor:
        """See `RandomImageLayer`."""
        axes = [axis for axis, name in ((-1, "horizontal"), (-2, "vertical")) if name in self.mode]
        return torch.where(drawn.to(images.device), images.flip(axes), images)


class _Moved(RandomImageLayer):
    """Layers that interpolate images by an affine map."""

    def __init__(
        self,
        fill_mode: str,
        interpolation: str,
        seed: int | None,
        fill_value: float,
        random_dtype: torch.dtype,
    ) -> None:
        super().__init__(seed, random_dtype)
        self.fill_mode = one_of(fill_mode, "fill_mode", FILL_MODES)
        self.interpolation = one_of(interpolation, "interpolation", INTERPOLATIONS)
        self.fill_value = fill_value

    def apply_drawn(
        self, images: torch.Tensor, drawn: torch.Tensor, *, is_mask: bool = False
    ) -> torch.Tensor:
        """See `RandomImageLayer`."""
        return transform(
            images,
            self.maps(drawn, *images.shape[-2:]).to(torch.float32),
            interpolation="nearest" if is_mask else self.interpolation,
            fill_mode=self.fill_mode,
            fill_value=self.fill_value,
        )

    def maps(self, drawn: torch.Tensor, height: int, width: int) -> torch.Tensor:
        """Returns (N, 6), as `transform` takes them."""
        raise NotImplementedError


class RandomRotation(_Moved):
    """Turns each image about its centre.

    Differs from torchvision's RandomRotation in:
    1. each image of a batch has its own angle, which is Keras's;
    2. the factor is a fraction of a full turn; a positive angle turns counter-clockwise;
    3. the image continues outside by `fill_mode`, and the default interpolation is bilinear.

    Args:
        factor: f stands for angles of -f to f turns, f in [-1, 1]; or the bounds.
        fill_mode: how an image continues outside: "reflect", "wrap", "constant" or "nearest".
        interpolation: "nearest" or "bilinear".
        seed: see `RandomImageLayer`.
        fill_value: the value outside, with "constant".
        random_dtype: see `RandomImageLayer`.
    """

    def __init__(
        self,
        factor: Factor,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        random_dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, random_dtype)
        self.factor = bounds_of(factor, "factor", -1, 1, pairs_may_reach_out=True)

    def draw(self, shape: torch.Size) -> torch.Tensor:
        """Returns (N,): angles in radians, which Keras draws in degrees."""
        low, high = (bound * 360.0 for bound in self.factor)
        return self.uniform((shape[0],), low, high, times=math.pi / 180.0)

    def maps(self, drawn: torch.Tensor, height: int, width: int) -> torch.Tensor:
        """See `_Moved`; in Keras's order of operations, which decides the last bit."""
        sine, cosine = map(torch.from_numpy, sine_and_cosine(drawn.numpy()))
        x, y = (0.5 * torch.tensor(size - 1, dtype=drawn.dtype) for size in (width, height))
        to_x = x - x * cosine - y * -sine
        to_y = y - x * sine - y * cosine
        return torch.stack([cosine, -sine, to_x, sine, cosine, to_y], dim=1)


class RandomZoom(_Moved):
    """Zooms each image about its centre; a positive factor makes it smaller.

    Differs from torchvision's RandomAffine in:
    1. each image of a batch has its own numbers, which are Keras's;
    2. height and width have factors of their own, unless `width_factor` is None;
    3. the factor is added to 1, and what is beyond 1 shrinks the image.

    Args:
        height_factor: f stands for zooms of 1 - f to 1 + f, f in (-1, 1]; or the bounds of f.
        width_factor: the same; None takes the zoom of the height.
        fill_mode: see `RandomRotation`.
        interpolation: see `RandomRotation`.
        seed: see `RandomImageLayer`.
        fill_value: see `RandomRotation`.
        random_dtype: see `RandomImageLayer`.
    """

    def __init__(
        self,
        height_factor: Factor,
        width_factor: Factor | None = None,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        random_dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, random_dtype)
        self.height_factor = bounds_of(height_factor, "height_factor", -1, 1, above=True)
        self.width_factor = (
            None
            if width_factor is None
            else bounds_of(width_factor, "width_factor", -1, 1, above=True)
        )

    def draw(self, shape: torch.Size) -> torch.Tensor:
        """Returns (N, 2): the zooms of width and height."""
        column = (shape[0], 1)
        low, high = self.height_factor
        height = self.uniform(column, 1.0 + low, 1.0 + high)
        width = height
        if self.width_factor is not None:
            low, high = self.width_factor
            width = self.uniform(column, 1.0 + low, 1.0 + high)
        return torch.cat([width, height], dim=1)

    def maps(self, drawn: torch.Tensor, height: int, width: int) -> torch.Tensor:
        """See `_Moved`."""
        zoom_x, zoom_y = drawn.to(torch.float32).unbind(1)
        none = torch.zeros_like(zoom_x)
        to_x = (width - 1.0) / 2.0 * (1.0 - zoom_x)
        to_y = (height - 1.0) / 2.0 * (1.0 - zoom_y)
        return torch.stack([zoom_x, none, to_x, none, zoom_y, to_y], dim=1)


class RandomTranslation(_Moved):
    """Shifts each image, by fractions of its height and width.

    Differs from torchvision's RandomAffine in:
    1. each image of a batch has its own numbers, which are Keras's;
    2. shifts are not rounded to whole pixels; a positive one is down and to the right.

    Args:
        height_factor: f stands for shifts of -f to f heights, f in [-1, 1]; or the bounds.
        width_factor: the same of the width.
        fill_mode: see `RandomRotation`.
        interpolation: see `RandomRotation`.
        seed: see `RandomImageLayer`.
        fill_value: see `RandomRotation`.
        random_dtype: see `RandomImageLayer`.
    """

    def __init__(
        self,
        height_factor: Factor,
        width_factor: Factor,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        random_dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, random_dtype)
        self.height_factor = bounds_of(height_factor, "height_factor", -1, 1)
        self.width_factor = bounds_of(width_factor, "width_factor", -1, 1)

    def draw(self, shape: torch.Size) -> torch.Tensor:
        """Returns (N, 2) float32: the shifts in pixels, to the right and down."""
        column = (shape[0], 1)
        down = self.uniform(column, *self.height_factor, times=shape[-2])
        right = self.uniform(column, *self.width_factor, times=shape[-1])
        return torch.cat([right, down], dim=1).to(torch.float32)

    def maps(self, drawn: torch.Tensor, height: int, width: int) -> torch.Tensor:
        """See `_Moved`."""
        right, down = drawn.unbind(1)
        one, none = torch.ones_like(right), torch.zeros_like(right)
        return torch.stack([one, none, -right, none, one, -down], dim=1)


class RandomShear(_Moved):
    """Shears each image: rows move along by their height, and columns by their width.

    Differs from torchvision's RandomAffine in:
    1. each image of a batch has its own numbers, which are Keras's;
    2. a factor is a share of a row or column, no angle, and its sign is drawn as well;
    3. an image is sheared from its upper left corner, not from its centre.

    Args:
        x_factor: f stands for shears of -f to f pixels a row, f in [0, 1]; or the bounds, which are
            not below 0.
        y_factor: the same of columns.
        interpolation: see `RandomRotation`.
        fill_mode: see `RandomRotation`.
        fill_value: see `RandomRotation`.
        seed: see `RandomImageLayer`.
        random_dtype: see `RandomImageLayer`; in Keras it is that of the layer's policy.
    """

    def __init__(
        self,
        x_factor: Factor = 0.0,
        y_factor: Factor = 0.0,
        interpolation: str = "bilinear",
        fill_mode: str = "reflect",
        fill_value: float = 0.0,
        seed: int | None = None,
        random_dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, random_dtype)
        self.x_factor = _shear_of(x_factor, "x_factor")
        self.y_factor = _shear_of(y_factor, "y_factor")

    def draw(self, shape: torch.Size) -> torch.Tensor:
        """Returns (N, 2): pixels along x for each row, and along y for each column."""
        column = (shape[0], 1)
        sign = torch.where(self.uniform(column, 0.0, 1.0) > 0.5, -1.0, 1.0)
        down = self.uniform(column, *self.y_factor)
        right = self.uniform(column, *self.x_factor)
        return torch.cat([right, down], dim=1) * sign.to(right.dtype)

    def maps(self, drawn: torch.Tensor, height: int, width: int) -> torch.Tensor:
        """See `_Moved`."""
        right, down = drawn.unbind(1)
        one, none = torch.ones_like(right), torch.zeros_like(right)
        return torch.stack([one, right, none, down, one, none], dim=1)


def _shear_of(factor: Factor, name: str) -> tuple[float, float]:
    """Returns the bounds of a shear: -f and f of a number."""
    low, high = bounds_of(factor, name, 0, 1)
    return (low, high) if isinstance(factor, list | tuple) else (-high, high)
