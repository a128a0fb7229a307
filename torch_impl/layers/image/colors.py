"""Layers that change colours, contrast and brightness of images at random, with Keras's numbers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional as F

from torch_impl.layers.image.random_layer import Factor, RandomImageLayer, bounds_of, range_of
from torch_impl.layers.image.resample import channel_mean

# --- Layers that change contrast and brightness of images at random, with Keras's numbers ---------
#
# Sources: keras 3.15 `layers/preprocessing/image_preprocessing/random_contrast.py`,
# `random_brightness.py`.


class RandomContrast(RandomImageLayer):
    """(x - mean) * c + mean, clipped, with the mean of each channel of an image.

    Differs from torchvision's ColorJitter in:
    1. each image of a batch has its own number, which is Keras's, drawn in the dtype of the images;
    2. the mean is that of a channel, not that of a grey image;
    3. the result is clipped to `value_range`, [0, 255] unless it is given.

    Args:
        factor: f stands for c from 1 to 1 + f, f in [0, 1], since Keras cuts -f to 0; or (a, b) for
            c from 1 - a to 1 + b.
        value_range: bounds of the result.
        seed: see `RandomImageLayer`.

    Attributes:
        draw_dtype: of the numbers drawn; None: that of the images.
    """

    def __init__(
        self,
        factor: Factor,
        value_range: Sequence[float] = (0, 255),
        seed: int | None = None,
    ) -> None:
        super().__init__(seed)
        self.draw_dtype: torch.dtype | None = None
        self.factor = bounds_of(factor, "factor", 0, 1, pairs_may_reach_out=True)
        self.value_range = range_of(value_range)

    def draw(self, shape: torch.Size, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        """Returns (N, 1, 1, 1): c of each image, of the given dtype."""
        size = (shape[0], 1, 1, 1)
        return self.uniform(size, 1.0 - self.factor[0], 1.0 + self.factor[1], dtype)

    def drawn_for(self, images: torch.Tensor) -> torch.Tensor:
        """See `RandomImageLayer`."""
        return self.draw(images.shape, self.draw_dtype or images.dtype)

    def apply_drawn(
        self, images: torch.Tensor, drawn: torch.Tensor, *, is_mask: bool = False
    ) -> torch.Tensor:
        """See `RandomImageLayer`."""
        if is_mask:
            return images
        mean = channel_mean(images)
        changed = (images - mean) * drawn.to(images.device, images.dtype) + mean
        return changed.clamp(*self.value_range)


class RandomBrightness(RandomImageLayer):
    """x + b times the length of `value_range`, clipped to it.

    Differs from torchvision's ColorJitter in:
    1. each image of a batch has its own number, which is Keras's;
    2. brightness is added, not multiplied.

    Args:
        factor: f stands for b from -f to f, f in [-1, 1]; or the bounds.
        value_range: bounds of the result, in any order.
        seed: see `RandomImageLayer`.
        random_dtype: see `RandomImageLayer`.
    """

    def __init__(
        self,
        factor: Factor,
        value_range: Sequence[float] = (0, 255),
        seed: int | None = None,
        random_dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(seed, random_dtype)
        self.factor = bounds_of(factor, "factor", -1, 1, pairs_may_reach_out=True)
        low, high = range_of(value_range)
        self.value_range = min(low, high), max(low, high)

    def draw(self, shape: torch.Size) -> torch.Tensor:
        """Returns (N, 1, 1, 1): what is added to each image."""
        low, high = self.value_range
        return self.uniform((shape[0], 1, 1, 1), *self.factor, times=high - low)

    def apply_drawn(
        self, images: torch.Tensor, drawn: torch.Tensor, *, is_mask: bool = False
    ) -> torch.Tensor:
        """See `RandomImageLayer`."""
        if is_mask:
            return images
        return (images + drawn.to(images.device, images.dtype)).clamp(*self.value_range)


# --- Layers that change the colours of images at random, with Keras's numbers ---------------------
#
# Sources: keras 3.15 `layers/preprocessing/image_preprocessing/random_grayscale.py`,
# `random_invert.py`, `random_color_degeneration.py`, `random_sharpness.py`, `solarization.py`,
# `base_image_preprocessing_layer.py`; `backend/tensorflow/image.py`, `rgb_to_grayscale`.


_GREY = (0.2989, 0.5870, 0.1140)  # shares of red, green and blue in a grey pixel
_BYTES = (0.0, 255.0)


class RandomGrayscale(RandomImageLayer):
    """Makes an image grey, of as many channels, with a given probability.

    Differs from torchvision's RandomGrayscale in:
    1. each image of a batch has its own number, which is Keras's;
    2. Keras draws in eval mode, too, and its config has no seed.

    Args:
        factor: the probability, in [0, 1].
        seed: see `RandomImageLayer`.
        random_dtype: see `RandomImageLayer`.
    """

    draws_in_eval = 1

    def __init__(
        self,
        factor: float = 0.5,
        seed: int | None = None,
        random_dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(seed, random_dtype)
        bounds_of(factor, "factor", 0, 1)
        if isinstance(factor, list | tuple):
            raise ValueError(f"factor={factor!r}: expected a number in [0, 1]")
        self.factor = factor

    def draw(self, shape: torch.Size) -> torch.Tensor:
        """Returns (N, 1, 1, 1) bool: which images become grey."""
        return self.uniform((shape[0],), 0.0, 1.0)[:, None, None, None] < self.factor

    def apply_drawn(
        self, images: torch.Tensor, drawn: torch.Tensor, *, is_mask: bool = False
    ) -> torch.Tensor:
        """See `RandomImageLayer`; images have 1 or 3 channels."""
        if is_mask:
            return images
        return torch.where(drawn.to(images.device), _grey(images), images)


class RandomInvert(RandomImageLayer):
    """Inverts an image, to the upper bound less x, with a probability that is drawn as well.

    Differs from torchvision's RandomInvert in:
    1. each image of a batch has its own numbers, which are Keras's;
    2. the probability is drawn from a range: the factor 1 inverts one of two images.

    Args:
        factor: f stands for probabilities from 0 to f, f in [0, 1]; or the bounds.
        value_range: bounds of pixels, of which the second is used.
        seed: see `RandomImageLayer`.
        random_dtype: see `RandomImageLayer`.
    """

    def __init__(
        self,
        factor: Factor = 1.0,
        value_range: Sequence[float] = (0, 255),
        seed: int | None = None,
        random_dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(seed, random_dtype)
        self.factor = bounds_of(factor, "factor", 0, 1, pairs_may_reach_out=True)
        self.value_range = range_of(value_range)

    def draw(self, shape: torch.Size) -> torch.Tensor:
        """Returns (N, 1, 1, 1) bool: which images are inverted."""
        probability = self.uniform((shape[0],), *self.factor)
        return (self.uniform((shape[0],), 0.0, 1.0) < probability)[:, None, None, None]

    def apply_drawn(
        self, images: torch.Tensor, drawn: torch.Tensor, *, is_mask: bool = False
    ) -> torch.Tensor:
        """See `RandomImageLayer`."""
        if is_mask:
            return images
        return torch.where(drawn.to(images.device), self.value_range[1] - images, images)


class _Blended(RandomImageLayer):
    """Layers that go from an image towards another one, by a share, and clip the result."""

    least = -1  # of the factor
    draws_in_eval = 1

    def __init__(
        self,
        factor: Factor,
        value_range: Sequence[float] = (0, 255),
        seed: int | None = None,
        random_dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(seed, random_dtype)
        self.factor = bounds_of(factor, "factor", self.least, 1, pairs_may_reach_out=True)
        low, high = range_of(value_range)
        self.value_range = min(low, high), max(low, high)

    def draw(self, shape: torch.Size) -> torch.Tensor:
        """Returns (N, 1, 1, 1): the number of each image."""
        return self.uniform((shape[0], 1, 1, 1), *self.factor)

    def apply_drawn(
        self, images: torch.Tensor, drawn: torch.Tensor, *, is_mask: bool = False
    ) -> torch.Tensor:
        """See `RandomImageLayer`."""
        if is_mask:
            return images
        blended = images + self.share(drawn.to(images)) * (self.other(images) - images)
        return blended.clamp(*self.value_range)

    def share(self, drawn: torch.Tensor) -> torch.Tensor:
        """Returns the share of the other image."""
        raise NotImplementedError

    def other(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the images to which it goes."""
        raise NotImplementedError


class RandomColorDegeneration(_Blended):
    """x + f * (grey - x), clipped: colours fade, or become stronger where f is below 0.

    Differs from torchvision's ColorJitter in:
    1. each image of a batch has its own number, which is Keras's, also drawn in eval mode;
    2. f goes from -factor to factor; 0 changes nothing, 1 makes an image grey.

    Args:
        factor: f stands for -f to f, f in [-1, 1]; or the bounds.
        value_range: bounds of the result, in any order.
        seed: see `RandomImageLayer`.
        random_dtype: see `RandomImageLayer`.
    """

    def share(self, drawn: torch.Tensor) -> torch.Tensor:
        """See `_Blended`."""
        return drawn

    def other(self, images: torch.Tensor) -> torch.Tensor:
        """See `_Blended`; images have 1 or 3 channels."""
        return _grey(images)


class RandomSharpness(_Blended):
    """x + (1 - 2 f) * (smooth - x), clipped: the smooth image is a weighted mean of 3 x 3 pixels.

    Differs from torchvision's RandomAdjustSharpness in:
    1. each image of a batch has its own number, which is Keras's, also drawn in eval mode;
    2. pixels at the border are smoothed, too, with zeros outside; torchvision leaves them alone.

    Args:
        factor: f stands for 0 to f, f in [0, 1]: 0 is smooth, 1/2 is the image, 1 is sharp; or the
            bounds.
        value_range: bounds of the result, in any order.
        seed: see `RandomImageLayer`.
        random_dtype: see `RandomImageLayer`.
    """

    least = 0

    def share(self, drawn: torch.Tensor) -> torch.Tensor:
        """See `_Blended`."""
        return 1.0 - drawn * 2

    def other(self, images: torch.Tensor) -> torch.Tensor:
        """See `_Blended`."""
        kernel = torch.full((3, 3), 1.0 / 13.0, dtype=images.dtype, device=images.device)
        kernel[1, 1] = 5.0 / 13.0
        channels = images.shape[1]
        return F.conv2d(images, kernel.repeat(channels, 1, 1, 1), padding=1, groups=channels)


class Solarization(RandomImageLayer):
    """Adds a number to the pixels, and inverts those that are not below a threshold.

    Differs from torchvision's RandomSolarize in:
    1. each image of a batch has its own threshold and its own addition, which are Keras's;
    2. every image is changed, by default all pixels are inverted.

    Args:
        addition_factor: f in [0, 1] stands for additions from 0 to 255 f; of a pair (a, b) they go
            from a to 255 b, as in Keras.
        threshold_factor: the same of the threshold.
        value_range: bounds of pixels, in any order, which become 0 and 255 for that time.
        seed: see `RandomImageLayer`.
        random_dtype: see `RandomImageLayer`; in Keras it is that of the layer's policy.
    """

    def __init__(
        self,
        addition_factor: Factor = 0.0,
        threshold_factor: Factor = 0.0,
        value_range: Sequence[float] = (0, 255),
        seed: int | None = None,
        random_dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(seed, random_dtype)
        self.addition_factor = bounds_of(addition_factor, "addition_factor", 0, 1)
        self.threshold_factor = bounds_of(threshold_factor, "threshold_factor", 0, 1)
        low, high = range_of(value_range)
        self.value_range = min(low, high), max(low, high)

    def draw(self, shape: torch.Size) -> torch.Tensor:
        """Returns (N, 2): the addition and the threshold of each image, in bytes."""
        return torch.cat(
            [
                self.uniform((shape[0], 1), low, high * 255)
                for low, high in (self.addition_factor, self.threshold_factor)
            ],
            dim=1,
        )

    def apply_drawn(
        self, images: torch.Tensor, drawn: torch.Tensor, *, is_mask: bool = False
    ) -> torch.Tensor:
        """See `RandomImageLayer`."""
        if is_mask:
            return images
        addition, threshold = drawn.to(images)[..., None, None, None].unbind(1)
        raised = (_rescaled(images, self.value_range, _BYTES) + addition).clamp(*_BYTES)
        inverted = torch.where(raised < threshold, raised, 255 - raised)
        return _rescaled(inverted, _BYTES, self.value_range)


def _grey(images: torch.Tensor) -> torch.Tensor:
    """Returns (N, 1, H, W); images of one channel are grey.

    Raises:
        ValueError: there are other channels than 1 or 3.
    """
    channels = images.shape[1]
    if channels == 1:
        return images
    if channels != 3:
        raise ValueError(f"images of {channels} channels: expected 3 (red, green, blue) or 1")
    red, green, blue = images.unbind(1)
    return (red * _GREY[0] + green * _GREY[1] + blue * _GREY[2])[:, None]


def _rescaled(
    images: torch.Tensor, before: tuple[float, float], after: tuple[float, float]
) -> torch.Tensor:
    """Returns images whose range `before` has become `after`, in Keras's order of operations."""
    if before == after:
        return images
    return (images - before[0]) / (before[1] - before[0]) * (after[1] - after[0]) + after[0]
