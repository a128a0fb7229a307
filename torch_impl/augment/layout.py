"""The position of the channels in an image, and the parts of a sample that are moved."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from PIL import Image
from torchvision import tv_tensors

# --- The position of the channels in an image: Keras's `data_format` ------------------------------


DATA_FORMATS = ("channels_last", "channels_first")
_USUAL_CHANNELS = (1, 3, 4)


def to_tensor(x: Any, dtype: torch.dtype | None = None) -> torch.Tensor:
    """Returns a tensor of a tensor or an array, without a copy if the dtype allows it."""
    with warnings.catch_warnings():
        # For example a memory-mapped file. Nothing here writes to its input.
        warnings.filterwarnings("ignore", "The given NumPy array is not writable", UserWarning)
        return torch.as_tensor(x, dtype=dtype)


def check_images(images: torch.Tensor, data_format: str, where: str, stacklevel: int) -> None:
    """Raises or warns if a tensor does not look like a batch of images.

    Keras warns if the number of channels is not 1, 3 or 4. If it would be in the other format, the
    format is wrong.

    Args:
        images: the tensor.
        data_format: where its channels are.
        where: the name of the method, for the message.
        stacklevel: from the caller of this function to the code that the warning concerns.

    Raises:
        ValueError: there are not four axes, or the channels are on the axis of the other format.
    """
    if images.ndim != 4:
        raise ValueError(
            f"{where}: x of shape {tuple(images.shape)}: expected four axes, images first"
        )
    channel_axis, other_axis = (1, 3) if data_format == "channels_first" else (3, 1)
    channels, other_channels = images.shape[channel_axis], images.shape[other_axis]
    if channels in _USUAL_CHANNELS:
        return
    shown = (
        f"{where}: x of shape {tuple(images.shape)} has {channels} channels on axis {channel_axis} "
        f"(data_format={data_format!r})"
    )
    if other_channels in _USUAL_CHANNELS:
        other_format = DATA_FORMATS[1 - DATA_FORMATS.index(data_format)]
        raise ValueError(f"{shown}: expected 1, 3 or 4; is it data_format={other_format!r}?")
    warnings.warn(f"{shown}: expected 1, 3 or 4", stacklevel=stacklevel + 1)


def to_channels_first(images: torch.Tensor, data_format: str) -> torch.Tensor:
    """Returns a view (..., C, H, W) of an image or a batch."""
    if data_format == "channels_first":
        return images
    return images.permute(0, 3, 1, 2) if images.ndim == 4 else images.movedim(-1, -3)


def from_channels_first(images: torch.Tensor, data_format: str) -> torch.Tensor:
    """The inverse of `to_channels_first`."""
    if data_format == "channels_first":
        return images
    return images.permute(0, 2, 3, 1) if images.ndim == 4 else images.movedim(-3, -1)


# --- The parts of a sample that are moved: tensors of images, tv_tensors, PIL images, masks -------


_PIL_MODES = ("L", "RGB", "RGBA")


def check_sample(parts: list[Any]) -> tuple[int, int, int]:
    """Checks the parts of a sample that are to be moved together.

    Args:
        parts: images, and masks of them.

    Returns:
        (number of images, height, width); one image for a sample without a batch.

    Raises:
        TypeError: a part is neither an image nor a mask, or there is none.
        ValueError: a part has another rank or dtype or size than the others, or a batch of images
            has masks of another number.
    """
    if not parts:
        raise TypeError(
            "a sample without an image: expected a tensor, a tv_tensors.Image or a PIL image"
        )
    images = [check_image(part) for part in parts if not is_mask(part)]
    masks = [part for part in parts if is_mask(part)]
    sizes = sorted({tuple(part.shape[-2:]) for part in (*images, *masks)})
    if len(sizes) > 1:
        raise ValueError(f"images and masks of sizes {sizes}: expected one (height, width)")
    batches = [len(image) for image in images if image.ndim == 4]
    num_images = max(batches, default=1)
    for mask in masks:
        check_mask(mask, num_images)
    return num_images, *sizes[0]


def is_mask(part: Any) -> bool:
    """Whether a part of a sample is a mask."""
    return isinstance(part, tv_tensors.Mask)


def check_image(image: Any) -> torch.Tensor:
    """Returns an image, (C, H, W), or a batch of images, (N, C, H, W), float32 or float64.

    Raises:
        TypeError: it is no image.
        ValueError: its rank, dtype or mode is another one.
    """
    if isinstance(image, Image.Image):
        return from_pil(image)
    is_image = isinstance(image, torch.Tensor) and (
        not isinstance(image, tv_tensors.TVTensor) or isinstance(image, tv_tensors.Image)
    )
    if not is_image:
        raise TypeError(
            f"{type(image).__name__}: expected a tensor of images; this transform moves images and "
            "masks, but not boxes, keypoints or videos"
        )
    if image.ndim not in (3, 4):
        raise ValueError(
            f"images of shape {tuple(image.shape)}: expected (channels, height, width) or "
            "(images, channels, height, width)"
        )
    if image.dtype not in (torch.float32, torch.float64):
        raise ValueError(
            f"images of dtype {image.dtype}: expected float32 or float64; convert them first, "
            "since whole numbers would cut off the fractions of interpolated values"
        )
    checked: torch.Tensor = image
    return checked


def check_mask(mask: torch.Tensor, num_images: int) -> None:
    """Raises ValueError unless a mask is (..., H, W), with the images of a batch first."""
    if mask.ndim < 2 or (num_images > 1 and (mask.ndim == 2 or len(mask) != num_images)):
        wanted = f"({num_images}, ..., height, width)" if num_images > 1 else "(..., height, width)"
        raise ValueError(f"Mask of shape {tuple(mask.shape)}: expected {wanted}")


def from_pil(image: Image.Image) -> torch.Tensor:
    """Returns the pixels of a PIL image, (C, H, W) float32, in [0, 255], as Keras reads them.

    Raises:
        ValueError: the mode is another one than L, RGB and RGBA.
    """
    if image.mode not in _PIL_MODES:
        raise ValueError(
            f"PIL image of mode {image.mode}: expected one of {', '.join(_PIL_MODES)}; "
            'convert it first, such as by image.convert("RGB")'
        )
    pixels = torch.from_numpy(np.array(image)).float()
    return pixels[None] if pixels.ndim == 2 else pixels.movedim(-1, 0)


def as_pil(pixels: torch.Tensor) -> Image.Image:
    """Returns (C, H, W) as a PIL image; values are rounded and clipped to 0 ... 255.

    Keras's `array_to_img` stretches them, or cuts off their fractions.
    """
    whole = pixels.round().clamp(0, 255).to(torch.uint8).movedim(0, -1).numpy()
    return Image.fromarray(whole[:, :, 0] if whole.shape[2] == 1 else whole)
