"""Convolutions with Keras's padding: plain, depthwise, separable, transposed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from torch_impl.layers.sizes import Size, as_tuple, check_padding, pad, same_paddings

# --- Convolutions with Keras's padding: 'valid', 'same' at any stride, and 'causal' ---------------


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


# --- Depthwise convolutions of single channels, and separable ones, which then mix channels -------


class _Depthwise(_Convolution):
    """Base of both ranks."""

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
    """Convolves every channel with its own `depth_multiplier` kernels.

    Output channel c * depth_multiplier + m is the m-th of input channel c.

    Differs from torch.nn.Conv2d with groups=in_channels in:
    1. padding 'same' as in `Conv2D`;
    2. its kernel is (h, w, in, multiplier) in Keras, while that of a grouped convolution is
       (h, w, 1, out): `torch_impl.weights` distinguishes them.

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
    """`DepthwiseConv2D` for sequences (N, C, T).

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
    """`SeparableConv2D` for sequences (N, C, T)."""

    rank = 1
    kinds = (DepthwiseConv1D, nn.Conv1d)


# --- Transposed convolutions; padding 'same' multiplies the size by the stride --------------------


class _TransposedConvolution(nn.Module):
    """Base of the three ranks, which extend different classes of torch."""

    rank: int
    weight: torch.Tensor
    bias: torch.Tensor | None
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]

    def __init__(
        self,
        in_channels: int,
        filters: int,
        kernel_size: Size,
        strides: Size = 1,
        padding: str = "valid",
        output_padding: Size | None = None,
        dilation_rate: Size = 1,
        use_bias: bool = True,
        **options: Any,
    ) -> None:
        check_padding(padding, ("valid", "same"))
        strides = as_tuple(strides, self.rank, "strides")
        super().__init__(
            in_channels,
            filters,
            as_tuple(kernel_size, self.rank, "kernel_size"),
            stride=strides,
            dilation=as_tuple(dilation_rate, self.rank, "dilation_rate"),
            bias=use_bias,
            **options,
        )
        self.keras_padding = padding
        if output_padding is None:
            self.keras_output_padding: tuple[int | None, ...] = (None,) * self.rank
            return
        amounts = as_tuple(output_padding, self.rank, "output_padding", least=0)
        if any(amount >= stride for amount, stride in zip(amounts, strides, strict=True)):
            raise ValueError(f"output_padding={output_padding!r}: expected less than {strides=}")
        self.keras_output_padding = amounts

    def _output_size(self, size: int, axis: int) -> tuple[int, int]:
        """Returns the output size by Keras's rule, and torch's size without padding."""
        stride, amount = self.stride[axis], self.keras_output_padding[axis]
        window = (self.kernel_size[axis] - 1) * self.dilation[axis] + 1
        whole = (size - 1) * stride + window
        if self.keras_padding == "valid":
            return whole + (max(stride - window, 0) if amount is None else amount), whole  # (2)
        if amount is None:
            return size * stride, whole  # (1)
        return (size - 1) * stride + window % 2 + amount, whole

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (N, filters, ...) of x, (N, in_channels, ...)."""
        convolve: Callable[..., torch.Tensor] = (
            F.conv_transpose1d,
            F.conv_transpose2d,
            F.conv_transpose3d,
        )[self.rank - 1]
        sizes = [self._output_size(size, axis) for axis, size in enumerate(x.shape[2:])]
        # Torch crops `before` rows on both sides; the rows that Keras crops in addition at the end
        # are cut off below.
        before = [max(whole - size, 0) // 2 for size, whole in sizes]  # (1)
        beyond = [max(size - whole, 0) for size, whole in sizes]
        y = convolve(
            x,
            self.weight,
            self.bias,
            self.stride,
            padding=before,
            output_padding=beyond,
            dilation=self.dilation,
        )
        for axis, (size, _) in enumerate(sizes):
            if y.shape[axis + 2] > size:
                y = y.narrow(axis + 2, 0, size)
        return y

    def extra_repr(self) -> str:
        """Shown in the module's repr."""
        return f"{super().extra_repr()}, keras_padding={self.keras_padding!r}"


class Conv2DTranspose(_TransposedConvolution, nn.ConvTranspose2d):  # type: ignore[misc]
    """The gradient of a convolution with respect to its input, as a layer.

    Differs from torch.nn.ConvTranspose2d in:
    1. padding 'same' gives size * stride rows, and crops total // 2 before and the rest after;
    2. if the stride is longer than the window, the output is filled up to the stride.

    Weights and state_dict are those of torch.nn.ConvTranspose2d.

    Source: keras 3.15 `layers/convolutional/base_conv_transpose.py`,
    `backend/common/backend_utils.py` (`_get_output_shape_given_tf_padding`).

    Args:
        in_channels: of the input.
        filters: channels of the output.
        kernel_size: one integer, or one for each axis.
        strides: the same.
        padding: 'valid' or 'same'.
        output_padding: rows added after the output, less than the stride; None for the rules
            above. With 'same' the size is then (size - 1) * stride + window % 2 + output_padding.
        dilation_rate: as kernel_size.
        use_bias: whether a bias is added.
        **options: device and dtype of the weights.

    Raises:
        ValueError: an argument has another form.
    """

    rank = 2


class Conv1DTranspose(_TransposedConvolution, nn.ConvTranspose1d):  # type: ignore[misc]
    """`Conv2DTranspose` for sequences (N, C, T).

    Differs from torch.nn.ConvTranspose1d in: 1. and 2. of `Conv2DTranspose`.
    """

    rank = 1


class Conv3DTranspose(_TransposedConvolution, nn.ConvTranspose3d):  # type: ignore[misc]
    """`Conv2DTranspose` for volumes (N, C, D, H, W).

    Differs from torch.nn.ConvTranspose3d in: 1. and 2. of `Conv2DTranspose`.
    """

    rank = 3
