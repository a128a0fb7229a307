"""Layers that add, cut or repeat rows of (N, C, ...), with any number of spatial axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from torch_impl.layers.image.resample import in_dtype_of, resize
from torch_impl.layers.sizes import Size, as_tuple, pad

_METHODS = ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")
Pairs = int | Sequence[int] | Sequence[Sequence[int]]


def as_pairs(value: Pairs, rank: int, name: str) -> tuple[tuple[int, int], ...]:
    """Returns (before, after) for each spatial axis, as Keras reads such an argument.

    Args:
        value: one integer for all; or one for each axis; or a pair for each axis. With one axis, a
            pair is (before, after).
        rank: number of spatial axes.
        name: of the argument.

    Raises:
        ValueError: the value has another form.
    """
    given: Any = value
    if isinstance(value, int):
        given = [value] * rank
    elif rank == 1 and len(value) == 2 and all(isinstance(entry, int) for entry in value):
        given = [value]
    pairs = [(entry, entry) if isinstance(entry, int) else tuple(entry) for entry in given]
    if len(pairs) != rank or any(len(p) != 2 or min(p) < 0 for p in pairs):
        raise ValueError(f"{name}={value!r}: expected {rank} pairs of integers of at least 0")
    return tuple(pairs)


class ZeroPadding(nn.Module):
    """Adds rows of zeros before and after each spatial axis.

    Differs from torch.nn.ZeroPad2d in:
    1. pairs are in the order of the axes, (top, bottom), (left, right); torch starts with the last
       axis.

    Source: keras 3.15 `layers/reshaping/zero_padding2d.py`.

    Args:
        padding: see `as_pairs`.
        rank: number of spatial axes: 1, 2 or 3.
    """

    def __init__(self, padding: Pairs = 1, rank: int = 2) -> None:
        super().__init__()
        self.padding = as_pairs(padding, rank, "padding")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns x, (N, C, ...), with the added rows."""
        return pad(x, self.padding)  # (1)

    def extra_repr(self) -> str:
        """Shown in the module's repr."""
        return f"{self.padding}"


class Cropping(nn.Module):
    """Cuts rows off before and after each spatial axis.

    Source: keras 3.15 `layers/reshaping/cropping2d.py`.

    Args:
        cropping: see `as_pairs`.
        rank: number of spatial axes: 1, 2 or 3.
    """

    def __init__(self, cropping: Pairs = 0, rank: int = 2) -> None:
        super().__init__()
        self.cropping = as_pairs(cropping, rank, "cropping")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns a view of x, (N, C, ...).

        Raises:
            ValueError: nothing would be left.
        """
        for axis, (before, after) in enumerate(self.cropping, start=2):
            if before + after >= x.shape[axis]:
                raise ValueError(f"cropping={self.cropping} of {tuple(x.shape)}: nothing is left")
            x = x.narrow(axis, before, x.shape[axis] - before - after)
        return x

    def extra_repr(self) -> str:
        """Shown in the module's repr."""
        return f"{self.cropping}"


class UpSampling(nn.Module):
    """Makes each spatial axis `size` times as long.

    Differs from torch.nn.Upsample in:
    1. all methods but 'nearest' are TensorFlow's kernels, which compute in float32, in float64 runs
       too: see `torch_impl.layers.image.resample`.

    Source: keras 3.15 `layers/reshaping/up_sampling2d.py`.

    Args:
        size: one integer, or one for each axis.
        interpolation: 'nearest'; for two axes also 'bilinear', 'bicubic', 'lanczos3', 'lanczos5'.
        rank: number of spatial axes: 1, 2 or 3.

    Raises:
        ValueError: an argument has another form.
    """

    def __init__(self, size: Size = 2, interpolation: str = "nearest", rank: int = 2) -> None:
        super().__init__()
        self.size = as_tuple(size, rank, "size")
        known = _METHODS if rank == 2 else _METHODS[:1]
        if interpolation not in known:
            raise ValueError(f"interpolation={interpolation!r}: expected one of {known}")
        self.interpolation = interpolation

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns a larger tensor of x, (N, C, ...), in its dtype."""
        if self.interpolation != "nearest":
            height, width = (n * times for n, times in zip(x.shape[2:], self.size, strict=True))
            return in_dtype_of(x, resize(x, (height, width), self.interpolation))  # (1)
        for axis, factor in enumerate(self.size, start=2):
            x = x.repeat_interleave(factor, dim=axis) if factor > 1 else x
        return x

    def extra_repr(self) -> str:
        """Shown in the module's repr."""
        return f"{self.size}, interpolation={self.interpolation!r}"
