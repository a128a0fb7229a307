"""The parts of a sample that are moved: tensors of images, tv_tensors, PIL images, masks."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image
from torchvision import tv_tensors

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
