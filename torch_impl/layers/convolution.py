"""Convolutions with Keras's padding: 'valid', 'same' at any stride, and 'causal'."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from torch_impl.layers.sizes import Size, as_tuple, check_padding, pad, same_paddings


class _Convolution(nn.Module):
    """Base of the three ranks, which extend different classes of torch."""

    rank: int
    paddings: tuple[str, ...] = ("valid", "same")
    weight: torch.Tensor
    bias: torch.Tensor | None
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int

    def __init__(
        self,
        in_channels: int,
        filters: int,
        kernel_size: Size,
        strides: Size = 1,
        padding: str = "valid",
        dilation_rate: Size = 1,
        groups: int = 1,
        use_bias: bool = True,
        **options: Any,
    ) -> None:
        check_padding(padding, self.paddings)
        super().__init__(
            in_channels,
            filters,
            as_tuple(kernel_size, self.rank, "kernel_size"),
            stride=as_tuple(strides, self.rank, "strides"),
            dilation=as_tuple(dilation_rate, self.rank, "dilation_rate"),
            groups=groups,
            bias=use_bias,
            **options,
        )
        # Not `padding`, an attribute of torch's class, where it stays 0.
        self.keras_padding = padding

    def _paddings(self, x: torch.Tensor) -> list[tuple[int, int]]:
        if self.keras_padding == "causal":
            return [(self.dilation[0] * (self.kernel_size[0] - 1), 0)]
        return same_paddings(x, self.kernel_size, self.stride, self.dilation)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (N, filters, ...) of x, (N, in_channels, ...)."""
        convolve: Callable[..., torch.Tensor] = (F.conv1d, F.conv2d, F.conv3d)[self.rank - 1]
        amount: Any = 0
        if self.keras_padding != "valid":
            paddings = self._paddings(x)  # (1) (2)
            if all(before == after for before, after in paddings):
                amount = tuple(before for before, _ in paddings)  # without a copy of x
            else:
                x = pad(x, paddings)
        return convolve(x, self.weight, self.bias, self.stride, amount, self.dilation, self.groups)

    def extra_repr(self) -> str:
        """Shown in the module's repr."""
        return f"{super().extra_repr()}, keras_padding={self.keras_padding!r}"


class Conv2D(_Convolution, nn.Conv2d):
    """Convolution of images; with padding 'valid' it is torch.nn.Conv2d.

    Differs from torch.nn.Conv2d in:
    1. padding 'same' works at every stride, and adds an odd row after the image, not before it:
       see `same_padding`.

    Weights and state_dict are those of torch.nn.Conv2d.

    Source: keras 3.15 `layers/convolutional/base_conv.py`.

    Args:
        in_channels: channels of the input, which Keras reads from the input.
        filters: channels of the output.
        kernel_size: one integer, or one for each axis.
        strides: the same.
        padding: 'valid' or 'same'.
        dilation_rate: as kernel_size.
        groups: must divide in_channels and filters.
        use_bias: whether a bias is added.
        **options: device and dtype of the weights.

    Raises:
        ValueError: an argument has another form.
    """

    rank = 2


class Conv1D(_Convolution, nn.Conv1d):
    """Convolution of sequences (N, C, T), with the arguments of `Conv2D`.

    Differs from torch.nn.Conv1d in:
    1. padding 'same', as `Conv2D`;
    2. padding 'causal' adds all rows before the sequence, so that no output sees what comes later.

    Source: keras 3.15 `layers/convolutional/conv1d.py`.
    """

    rank = 1
    paddings: tuple[str, ...] = ("valid", "same", "causal")


class Conv3D(_Convolution, nn.Conv3d):
    """Convolution of volumes (N, C, D, H, W), with the arguments of `Conv2D`.

    Differs from torch.nn.Conv3d in:
    1. padding 'same', as `Conv2D`.

    Source: keras 3.15 `layers/convolutional/conv3d.py`.
    """

    rank = 3
