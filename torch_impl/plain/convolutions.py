"""Convolutions whose padding torch has not."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F


def same_padding(
    x: torch.Tensor,
    windows: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> list[int]:
    """Returns what Keras's 'same' adds to x, (N, C, ...), as F.pad takes it.

    An odd row comes behind. torch's padding="same" takes no strides.
    """
    amounts: list[int] = []
    axes = zip(x.shape[2:], windows, strides, dilations, strict=True)
    for size, window, stride, dilation in axes:
        reach = (window - 1) * dilation + 1
        total = max((-(-size // stride) - 1) * stride + reach - size, 0)
        amounts = [total // 2, total - total // 2, *amounts]  # the last axis first
    return amounts


class Padded(nn.Module):
    """A convolution of torch with Keras's 'same' or 'causal' padding."""

    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]

    def __init__(
        self,
        in_channels: int,
        filters: int,
        kernel_size: int | tuple[int, ...],
        strides: int | tuple[int, ...] = 1,
        padding: str = "valid",
        dilation_rate: int | tuple[int, ...] = 1,
        groups: int = 1,
        use_bias: bool = True,
    ) -> None:
        super().__init__(
            in_channels,
            filters,
            kernel_size,
            stride=strides,
            dilation=dilation_rate,
            groups=groups,
            bias=use_bias,
        )
        self.keras_padding = padding

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (N, filters, ...) of x, (N, in_channels, ...)."""
        if self.keras_padding == "causal":  # no output sees a later step
            x = F.pad(x, (self.dilation[0] * (self.kernel_size[0] - 1), 0))
        elif self.keras_padding == "same":
            x = F.pad(x, same_padding(x, self.kernel_size, self.stride, self.dilation))
        y: torch.Tensor = super().forward(x)
        return y


class Conv1D(Padded, nn.Conv1d):
    """A convolution of sequences, (N, C, T)."""


class Conv2D(Padded, nn.Conv2d):
    """A convolution of images, (N, C, H, W)."""


class Conv3D(Padded, nn.Conv3d):
    """A convolution of volumes, (N, C, D, H, W)."""


class Depthwise(Padded):
    """A convolution of each channel by itself."""

    def __init__(
        self,
        in_channels: int,
        kernel_size: int | tuple[int, ...],
        strides: int | tuple[int, ...] = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        dilation_rate: int | tuple[int, ...] = 1,
        use_bias: bool = True,
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
        )


class DepthwiseConv1D(Depthwise, nn.Conv1d):
    """A convolution of each channel of (N, C, T)."""


class DepthwiseConv2D(Depthwise, nn.Conv2d):
    """A convolution of each channel of (N, C, H, W)."""


class SeparableConv1D(nn.Module):
    """A convolution of each channel, then one of a single step over all channels."""

    def __init__(
        self,
        in_channels: int,
        filters: int,
        kernel_size: int | tuple[int, ...],
        strides: int | tuple[int, ...] = 1,
        padding: str = "valid",
        dilation_rate: int | tuple[int, ...] = 1,
        depth_multiplier: int = 1,
        use_bias: bool = True,
    ) -> None:
        super().__init__()
        self.depthwise = DepthwiseConv1D(
            in_channels,
            kernel_size,
            strides,
            padding,
            depth_multiplier,
            dilation_rate,
            use_bias=False,  # there is one bias, at the end
        )
        inner = in_channels * depth_multiplier
        self.pointwise = nn.Conv1d(inner, filters, 1, bias=use_bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (N, filters, T) of x, (N, in_channels, T)."""
        y: torch.Tensor = self.pointwise(self.depthwise(x))
        return y


class SeparableConv2D(nn.Module):
    """A convolution of each channel, then one of a single pixel over all channels."""

    def __init__(
        self,
        in_channels: int,
        filters: int,
        kernel_size: int | tuple[int, ...],
        strides: int | tuple[int, ...] = 1,
        padding: str = "valid",
        dilation_rate: int | tuple[int, ...] = 1,
        depth_multiplier: int = 1,
        use_bias: bool = True,
    ) -> None:
        super().__init__()
        self.depthwise = DepthwiseConv2D(
            in_channels,
            kernel_size,
            strides,
            padding,
            depth_multiplier,
            dilation_rate,
            use_bias=False,  # there is one bias, at the end
        )
        inner = in_channels * depth_multiplier
        self.pointwise = nn.Conv2d(inner, filters, 1, bias=use_bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (N, filters, H, W) of x, (N, in_channels, H, W)."""
        y: torch.Tensor = self.pointwise(self.depthwise(x))
        return y


class Conv1DTranspose(nn.ConvTranspose1d):
    """A transposed convolution of (N, C, T) whose size is Keras's."""

    def __init__(
        self,
        in_channels: int,
        filters: int,
        kernel_size: int,
        strides: int = 1,
        padding: str = "valid",
        use_bias: bool = True,
    ) -> None:
        super().__init__(in_channels, filters, kernel_size, strides, bias=use_bias)
        self.keras_padding = padding

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        """Returns (N, filters, T * strides), with 'valid' up to a window more."""
        y = F.conv_transpose1d(x, self.weight, self.bias, self.stride)
        return keras_size(
            y, x, self.kernel_size, self.stride, self.bias, self.keras_padding
        )


class Conv2DTranspose(nn.ConvTranspose2d):
    """A transposed convolution of (N, C, H, W) whose size is Keras's."""

    def __init__(
        self,
        in_channels: int,
        filters: int,
        kernel_size: int | tuple[int, int],
        strides: int | tuple[int, int] = 1,
        padding: str = "valid",
        use_bias: bool = True,
    ) -> None:
        super().__init__(in_channels, filters, kernel_size, strides, bias=use_bias)
        self.keras_padding = padding

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        """Returns (N, filters, H * strides, ...), with 'valid' up to a window more."""
        y = F.conv_transpose2d(x, self.weight, self.bias, self.stride)
        return keras_size(
            y, x, self.kernel_size, self.stride, self.bias, self.keras_padding
        )


def keras_size(
    y: torch.Tensor,
    x: torch.Tensor,
    windows: Sequence[int],
    strides: Sequence[int],
    bias: torch.Tensor | None,
    padding: str,
) -> torch.Tensor:
    """Returns a transposed convolution y of x, cut or filled up to Keras's size.

    What is cut in front is half of it, and an odd row is cut behind. A row that no
    window reaches has the bias alone.
    """
    axes = zip(x.shape[2:], windows, strides, strict=True)
    for axis, (size, window, stride) in enumerate(axes, start=2):
        whole = (size - 1) * stride + window
        wanted = size * stride
        if padding == "valid":
            wanted = whole + max(stride - window, 0)
        if wanted <= whole:
            y = y.narrow(axis, (whole - wanted) // 2, wanted)
            continue
        shape = [*y.shape[:axis], wanted - whole, *y.shape[axis + 1 :]]
        more = y.new_zeros(shape)
        if bias is not None:
            more = more + bias.reshape(-1, *[1] * (y.ndim - 2))
        y = torch.cat([y, more], dim=axis)
    return y
