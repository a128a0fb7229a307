"""Sizes as tuples, and Keras's padding, for all windows that slide over an image."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional as F

Size = int | Sequence[int]


def as_tuple(value: Size, rank: int, name: str, least: int = 1) -> tuple[int, ...]:
    """Returns one integer for each axis.

    Raises:
        ValueError: the number of integers is wrong, or one is below `least`.
    """
    values = (value,) * rank if isinstance(value, int) else tuple(value)
    if len(values) != rank or not all(isinstance(v, int) and v >= least for v in values):
        raise ValueError(f"{name}={value!r}: expected {rank} integers of at least {least}")
    return values


def check_padding(padding: str, allowed: tuple[str, ...]) -> str:
    """Returns `padding` if it is allowed.

    Raises:
        ValueError: it is not allowed.
    """
    if padding not in allowed:
        raise ValueError(f"padding={padding!r}: expected one of {allowed}")
    return padding


def same_padding(size: int, window: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """Returns how many rows Keras's padding 'same' adds before and after one axis.

    There are ceil(size / stride) windows. Of the total rows that they need beyond the input,
    total // 2 go before it and the rest after it. Torch's usual padding of kernel // 2 on both
    sides starts one row earlier if stride > 1 and the total is odd.

    Source: keras 3.15 `backend/tensorflow/nn.py` (`_pad_same_spatial_channels_last`).
    """
    num_windows = -(-size // stride)
    total = max((num_windows - 1) * stride + (window - 1) * dilation + 1 - size, 0)
    return total // 2, total - total // 2


def same_paddings(
    x: torch.Tensor, windows: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> list[tuple[int, int]]:
    """Returns `same_padding` of each spatial axis of x, (N, C, ...)."""
    axes = zip(x.shape[2:], windows, strides, dilations, strict=True)
    return [same_padding(*axis) for axis in axes]


def pad(x: torch.Tensor, paddings: Sequence[tuple[int, int]], value: float = 0.0) -> torch.Tensor:
    """Adds rows of `value` before and after each spatial axis of x, (N, C, ...)."""
    # F.pad starts with the last axis.
    return F.pad(x, [amount for pair in reversed(paddings) for amount in pair], value=value)
