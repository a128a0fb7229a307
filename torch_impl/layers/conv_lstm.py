"""Convolutional LSTM: the equations of an LSTM with convolutions in the place of products."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from torch_impl.layers.recurrent import Loop
from torch_impl.layers.recurrent_cells import Function, LSTMGates, Masks, States, product
from torch_impl.layers.sizes import Size, as_tuple, check_padding, pad, same_paddings


class ConvLSTMGates(LSTMGates):
    """The equations of `LSTM` for images with channels first, (N, C, ...)."""

    rank: int

    def __init__(
        self,
        in_channels: int,
        filters: int,
        kernel_size: Size,
        strides: Size = 1,
        padding: str = "valid",
        dilation_rate: Size = 1,
        activation: Function = "tanh",
        recurrent_activation: Function = "sigmoid",
        use_bias: bool = True,
        **options: Any,
    ) -> None:
        self.kernel_size = as_tuple(kernel_size, self.rank, "kernel_size")
        self.strides = as_tuple(strides, self.rank, "strides")
        self.dilation_rate = as_tuple(dilation_rate, self.rank, "dilation_rate")
        self.padding = check_padding(padding, ("valid", "same"))
        # Each gate has masks of its own.
        options = {**options, "use_bias": use_bias, "implementation": 1}
        super().__init__(in_channels, filters, activation, recurrent_activation, **options)

    def _add_weights(self, **options: Any) -> None:
        rows, window = self.num_gates * self.units, self.kernel_size
        for name, columns in (("weight_ih", self.input_size), ("weight_hh", self.units)):
            weight = nn.Parameter(torch.empty(rows, columns, *window, **options))
            nn.init.kaiming_uniform_(weight, 5**0.5)  # torch's initial weights of a convolution
            setattr(self, name, weight)
        if self.use_bias:
            self.bias_ih = nn.Parameter(torch.zeros(rows, **options))

    @property
    def _fused(self) -> Any:
        return None

    def zeros(self, step: torch.Tensor) -> States:
        """Returns the states before the first time step, (N, filters, ...) each."""
        sizes = [self._length(axis, size) for axis, size in enumerate(step.shape[2:])]
        shape = (step.shape[0], self.units, *sizes)
        return tuple(step.new_zeros(shape) for _ in range(self.num_states))

    def _length(self, axis: int, size: int) -> int:
        if self.padding == "same":
            return -(-size // self.strides[axis])
        window = (self.kernel_size[axis] - 1) * self.dilation_rate[axis] + 1
        return (size - window) // self.strides[axis] + 1

    def _turned(self, x: torch.Tensor) -> torch.Tensor:
        return x.movedim(1, -1)

    def _in_order(self, masks: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        return super()._in_order(tuple(mask.movedim(-1, 1) for mask in masks))

    def _bias(self) -> torch.Tensor:
        return self.bias_ih.reshape(-1, *[1] * self.rank)

    def _of_input(self, x: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
        flat = x.flatten(0, 1)
        if self.padding == "same":
            flat = pad(
                flat, same_paddings(flat, self.kernel_size, self.strides, self.dilation_rate)
            )
        found = self._convolve(flat, kernel, None, self.strides, 0, self.dilation_rate)
        by_step: torch.Tensor = found.unflatten(0, x.shape[:2])
        return by_step

    def _of_state(self, x: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
        """The convolution of a state: always 'same', with neither stride nor dilation."""
        ones = [1] * self.rank
        return self._convolve(pad(x, same_paddings(x, self.kernel_size, ones, ones)), kernel)

    @property
    def _convolve(self) -> Callable[..., torch.Tensor]:
        functions: list[Callable[..., torch.Tensor]] = [F.conv1d, F.conv2d, F.conv3d]
        return functions[self.rank - 1]

    def _recur(self, state: torch.Tensor, masks: Masks) -> torch.Tensor:
        kernel = self._weight("weight_hh")
        return product(state, kernel, masks.states, self._of_state, axis=1)


class _ConvLSTM(Loop, ConvLSTMGates):
    """Base of the three ranks."""

    def __init__(
        self,
        in_channels: int,
        filters: int,
        kernel_size: Size,
        strides: Size = 1,
        padding: str = "valid",
        dilation_rate: Size = 1,
        activation: Function = "tanh",
        recurrent_activation: Function = "sigmoid",
        use_bias: bool = True,
        **options: Any,
    ) -> None:
        window = (kernel_size, strides, padding, dilation_rate)
        functions = (activation, recurrent_activation, use_bias)
        super().__init__(in_channels, filters, *window, *functions, **options)


class ConvLSTM2D(_ConvLSTM):
    """LSTM over sequences of images, (N, T, C, H, W), whose products are convolutions.

    The input is convolved with `strides`, `padding` and `dilation_rate`, with a bias. The state is
    convolved with neither stride nor dilation, with padding 'same' and without a bias: so a port
    that convolves cat([x, h]) at once is the same only with padding 'same' and strides of 1. Torch
    has no such module. Outputs and states are (N, filters, H, W), with return_sequences
    (N, T, filters, H, W).

    Weights are `weight_ih`, (4 filters, in_channels, H, W), `weight_hh` and `bias_ih`, with gates
    in the order i, f, g, o, which is Keras's i, f, c, o.

    Source: keras 3.15 `layers/rnn/conv_lstm.py`.

    Args:
        in_channels: channels of an image.
        filters: channels of the output.
        kernel_size: of both convolutions; one integer, or one for each axis.
        strides: of the convolution of the input.
        padding: 'valid' or 'same'.
        dilation_rate: as strides.
        **options: those of `LSTM` but `implementation`; each gate has masks of its own. `dropout`
            drops values of an image, the same ones in all time steps.

    Raises:
        ValueError: an argument has another form.
    """

    rank = 2


class ConvLSTM1D(_ConvLSTM):
    """LSTM over sequences of signals, (N, T, C, L), with the arguments of `ConvLSTM2D`.

    Source: keras 3.15 `layers/rnn/conv_lstm1d.py`.
    """

    rank = 1


class ConvLSTM3D(_ConvLSTM):
    """LSTM over sequences of volumes, (N, T, C, D, H, W), with the arguments of `ConvLSTM2D`.

    Source: keras 3.15 `layers/rnn/conv_lstm3d.py`.
    """

    rank = 3
