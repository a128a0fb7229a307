"""A convolutional LSTM by Keras's rules; torch has none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import nn
from torch.nn import functional as F

from torch_impl.plain.convolutions import same_padding
from torch_impl.plain.recurrent import function_of


class ConvLSTM(nn.Module):
    """An LSTM over sequences of images, (N, T, C, ...), with convolutions in it.

    That of the input has strides, dilation, padding and a bias. That of the state has
    none of them, and padding "same".
    """

    convolve: ClassVar[Callable[..., torch.Tensor]]
    rank: int

    def __init__(
        self,
        in_channels: int,
        filters: int,
        kernel_size: int | tuple[int, ...],
        strides: int | tuple[int, ...] = 1,
        padding: str = "valid",
        dilation_rate: int | tuple[int, ...] = 1,
        activation: str = "tanh",
        recurrent_activation: str = "sigmoid",
        use_bias: bool = True,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = self.sizes(kernel_size)
        self.strides, self.dilation = self.sizes(strides), self.sizes(dilation_rate)
        self.padding = padding
        self.activation = function_of(activation)
        self.gate = function_of(recurrent_activation)
        self.return_sequences, self.return_state = return_sequences, return_state
        self.go_backwards = go_backwards
        rows, window = 4 * filters, self.kernel_size
        self.weight_ih = nn.Parameter(torch.empty(rows, in_channels, *window))
        self.weight_hh = nn.Parameter(torch.empty(rows, filters, *window))
        self.bias_ih = nn.Parameter(torch.zeros(rows)) if use_bias else None
        for weight in (self.weight_ih, self.weight_hh):
            nn.init.xavier_uniform_(weight)

    def sizes(self, given: int | tuple[int, ...]) -> tuple[int, ...]:
        """Returns one number for each axis."""
        return (given,) * self.rank if isinstance(given, int) else tuple(given)

    def forward(self, x: torch.Tensor) -> Any:
        """Returns the last output, (N, filters, ...), or all, and the states."""
        x = x.flip(1) if self.go_backwards else x
        images, same = x.flatten(0, 1), (self.kernel_size, self.strides, self.dilation)
        if self.padding == "same":
            images = F.pad(images, same_padding(images, *same))
        of_input = (
            type(self)
            .convolve(
                images, self.weight_ih, self.bias_ih, self.strides, 0, self.dilation
            )
            .unflatten(0, x.shape[:2])
        )
        h = c = torch.zeros_like(of_input[:, 0, : self.weight_hh.shape[1]])
        ones, outputs = (1,) * self.rank, []
        for step in of_input.unbind(1):
            state = F.pad(h, same_padding(h, self.kernel_size, ones, ones))
            gates = step + type(self).convolve(state, self.weight_hh)
            i, f, g, o = gates.chunk(4, 1)
            c = self.gate(f) * c + self.gate(i) * self.activation(g)
            h = self.gate(o) * self.activation(c)
            outputs.append(h)
        output = torch.stack(outputs, 1) if self.return_sequences else h
        return (output, h, c) if self.return_state else output


class ConvLSTM1D(ConvLSTM):
    """Over sequences of signals, (N, T, C, L)."""

    rank, convolve = 1, staticmethod(F.conv1d)


class ConvLSTM2D(ConvLSTM):
    """Over sequences of images, (N, T, C, H, W)."""

    rank, convolve = 2, staticmethod(F.conv2d)


class ConvLSTM3D(ConvLSTM):
    """Over sequences of volumes, (N, T, C, D, H, W)."""

    rank, convolve = 3, staticmethod(F.conv3d)
