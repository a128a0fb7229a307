"""The statistics of ImageDataGenerator, channel shift and brightness, with Keras's quirks."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

# --- The statistics of ImageDataGenerator: rescaling, centring, scaling, ZCA whitening ------------
#
# `fit` computes with NumPy, as Keras does, so that the statistics have Keras's bits; `standardize`
# computes in torch, for a whole batch.
#
# Source: keras 3.15 `legacy/preprocessing/image.py`, `fit` and `standardize`.


_EPSILON = 1e-6  # added to standard deviations


@dataclass
class Standardization:
    """The steps that follow the random transform, in Keras's order.

    Attributes:
        featurewise_center: subtract the mean of each channel over the data given to `fit`.
        samplewise_center: subtract the mean of each image, over all its channels.
        featurewise_std_normalization: divide by the standard deviation of each channel.
        samplewise_std_normalization: divide each image by its own.
        zca_whitening: multiply by a matrix that makes the pixels of the data uncorrelated.
        zca_epsilon: added to its singular values.
        rescale: factor, or None.
        keras_quirks: whether `standardize` centres and scales a whole batch by one number; if not,
            each image by its own, as for single images.
        mean: of the channels, broadcasts over an image; None before `fit`.
        std: of the channels, broadcasts over an image; None before `fit`.
        zca_whitening_matrix: (pixels, pixels) over the flattened image; None before `fit`.
    """

    featurewise_center: bool = False
    samplewise_center: bool = False
    featurewise_std_normalization: bool = False
    samplewise_std_normalization: bool = False
    zca_whitening: bool = False
    zca_epsilon: float = 1e-6
    rescale: float | None = None
    keras_quirks: bool = True
    mean: Any = None
    std: Any = None
    zca_whitening_matrix: Any = None

    def __post_init__(self) -> None:
        if self.zca_whitening:
            self._override("zca_whitening", "featurewise_center", True)
            self._override("zca_whitening", "featurewise_std_normalization", False)
        if self.featurewise_std_normalization:
            self._override("featurewise_std_normalization", "featurewise_center", True)
        if self.samplewise_std_normalization:
            self._override("samplewise_std_normalization", "samplewise_center", True)

    def _override(self, reason: str, name: str, value: bool) -> None:
        if getattr(self, name) != value:
            warnings.warn(
                f"This ImageDataGenerator specifies `{reason}`, which overrides setting of "
                f"`{name}`.",
                stacklevel=5,
            )
            setattr(self, name, value)

    def fit(self, x: np.ndarray, channel_axis: int) -> None:
        """Computes what the data-dependent steps need.

        Args:
            x: four axes, images first, in the dtype of the statistics; already rescaled; is
                changed.
            channel_axis: 1 or 3.
        """
        axes = tuple(axis for axis in range(4) if axis != channel_axis)
        if self.featurewise_center:
            self.mean = np.mean(x, axis=axes, keepdims=True)[0]
            x -= self.mean
        if self.featurewise_std_normalization:
            self.std = np.std(x, axis=axes, keepdims=True)[0]
            x /= self.std + _EPSILON
        if self.zca_whitening:
            flat = x.reshape(len(x), -1)
            u, s, _ = np.linalg.svd(flat.T, full_matrices=False)
            self.zca_whitening_matrix = (u * (np.sqrt(len(x)) / (s + self.zca_epsilon))).dot(u.T)

    def apply(self, images: torch.Tensor, one_by_one: bool = True) -> torch.Tensor:
        """Standardizes images.

        Args:
            images: (N, ...) in the layout of `fit`, or one image of three axes.
            one_by_one: whether each image of a batch has its own statistics.
        """
        axes = (1, 2, 3) if images.ndim == 4 and one_by_one else tuple(range(images.ndim))
        if self.rescale:
            images = images * self.rescale
        if self.samplewise_center:
            images = images - images.mean(axes, keepdim=True)
        if self.samplewise_std_normalization:
            images = images / (images.std(axes, correction=0, keepdim=True) + _EPSILON)
        if self.featurewise_center and self._is_fitted("featurewise_center", self.mean):
            images = images - torch.as_tensor(self.mean).to(images)
        if self.featurewise_std_normalization and self._is_fitted(
            "featurewise_std_normalization", self.std
        ):
            images = images / (torch.as_tensor(self.std).to(images) + _EPSILON)
        if self.zca_whitening and self._is_fitted("zca_whitening", self.zca_whitening_matrix):
            matrix = torch.as_tensor(self.zca_whitening_matrix).to(images)
            flat = images.reshape(-1, matrix.shape[0])
            images = (flat @ matrix).reshape(images.shape)
        return images

    def _is_fitted(self, name: str, statistic: Any) -> bool:
        if statistic is None:
            warnings.warn(
                f"This ImageDataGenerator specifies `{name}`, but it hasn't been fit on any "
                "training data. Fit it first by calling `.fit(data)`.",
                stacklevel=4,
            )
        return statistic is not None


# --- Channel shift and brightness, with Keras's quirks --------------------------------------------
#
# Keras has two quirks, which `keras_quirks=False` leaves out:
#
# - A channel shift is clipped to the lowest and highest value of the image itself, so the brightest
#   pixel of a bright image cannot become brighter. (Either way, one shift is drawn for all channels
#   of an image.)
# - Brightness goes through PIL: pixels are cut to whole numbers in 0 ... 255. An image with values
#   in [0, 1] becomes black, except for its pixels at 1. An image with values below 0 or above
#       255 is
#   first stretched to 0 ... 255, by its own extremes, and stretched back afterwards.
#
# Source: keras 3.15 `legacy/preprocessing/image.py`, `utils/image_utils.py`; Pillow `Blend.c`.


def shift_channels(
    images: torch.Tensor, intensity: torch.Tensor, keras_quirks: bool = True
) -> torch.Tensor:
    """Adds a number to all values of an image.

    Args:
        images: (N, C, H, W), float32 or float64.
        intensity: (N,) numbers to add, in units of pixel values.
        keras_quirks: whether values are clipped to the range of each image.
    """
    shifted = images + _a_number_each(intensity, images)
    if not keras_quirks:
        return shifted
    return torch.clamp(shifted, *_extremes(images))


def change_brightness(
    images: torch.Tensor, brightness: torch.Tensor, keras_quirks: bool = True
) -> torch.Tensor:
    """Multiplies all values of an image by a factor.

    Args:
        images: (N, C, H, W), float32 or float64; a fourth channel is the opacity, which stays.
        brightness: (N,) factors.
        keras_quirks: whether values are cut to whole numbers in 0 ... 255, as PIL does. If not, an
            image with values in [0, 1], or else in [0, 255], is clipped to that range.

    Raises:
        ValueError: the number of channels is not 1, 3 or 4, or values are not finite.
    """
    channels = images.shape[1]
    if channels not in (1, 3, 4):
        raise ValueError(f"brightness of images with {channels} channels: expected 1, 3 or 4")
    low, high = _extremes(images)
    if not torch.isfinite(high - low).all():
        raise ValueError("brightness of images with values that are not finite (NaN or infinity)")
    if keras_quirks:
        return _as_pil(images, brightness, low, high)
    changed = images * _a_number_each(brightness, images)
    # An image with negative values, or values above 255, is not clipped.
    top = torch.where(high <= 1, 1.0, 255.0).to(images.dtype)
    changed = torch.where((low >= 0) & (high <= 255), torch.minimum(changed, top), changed)
    return _with_opacity_of(images, changed)


def _as_pil(
    images: torch.Tensor, brightness: torch.Tensor, low: torch.Tensor, high: torch.Tensor
) -> torch.Tensor:
    is_stretched = (low < 0) | (high > 255)
    from_zero = images - low
    top = high - low
    stretched = from_zero / torch.where(top == 0, 1.0, top) * 255
    whole = torch.where(is_stretched, stretched, images).to(torch.uint8)
    # PIL multiplies in float32 and cuts off fractions. It clips if the factor is outside [0, 1];
    # inside, there is nothing to clip.
    factor = brightness.to(images.device, torch.float32)[:, None, None, None]
    blended = (whole.float() * factor).clamp(0, 255).to(torch.uint8)
    changed = _with_opacity_of(whole, blended).to(images.dtype)
    return torch.where(is_stretched, changed / 255 * (high - low) + low, changed)


def _with_opacity_of(images: torch.Tensor, changed: torch.Tensor) -> torch.Tensor:
    if images.shape[1] != 4:
        return changed
    return torch.cat([changed[:, :3], images[:, 3:]], dim=1)


def _a_number_each(numbers: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """Returns (N, 1, 1, 1) numbers in the dtype of the images, to which Keras rounds first."""
    return numbers.to(images.device, images.dtype)[:, None, None, None]


def _extremes(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns the lowest and highest value of each image, (N, 1, 1, 1)."""
    return images.amin((1, 2, 3), keepdim=True), images.amax((1, 2, 3), keepdim=True)
