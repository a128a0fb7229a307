"""Layers that give a tensor another shape, add, cut or repeat rows, or are a weight alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from torch_impl.layers.image.resample import in_dtype_of, resize
from torch_impl.layers.layer import Layer
from torch_impl.layers.sizes import Size, as_tuple, pad

# --- Layers that give a tensor another shape, in Keras's order of the entries ---------------------


class Flatten(nn.Module):
    """Flattens (N, C, H, W) in Keras's order: index = (h * W + w) * C + c.

    Differs from torch.nn.Flatten in:
    1. channels vary fastest, as in Keras's layout (N, H, W, C); with channels-last memory this is
       a view.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (N, H * W * C)."""
        return x.movedim(1, -1).flatten(1)  # (1)


class Reshape(Layer):
    """Gives the entries of each example another shape, without changing their order.

    Differs from torch.nn.Unflatten in:
    1. all axes but the first are replaced.

    The order is that of the input: Keras, with (N, H, W, C), does not do the same as this layer
    with (N, C, H, W).

    Source: keras 3.15 `layers/reshaping/reshape.py`.

    Args:
        target_shape: without the batch axis; one length may be -1.
    """

    def __init__(self, target_shape: Sequence[int]) -> None:
        super().__init__()
        self.target_shape = tuple(target_shape)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (N, *target_shape)."""
        return x.reshape(x.shape[0], *self.target_shape)  # (1)


class Permute(Layer):
    """Gives the axes of each example another order.

    Differs from torch.permute in:
    1. axes are counted from 1, and the batch axis stays.

    Source: keras 3.15 `layers/reshaping/permute.py`.

    Args:
        dims: each of 1 ... n once.

    Raises:
        ValueError: dims are not such a permutation.
    """

    def __init__(self, dims: Sequence[int]) -> None:
        super().__init__()
        self.dims = tuple(dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ValueError(f"dims={dims!r}: expected each of 1 ... {len(self.dims)} once")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns a view of x."""
        return x.permute(0, *self.dims)  # (1)


class RepeatVector(Layer):
    """Repeats (N, C) along a new second axis: (N, n, C).

    Source: keras 3.15 `layers/reshaping/repeat_vector.py`.
    """

    def __init__(self, n: int) -> None:
        super().__init__()
        if n < 1:
            raise ValueError(f"n={n!r}: expected an integer of at least 1")
        self.n = n

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (N, n, C)."""
        return x[:, None].expand(-1, self.n, -1)


# --- Layers that add, cut or repeat rows of (N, C, ...), with any number of spatial axes ----------


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


class ZeroPadding(Layer):
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


class Cropping(Layer):
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


class UpSampling(Layer):
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


# --- Weight: a weight that no layer has, such as a token of the class, or a scale -----------------


class Weight(Layer):
    """Holds a weight with which a network computes by itself: `x + self.token.value`.

    In Keras it is a weight that a layer of the user's own has by `add_weight`. Torch's is an
    `nn.Parameter` of the network; as a module it has a place among the layers, so that its initial
    values are drawn in Keras's order, and rules find it.

    Args:
        shape: of the weight.

    Attributes:
        value: the weight, zeros at first.
    """

    value: nn.Parameter

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.zeros(tuple(shape)))

    def forward(self, *inputs: Any) -> torch.Tensor:
        """Returns the weight, whatever it is given."""
        return self.value
