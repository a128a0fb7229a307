"""Convolutions of each channel alone, and those followed by a mixing of channels."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from torch_impl.layers.convolution import Conv1D, Conv2D, _Convolution
from torch_impl.layers.sizes import Size


class _Depthwise(_Convolution):
    """What both ranks share."""

    def __init__(
        self,
        in_channels: int,
        kernel_size: Size,
        strides: Size = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        dilation_rate: Size = 1,
        use_bias: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(
            in_channels,
            in_channels * depth_multiplier,
            kernel_size,
            strides,
            padding,
            dilation_rate,
            groups=in_channels,
            use_bias=use_bias,
            **options,
        )


class DepthwiseConv2D(_Depthwise, Conv2D):
    """Convolves every channel with `depth_multiplier` kernels of its own.

    Output channel c * depth_multiplier + m is the m-th of input channel c.

    Differs from torch.nn.Conv2d with groups=in_channels in:
    1. padding 'same' as in `Conv2D`;
    2. its kernel is (h, w, in, multiplier) in Keras, while that of a grouped convolution is
       (h, w, 1, out): `torch_impl.weights` tells them apart.

    Source: keras 3.15 `layers/convolutional/base_depthwise_conv.py`.

    Args:
        in_channels: of the input.
        kernel_size: one integer, or one for each axis.
        strides: the same.
        padding: 'valid' or 'same'.
        depth_multiplier: kernels for each channel.
        dilation_rate: as kernel_size.
        use_bias: whether a bias is added.
        **options: device and dtype of the weights.
    """


class DepthwiseConv1D(_Depthwise, Conv1D):
    """As `DepthwiseConv2D`, of sequences (N, C, T).

    Differs from torch.nn.Conv1d with groups=in_channels in: 1. and 2. of `DepthwiseConv2D`.
    """

    paddings: tuple[str, ...] = ("valid", "same")


class _Separable(nn.Module):
    """A depthwise convolution, then a pointwise one, with one bias at the end."""

    rank: int
    kinds: tuple[type[nn.Module], type[nn.Module]]

    def __init__(
        self,
        in_channels: int,
        filters: int,
        kernel_size: Size,
        strides: Size = 1,
        padding: str = "valid",
        dilation_rate: Size = 1,
        depth_multiplier: int = 1,
        use_bias: bool = True,
        **options: Any,
    ) -> None:
        super().__init__()
        depthwise, pointwise = self.kinds
        self.depthwise = depthwise(
            in_channels,
            kernel_size,
            strides,
            padding,
            depth_multiplier,
            dilation_rate,
            use_bias=False,  # (1)
            **options,
        )
        self.pointwise = pointwise(
            in_channels * depth_multiplier, filters, 1, bias=use_bias, **options
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (N, filters, ...) of x, (N, in_channels, ...)."""
        y: torch.Tensor = self.pointwise(self.depthwise(x))
        return y


class SeparableConv2D(_Separable):
    """`depthwise`, a `DepthwiseConv2D`, then `pointwise`, a torch.nn.Conv2d of 1 x 1.

    Differs from the two in a torch.nn.Sequential in:
    1. the depthwise one has no bias;
    2. padding 'same' as in `Conv2D`.

    Source: keras 3.15 `layers/convolutional/base_separable_conv.py`.

    Args:
        in_channels: of the input.
        filters: channels of the output.
        kernel_size: of the depthwise convolution, as its strides, padding, dilation_rate and
            depth_multiplier.
        strides: see kernel_size.
        padding: 'valid' or 'same'.
        dilation_rate: see kernel_size.
        depth_multiplier: kernels for each channel.
        use_bias: of the pointwise convolution.
        **options: device and dtype of the weights.
    """

    rank = 2
    kinds = (DepthwiseConv2D, nn.Conv2d)


class SeparableConv1D(_Separable):
    """As `SeparableConv2D`, of sequences (N, C, T)."""

    rank = 1
    kinds = (DepthwiseConv1D, nn.Conv1d)
