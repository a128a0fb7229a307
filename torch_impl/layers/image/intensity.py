"""Layers that change contrast and brightness of images at random, with Keras's numbers.

Sources: keras 3.15 `layers/preprocessing/image_preprocessing/random_contrast.py`,
`random_brightness.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from torch_impl.layers.image.channel_mean import channel_mean
from torch_impl.layers.image.random_layer import Factor, RandomImageLayer, bounds_of, range_of


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

    def extra_repr(self) -> str:
        """Shown in the module's repr."""
        return f"{self.factor}, value_range={self.value_range}, seed={self.seed}"


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

    def extra_repr(self) -> str:
        """Shown in the module's repr."""
        return f"{self.factor}, value_range={self.value_range}, seed={self.seed}"
