"""Transposed convolutions; padding 'same' multiplies the size by the stride."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from torch_impl.layers.sizes import Size, as_tuple, check_padding


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
