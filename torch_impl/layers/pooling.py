"""Pooling with Keras's padding, and pooling of whole images."""

from __future__ import annotations

import math

import torch
from torch.nn import functional as F

from torch_impl.layers.layer import Layer
from torch_impl.layers.sizes import Size, as_tuple, check_padding, pad, same_paddings


class _Pooling(Layer):
    """Base of all pooling windows."""

    rank: int

    def __init__(
        self, pool_size: Size = 2, strides: Size | None = None, padding: str = "valid"
    ) -> None:
        super().__init__()
        self.pool_size = as_tuple(pool_size, self.rank, "pool_size")
        self.strides = as_tuple(pool_size if strides is None else strides, self.rank, "strides")
        self.padding = check_padding(padding, ("valid", "same"))

    def _paddings(self, x: torch.Tensor) -> list[tuple[int, int]]:
        if self.padding == "valid":
            return [(0, 0)] * self.rank
        return same_paddings(x, self.pool_size, self.strides, (1,) * self.rank)


class _MaxPooling(_Pooling):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns the greatest value of each window of x, (N, C, ...)."""
        paddings = self._paddings(x)
        if any(amount for pair in paddings for amount in pair):
            x = pad(x, paddings, -math.inf)  # (1) (2)
        pool = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[self.rank - 1]
        return pool(x, self.pool_size, self.strides)


class _AveragePooling(_Pooling):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns the mean of each window of x, (N, C, ...)."""
        pool = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[self.rank - 1]
        paddings = self._paddings(x)
        if not any(amount for pair in paddings for amount in pair):
            return pool(x, self.pool_size, self.strides)
        means = pool(pad(x, paddings), self.pool_size, self.strides)  # (1)
        for axis, (window, stride, (before, _)) in enumerate(
            zip(self.pool_size, self.strides, paddings, strict=True), start=2
        ):
            starts = torch.arange(means.shape[axis], device=x.device) * stride - before
            inside = (starts + window).clamp(max=x.shape[axis]) - starts.clamp(min=0)
            shape = [-1 if number == axis else 1 for number in range(x.ndim)]
            means = means * (window / inside.to(x.dtype)).reshape(shape)  # (2)
        return means


class MaxPooling2D(_MaxPooling):
    """The greatest value of each window; with padding 'valid' it is torch.nn.MaxPool2d.

    Differs from torch.nn.MaxPool2d in:
    1. padding 'same', by `same_padding`, at every window and stride;
    2. it pads with minus infinity, since zeros would win over negative values.

    Source: keras 3.15 `layers/pooling/base_pooling.py`, `backend/tensorflow/nn.py` (`max_pool`).

    Args:
        pool_size: one integer, or one for each axis.
        strides: the same; None for those of pool_size.
        padding: 'valid' or 'same'.

    Raises:
        ValueError: an argument has another form.
    """

    rank = 2


class MaxPooling1D(_MaxPooling):
    """`MaxPooling2D` for sequences (N, C, T).

    Differs from torch.nn.MaxPool1d in: 1. and 2. of `MaxPooling2D`.
    """

    rank = 1


class MaxPooling3D(_MaxPooling):
    """`MaxPooling2D` for volumes (N, C, D, H, W).

    Differs from torch.nn.MaxPool3d in: 1. and 2. of `MaxPooling2D`.
    """

    rank = 3


class AveragePooling2D(_AveragePooling):
    """The mean of each window; with padding 'valid' it is torch.nn.AvgPool2d.

    Differs from torch.nn.AvgPool2d in:
    1. padding 'same', by `same_padding`, at every window and stride;
    2. the sum of a window at the border is divided by the number of its values inside the image.

    Source: keras 3.15 `layers/pooling/base_pooling.py`, `backend/tensorflow/nn.py`
    (`average_pool`).

    Args:
        pool_size, strides, padding: see `MaxPooling2D`.

    Raises:
        ValueError: an argument has another form.
    """

    rank = 2


class AveragePooling1D(_AveragePooling):
    """`AveragePooling2D` for sequences (N, C, T).

    Differs from torch.nn.AvgPool1d in: 1. and 2. of `AveragePooling2D`.
    """

    rank = 1


class AveragePooling3D(_AveragePooling):
    """`AveragePooling2D` for volumes (N, C, D, H, W).

    Differs from torch.nn.AvgPool3d in: 1. and 2. of `AveragePooling2D`.
    """

    rank = 3


class _GlobalPooling(Layer):
    def __init__(self, keepdims: bool = False) -> None:
        super().__init__()
        self.keepdims = keepdims


class GlobalAveragePooling(_GlobalPooling):
    """The mean of each channel of (N, C, ...), of any rank.

    Differs from torch.nn.AdaptiveAvgPool2d(1) in:
    1. the axes of length one are dropped unless `keepdims`.

    Source: keras 3.15 `layers/pooling/global_average_pooling2d.py`.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (N, C), or (N, C, 1, ...)."""
        return x.mean(dim=tuple(range(2, x.ndim)), keepdim=self.keepdims)  # (1)


class GlobalAveragePooling1D(GlobalAveragePooling):
    """`GlobalAveragePooling` for sequences (N, C, T): the mean of the steps that count.

    Source: keras 3.15 `layers/pooling/global_average_pooling1d.py`.
    """

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Returns (N, C), or (N, C, 1); NaN for a sequence of which no step counts.

        Args:
            x: (N, C, T).
            mask: (N, T), true where a step counts.
        """
        if mask is None:
            return super().forward(x)
        counts = mask.bool()[:, None]
        total = torch.where(counts, x, 0).sum(2, keepdim=self.keepdims)
        return total / counts.to(x.dtype).sum(2, keepdim=self.keepdims)


class GlobalMaxPooling(_GlobalPooling):
    """The greatest value of each channel of (N, C, ...), of any rank.

    Differs from torch.nn.AdaptiveMaxPool2d(1) in:
    1. the axes of length one are dropped unless `keepdims`;
    2. if several values are the greatest, each gets the same share of the gradient.

    A trap, in Keras as here: it knows no mask. The maximum is taken over masked steps, too.

    Source: keras 3.15 `layers/pooling/global_max_pooling2d.py`.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (N, C), or (N, C, 1, ...)."""
        return x.amax(dim=tuple(range(2, x.ndim)), keepdim=self.keepdims)  # (1) (2)
