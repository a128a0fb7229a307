"""The position of the channels in an image: Keras's `data_format`."""

from __future__ import annotations

import warnings
from typing import Any

import torch

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
