"""The equations of Keras's recurrent cells, and their weights in torch's layout."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from torch_impl.layers.activations import activation as activation_of
from torch_impl.layers.recurrent_dropout import Masks, RecurrentDropout

States = tuple[torch.Tensor, ...]
Function = str | Callable[[torch.Tensor], torch.Tensor] | None


class Gates(nn.Module):
    """Base of cells and layers: weights of the gates, masks, and one time step.

    Weights have torch's names and layout, (gates * units, features), followed by `suffix`: "" for a
    cell, "_l0" for a layer.

    Args:
        input_size: features of a time step.
        units: of the output.
        activation: a name of `activations`, or a function.
        recurrent_activation: of the gates.
        use_bias: whether there is a bias.
        dropout: fraction of the inputs to drop, in [0, 1]; of 1, LSTM and GRU drop nothing.
        recurrent_dropout: fraction of the states to drop.
        seed: of the masks.
        implementation: 1 draws a mask for each gate, 2 one for all gates. With recurrent_dropout,
            it is 1 in any case. `SimpleRNN` has one mask.
        **options: device and dtype of the weights.

    Raises:
        ValueError: a size, a rate or an activation is none.
    """

    num_gates: int
    num_states = 1
    suffix = ""
    order: tuple[int, ...]  # places of torch's gates among Keras's

    def __init__(
        self,
        input_size: int,
        units: int,
        activation: Function = "tanh",
        recurrent_activation: Function = None,
        use_bias: bool = True,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int = 0,
        implementation: int = 2,
        **options: Any,
    ) -> None:
        super().__init__()
        if isinstance(units, bool) or not isinstance(units, int) or units < 1:
            raise ValueError(f"units={units!r}: expected an integer of at least 1")
        if implementation not in (1, 2):
            raise ValueError(f"implementation={implementation!r}: expected 1 or 2")
        self.input_size, self.units = input_size, units
        self.activation, self.recurrent_activation = activation, recurrent_activation
        self.function = _function(activation)
        self.gate_function = _function(recurrent_activation)
        self.use_bias = use_bias
        is_split = recurrent_dropout != 0 or implementation == 1
        self.dropouts: RecurrentDropout | None = None
        if dropout or recurrent_dropout:
            num_masks = self.num_gates if is_split else 1
            self.dropouts = RecurrentDropout(dropout, recurrent_dropout, seed, num_masks)
        self._add_weights(**options)

    def _add_weights(self, **options: Any) -> None:
        rows = self.num_gates * self.units
        for name, columns in (("weight_ih", self.input_size), ("weight_hh", self.units)):
            weight = nn.Parameter(torch.empty(rows, columns, **options))
            # torch's initial weights
            nn.init.uniform_(weight, -(self.units**-0.5), self.units**-0.5)
            setattr(self, name + self.suffix, weight)
        if self.use_bias:
            bias = nn.Parameter(torch.zeros(rows, **options))
            setattr(self, f"bias_ih{self.suffix}", bias)
            self._add_second_bias(f"bias_hh{self.suffix}", torch.zeros(rows, **options))

    def _add_second_bias(self, name: str, zeros: torch.Tensor) -> None:
        self.register_buffer(name, zeros)

    def _weight(self, name: str) -> torch.Tensor:
        tensor: torch.Tensor = getattr(self, name + self.suffix)
        return tensor

    def zeros(self, step: torch.Tensor) -> States:
        """Returns the states before the first time step, (N, units) each."""
        shape = (step.shape[0], self.units)
        return tuple(step.new_zeros(shape) for _ in range(self.num_states))

    def output_of(self, states: States) -> torch.Tensor:
        """Returns the state that is the output of the step before."""
        return states[0]

    def draw(self, step: torch.Tensor, states: States) -> Masks:
        """Draws the masks of a call, in the order and the layout of torch's gates.

        Args:
            step: one time step.
            states: the first states.
        """
        if self.dropouts is None:
            return Masks()
        found = self.dropouts.draw(*(self._turned(x) for x in (step, states[0])))
        rates = (self.dropouts.rate, self.dropouts.recurrent_rate)
        # Of a rate of 1, Keras's cells with gates drop nothing.
        used = [rate < 1 or self.num_gates == 1 for rate in rates]
        parts = zip(found, used, strict=True)
        return Masks(*(self._in_order(masks) if is_used else () for masks, is_used in parts))

    def _turned(self, x: torch.Tensor) -> torch.Tensor:
        """Returns a tensor as Keras has it."""
        return x

    def _in_order(self, masks: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        return tuple(masks[place] for place in self.order) if len(masks) > 1 else masks

    def project(self, x: torch.Tensor, masks: Masks) -> torch.Tensor:
        """Returns W x + b, (N, T, gates * units), of all time steps, (N, T, features)."""
        given = [mask[:, None] for mask in masks.inputs]
        found = product(x, self._weight("weight_ih"), given, self._of_input, axis=2)
        return found + self._bias() if self.use_bias else found

    def _bias(self) -> torch.Tensor:
        return self._weight("bias_ih")

    def step(
        self, given: torch.Tensor, states: States, masks: Masks
    ) -> tuple[torch.Tensor, States]:
        """Returns the output of a time step and the new states.

        Args:
            given: what `project` returns for this step.
            states: before it.
            masks: of the call.
        """
        raise NotImplementedError

    def whole(self, x: torch.Tensor, states: States, masks: Masks) -> tuple[Any, Any] | None:
        """Returns all outputs, (N, T, units), and the last states by torch's own loop, if it fits.

        It has no masks of states, and one of inputs for all gates.
        """
        if self._fused is None or masks.states or len(masks.inputs) > 1:
            return None
        for mask in masks.inputs:
            x = x * mask[:, None]
        weights = [self._weight(name) for name in ("weight_ih", "weight_hh")]
        weights += [self._weight(n) for n in ("bias_ih", "bias_hh")] if self.use_bias else []
        begun: Any = tuple(s[None] for s in states) if len(states) > 1 else states[0][None]
        outputs, *last = self._fused(
            x, begun, weights, self.use_bias, 1, 0.0, self.training, False, True
        )
        return outputs, tuple(state[0] for state in last)

    @property
    def _fused(self) -> Any:
        """Torch's own loop if it has these activations, else None."""
        return None

    def _of_input(self, x: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
        return x @ kernel.T

    def _of_state(self, x: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
        return x @ kernel.T

    def _recur(self, state: torch.Tensor, masks: Masks) -> torch.Tensor:
        """Returns U h + b', (N, gates * units)."""
        found = product(state, self._weight("weight_hh"), masks.states, self._of_state, axis=1)
        return found + self._weight("bias_hh") if self.use_bias else found

    def extra_repr(self) -> str:
        """Shown in the module's repr."""
        return f"{self.input_size}, {self.units}, activation={self.activation!r}"


class LSTMGates(Gates):
    """i, f, o = sigmoid(W x + U h + b), g = tanh(W x + U h + b), c = f c + i g, h = o tanh(c)."""

    num_gates = 4
    num_states = 2
    order = (0, 1, 2, 3)

    def __init__(
        self,
        input_size: int,
        units: int,
        activation: Function = "tanh",
        recurrent_activation: Function = "sigmoid",
        **options: Any,
    ) -> None:
        super().__init__(input_size, units, activation, recurrent_activation, **options)

    @property
    def _fused(self) -> Any:
        names = self.activation, self.recurrent_activation
        return torch.lstm if names == ("tanh", "sigmoid") else None

    def step(
        self, given: torch.Tensor, states: States, masks: Masks
    ) -> tuple[torch.Tensor, States]:
        """See `Gates.step`."""
        h, c = states
        i, f, g, o = (given + self._recur(h, masks)).chunk(4, dim=1)
        gate = self.gate_function
        c = gate(f) * c + gate(i) * self.function(g)
        h = gate(o) * self.function(c)
        return h, (h, c)


class GRUGates(Gates):
    """z, r = sigmoid(W x + U h + b), h = z h + (1 - z) n, with n as in `GRU`."""

    num_gates = 3
    order = (1, 0, 2)

    def __init__(
        self,
        input_size: int,
        units: int,
        activation: Function = "tanh",
        recurrent_activation: Function = "sigmoid",
        reset_after: bool = True,
        **options: Any,
    ) -> None:
        self.reset_after = reset_after
        super().__init__(input_size, units, activation, recurrent_activation, **options)

    def _add_second_bias(self, name: str, zeros: torch.Tensor) -> None:
        if self.reset_after:
            setattr(self, name, nn.Parameter(zeros))
        else:
            super()._add_second_bias(name, zeros)

    @property
    def _fused(self) -> Any:
        names = self.activation, self.recurrent_activation
        return torch.gru if self.reset_after and names == ("tanh", "sigmoid") else None

    def step(
        self, given: torch.Tensor, states: States, masks: Masks
    ) -> tuple[torch.Tensor, States]:
        """See `Gates.step`."""
        (h,) = states
        units, gate = self.units, self.gate_function
        gates, candidate = given.split((2 * units, units), dim=1)
        if self.reset_after:
            recurrent, inner = self._recur(h, masks).split((2 * units, units), dim=1)
            r, z = gate(gates + recurrent).chunk(2, dim=1)
            n = self.function(candidate + r * inner)
        else:
            of_gates, of_candidate = self._weight("weight_hh").split((2 * units, units))
            recurrent = product(h, of_gates, masks.states[:2], self._of_state, axis=1)
            r, z = gate(gates + recurrent).chunk(2, dim=1)
            kept = h * masks.states[2] if masks.states else h
            n = self.function(candidate + self._of_state(r * kept, of_candidate))
        h = z * h + (1 - z) * n
        return h, (h,)


class SimpleGates(Gates):
    """h = tanh(W x + U h + b)."""

    num_gates = 1
    order = (0,)

    def __init__(
        self, input_size: int, units: int, activation: Function = "tanh", **options: Any
    ) -> None:
        super().__init__(input_size, units, activation, **options)

    @property
    def _fused(self) -> Any:
        fused = {"tanh": torch.rnn_tanh, "relu": torch.rnn_relu}
        return fused.get(self.activation) if isinstance(self.activation, str) else None

    def step(
        self, given: torch.Tensor, states: States, masks: Masks
    ) -> tuple[torch.Tensor, States]:
        """See `Gates.step`."""
        h = self.function(given + self._recur(states[0], masks))
        return h, (h,)


def product(
    x: torch.Tensor,
    kernel: torch.Tensor,
    masks: Sequence[torch.Tensor],
    times: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    axis: int,
) -> torch.Tensor:
    """Returns a product with x times its mask, or with x times another mask for each gate.

    Args:
        x: input or state.
        kernel: of all gates, one after the other.
        masks: none, one, or one for each gate.
        times: the product of x with a kernel.
        axis: of the gates in the product.
    """
    if len(masks) < 2:
        return times(x * masks[0] if masks else x, kernel)
    parts = zip(masks, kernel.chunk(len(masks)), strict=True)
    return torch.cat([times(x * mask, part) for mask, part in parts], dim=axis)


def _function(activation: Function) -> Callable[[torch.Tensor], torch.Tensor]:
    return activation if callable(activation) else activation_of(activation)
