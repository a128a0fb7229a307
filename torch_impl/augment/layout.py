"""Where the channels of an image are: Keras's `data_format`."""

from __future__ import annotations

import warnings

import torch

DATA_FORMATS = ("channels_last", "channels_first")


def check_images(images: torch.Tensor, data_format: str, where: str) -> None:
    """Raises or warns where a tensor does not look like a batch of images.

    Raises:
        ValueError: not four axes.
    """
    if images.ndim != 4:
        raise ValueError(
            f"{where}: x of shape {tuple(images.shape)}: expected four axes, images first"
        )
    channel_axis = 1 if data_format == "channels_first" else 3
    if images.shape[channel_axis] not in (1, 3, 4):
        warnings.warn(
            f"{where}: x of shape {tuple(images.shape)} has {images.shape[channel_axis]} channels "
            f"on axis {channel_axis} (data_format={data_format!r}): expected 1, 3 or 4",
            stacklevel=4,
        )


def to_channels_first(images: torch.Tensor, data_format: str) -> torch.Tensor:
    """A view (..., C, H, W) of an image or a batch."""
    return images if data_format == "channels_first" else images.movedim(-1, -3)


def from_channels_first(images: torch.Tensor, data_format: str) -> torch.Tensor:
    """The inverse of `to_channels_first`."""
    return images if data_format == "channels_first" else images.movedim(-3, -1)
