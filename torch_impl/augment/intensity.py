"""Channel shift and brightness, with Keras's quirks.

Keras has two quirks, which `keras_quirks=False` leaves out:

- A channel shift is clipped to the lowest and highest value of the image itself, so the brightest
  pixel of a bright image cannot become brighter. (Either way, one shift is drawn for all channels
  of an image.)
- Brightness goes through PIL: pixels are cut to whole numbers in 0 ... 255. An image with values in
  [0, 1] becomes black, except for its pixels at 1. An image with values below 0 or above 255 is
  first stretched to 0 ... 255, by its own extremes, and stretched back afterwards.

Source: keras 3.15 `legacy/preprocessing/image.py`, `utils/image_utils.py`; Pillow `Blend.c`.
"""

from __future__ import annotations

import torch


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
