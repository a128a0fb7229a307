"""Recurrent layers over (N, T, C): Keras's equations, torch's gates and names of weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from torch_impl.layers.activations import activation as activation_of
from torch_impl.masks import masked_steps

States = tuple[torch.Tensor, ...]


class Recurrent(nn.Module):
    """Base of the three cells: weights in torch's layout, and the loop over the sequence."""

    num_gates: int
    num_states = 1
    bias_hh_l0: torch.Tensor

    def __init__(
        self,
        input_size: int,
        units: int,
        activation: str = "tanh",
        recurrent_activation: str | None = None,
        use_bias: bool = True,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        zero_output_for_mask: bool = False,
        **options: Any,
    ) -> None:
        super().__init__()
        self.input_size, self.units = input_size, units
        self.activation, self.recurrent_activation = activation, recurrent_activation
        self.function = activation_of(activation)
        self.gate_function = activation_of(recurrent_activation)
        self.use_bias = use_bias
        self.return_sequences, self.return_state = return_sequences, return_state
        self.go_backwards, self.zero_output_for_mask = go_backwards, zero_output_for_mask
        rows = self.num_gates * units
        self.weight_ih_l0 = nn.Parameter(torch.empty(rows, input_size, **options))
        self.weight_hh_l0 = nn.Parameter(torch.empty(rows, units, **options))
        for weight in (self.weight_ih_l0, self.weight_hh_l0):
            nn.init.uniform_(weight, -(units**-0.5), units**-0.5)  # torch's initial weights
        if use_bias:
            self.bias_ih_l0 = nn.Parameter(torch.zeros(rows, **options))
            self._add_second_bias(torch.zeros(rows, **options))

    def _add_second_bias(self, zeros: torch.Tensor) -> None:
        self.register_buffer("bias_hh_l0", zeros)

    def forward(
        self,
        x: torch.Tensor,
        initial_state: States | list[torch.Tensor] | None = None,
        mask: torch.Tensor | None = None,
    ) -> torch.Tensor | States:
        """Returns the output, (N, units) or with return_sequences (N, T, units).

        Args:
            x: (N, T, input_size).
            initial_state: one tensor (N, units) for each state; zeros if None.
            mask: (N, T), true where a step counts: see `torch_impl.masks.masked_steps`.

        Returns:
            The output; with return_state a tuple of it and the last states.
        """
        if self.go_backwards:
            x = x.flip(1)
            mask = None if mask is None else mask.flip(1)
        states = tuple(initial_state or self._zeros(x))
        outputs, states = self._walk(x, states, mask)
        output = outputs if self.return_sequences else outputs[:, -1]
        return (output, *states) if self.return_state else output

    def _zeros(self, x: torch.Tensor) -> States:
        return tuple(x.new_zeros(x.shape[0], self.units) for _ in range(self.num_states))

    def _walk(
        self, x: torch.Tensor, states: States, mask: torch.Tensor | None
    ) -> tuple[torch.Tensor, States]:
        """Returns all outputs, (N, T, units), and the last states."""
        if self._fused is not None and mask is None:
            weights: list[torch.Tensor] = [self.weight_ih_l0, self.weight_hh_l0]
            weights += [self.bias_ih_l0, self.bias_hh_l0] if self.use_bias else []
            given: Any = tuple(s[None] for s in states) if len(states) > 1 else states[0][None]
            outputs, *last = self._fused(
                x, given, weights, self.use_bias, 1, 0.0, self.training, False, True
            )
            return outputs, tuple(state[0] for state in last)
        inputs = x @ self.weight_ih_l0.T
        if self.use_bias:
            inputs = inputs + self.bias_ih_l0
        if mask is not None:
            return masked_steps(self._step, inputs, states, mask, self.zero_output_for_mask)
        found = []
        for step in inputs.unbind(1):
            states = self._step(step, states)
            found.append(states[0])
        return torch.stack(found, dim=1), states

    @property
    def _fused(self) -> Any:
        """Returns torch's own loop if it has these activations, else None."""
        raise NotImplementedError

    def _step(self, inputs: torch.Tensor, states: States) -> States:
        """Returns the new states from `kernel @ x + bias` of one time step and the old states."""
        raise NotImplementedError

    def _recur(self, state: torch.Tensor) -> torch.Tensor:
        product = state @ self.weight_hh_l0.T
        return product + self.bias_hh_l0 if self.use_bias else product

    def extra_repr(self) -> str:
        """Shown in the module's repr."""
        return f"{self.input_size}, {self.units}, activation={self.activation!r}"


class LSTM(Recurrent):
    """Long short-term memory.

    i, f, o = sigmoid(W x + U h + b), g = tanh(W x + U h + b), c = f c + i g, h = o tanh(c).

    Differs from torch.nn.LSTM in:
    1. only one bias is trained; `bias_hh_l0` is a buffer of zeros, kept for the state_dict;
    2. any activations are allowed;
    3. it returns the last output, not (outputs, states), unless `return_sequences` or
       `return_state` say otherwise. Both work as in Keras, and so does `go_backwards`: outputs are
       then in the order in which they were computed.

    Gates are in torch's order i, f, g, o, which is Keras's i, f, c, o. There is one layer and one
    direction.

    Source: keras 3.15 `layers/rnn/lstm.py`.

    Args:
        input_size: features of a time step.
        units: of the output.
        activation: of g and c, a name of `activations`.
        recurrent_activation: of the gates.
        use_bias: whether there is a bias.
        return_sequences: whether to return the outputs of all time steps.
        return_state: whether to return the last h and c too.
        go_backwards: whether to go from the last time step to the first.
        zero_output_for_mask: whether the output is 0 where a mask leaves a step out, in the place
            of the last output.
        **options: device and dtype of the weights.
    """

    num_gates = 4
    num_states = 2

    def __init__(
        self,
        input_size: int,
        units: int,
        activation: str = "tanh",
        recurrent_activation: str = "sigmoid",
        **options: Any,
    ) -> None:
        super().__init__(input_size, units, activation, recurrent_activation, **options)

    @property
    def _fused(self) -> Any:
        names = self.activation, self.recurrent_activation
        return torch.lstm if names == ("tanh", "sigmoid") else None

    def _step(self, inputs: torch.Tensor, states: States) -> States:
        h, c = states
        i, f, g, o = (inputs + self._recur(h)).chunk(4, dim=1)
        gate = self.gate_function
        c = gate(f) * c + gate(i) * self.function(g)
        return gate(o) * self.function(c), c


class GRU(Recurrent):
    """Gated recurrent unit.

    z, r = sigmoid(W x + U h + b), h = z h + (1 - z) n, with
    n = tanh(W x + b + r (U h + b')) if reset_after, else tanh(W x + b + U (r h)).

    Differs from torch.nn.GRU in:
    1. reset_after=False multiplies h, not its product, by r, and has one bias: torch's second bias
       is then a buffer of zeros;
    2. any activations are allowed;
    3. it returns what `LSTM` returns.

    Gates are in torch's order r, z, n; Keras's is z, r, h: `torch_impl.layouts` reorders them.

    Source: keras 3.15 `layers/rnn/gru.py`.

    Args:
        input_size: features of a time step.
        units: of the output.
        activation: of n, a name of `activations`.
        recurrent_activation: of the gates.
        reset_after: see above.
        **options: those of `LSTM`.
    """

    num_gates = 3

    def __init__(
        self,
        input_size: int,
        units: int,
        activation: str = "tanh",
        recurrent_activation: str = "sigmoid",
        reset_after: bool = True,
        **options: Any,
    ) -> None:
        self.reset_after = reset_after
        super().__init__(input_size, units, activation, recurrent_activation, **options)

    def _add_second_bias(self, zeros: torch.Tensor) -> None:
        if self.reset_after:
            self.bias_hh_l0 = nn.Parameter(zeros)
        else:
            super()._add_second_bias(zeros)  # (1)

    @property
    def _fused(self) -> Any:
        names = self.activation, self.recurrent_activation
        return torch.gru if self.reset_after and names == ("tanh", "sigmoid") else None

    def _step(self, inputs: torch.Tensor, states: States) -> States:
        (h,) = states
        units, gate = self.units, self.gate_function
        gates, candidate = inputs.split((2 * units, units), dim=1)
        if self.reset_after:
            recurrent, product = self._recur(h).split((2 * units, units), dim=1)
            r, z = gate(gates + recurrent).chunk(2, dim=1)
            n = self.function(candidate + r * product)
        else:
            of_gates, of_candidate = self.weight_hh_l0.split((2 * units, units))
            r, z = gate(gates + h @ of_gates.T).chunk(2, dim=1)
            n = self.function(candidate + (r * h) @ of_candidate.T)  # (1)
        return (z * h + (1 - z) * n,)


class SimpleRNN(Recurrent):
    """h = tanh(W x + U h + b).

    Differs from torch.nn.RNN in:
    1. only one bias is trained, as in `LSTM`;
    2. any activation is allowed;
    3. it returns what `LSTM` returns.

    Source: keras 3.15 `layers/rnn/simple_rnn.py`.

    Args:
        input_size: features of a time step.
        units: of the output.
        activation: a name of `activations`.
        **options: those of `LSTM`.
    """

    num_gates = 1

    def __init__(
        self, input_size: int, units: int, activation: str = "tanh", **options: Any
    ) -> None:
        super().__init__(input_size, units, activation, **options)

    @property
    def _fused(self) -> Any:
        return {"tanh": torch.rnn_tanh, "relu": torch.rnn_relu}.get(self.activation)

    def _step(self, inputs: torch.Tensor, states: States) -> States:
        return (self.function(inputs + self._recur(states[0])),)
