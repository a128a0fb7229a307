"""Where the channels of an image are: Keras's `data_format`."""

from __future__ import annotations

import warnings
from typing import Any

import torch

DATA_FORMATS = ("channels_last", "channels_first")
_USUAL_CHANNELS = (1, 3, 4)


def to_tensor(x: Any, dtype: torch.dtype | None = None) -> torch.Tensor:
    """Takes a tensor or an array, without a copy where the dtype allows it."""
    with warnings.catch_warnings():
        # A memory-mapped file, say: nothing here writes to what it is given.
        warnings.filterwarnings("ignore", "The given NumPy array is not writable", UserWarning)
        return torch.as_tensor(x, dtype=dtype)


def check_images(images: torch.Tensor, data_format: str, where: str, stacklevel: int) -> None:
    """Raises or warns where a tensor does not look like a batch of images.

    Keras warns of a number of channels that is not 1, 3 or 4. Where there would be such a number in
    the other format, it is the format that is wrong.

    Args:
        images: the tensor.
        data_format: where its channels are.
        where: the name of the method, for the message.
        stacklevel: from the caller of this function to the one whom the warning concerns.

    Raises:
        ValueError: not four axes; channels on the axis of the other format.
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
    """A view (..., C, H, W) of an image or a batch."""
    if data_format == "channels_first":
        return images
    return images.permute(0, 3, 1, 2) if images.ndim == 4 else images.movedim(-1, -3)


def from_channels_first(images: torch.Tensor, data_format: str) -> torch.Tensor:
    """The inverse of `to_channels_first`."""
    if data_format == "channels_first":
        return images
    return images.permute(0, 2, 3, 1) if images.ndim == 4 else images.movedim(-3, -1)
