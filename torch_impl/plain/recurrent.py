"""Recurrent layers: torch's where they compute the same, else a loop over steps."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

States = tuple[torch.Tensor, ...]
Masks = list[torch.Tensor]


class LSTM(nn.LSTM):
    """torch's LSTM with the one bias of Keras's; the other stays 0, untrained."""

    def __init__(
        self,
        input_size: int,
        units: int,
        use_bias: bool = True,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
    ) -> None:
        super().__init__(input_size, units, bias=use_bias, batch_first=True)
        self.return_sequences, self.return_state = return_sequences, return_state
        self.go_backwards = go_backwards
        if use_bias:
            second = self.get_parameter("bias_hh_l0")
            nn.init.zeros_(second).requires_grad_(False)

    def forward(  # type: ignore[override]
        self, x: torch.Tensor, initial_state: Sequence[torch.Tensor] | None = None
    ) -> torch.Tensor | States:
        """Returns the last output, (N, units), or all outputs, and the states."""
        x = x.flip(1) if self.go_backwards else x
        begun = None
        if initial_state is not None:
            begun = (initial_state[0][None], initial_state[1][None])
        outputs, (h, c) = super().forward(x, begun)
        output = outputs if self.return_sequences else outputs[:, -1]
        return (output, h[0], c[0]) if self.return_state else output


class GRU(nn.GRU):
    """torch's GRU, which returns what Keras's does."""

    def __init__(
        self,
        input_size: int,
        units: int,
        use_bias: bool = True,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
    ) -> None:
        super().__init__(input_size, units, bias=use_bias, batch_first=True)
        self.return_sequences, self.return_state = return_sequences, return_state
        self.go_backwards = go_backwards

    def forward(  # type: ignore[override]
        self, x: torch.Tensor, initial_state: Sequence[torch.Tensor] | None = None
    ) -> torch.Tensor | States:
        """Returns the last output, (N, units), or all, (N, T, units), and the state."""
        x = x.flip(1) if self.go_backwards else x
        begun = None if initial_state is None else first_state(initial_state)[None]
        outputs, h = super().forward(x, begun)
        output = outputs if self.return_sequences else outputs[:, -1]
        return (output, h[0]) if self.return_state else output


def first_state(states: torch.Tensor | Sequence[torch.Tensor]) -> torch.Tensor:
    """Returns the only state of a layer, which may be in a list."""
    return states if isinstance(states, torch.Tensor) else states[0]


class Loop(nn.Module):
    """Base of layers that go from step to step.

    Steps that a mask leaves out change neither states nor output. `dropout` and
    `recurrent_dropout` drop the same features in all steps of a call, for each gate
    others if `implementation` is 1 or states are dropped; torch's dropout is one
    between two layers.
    """

    num_gates: int
    num_states = 1

    def __init__(
        self,
        input_size: int,
        units: int,
        activation: str = "tanh",
        recurrent_activation: str = "sigmoid",
        use_bias: bool = True,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        implementation: int = 2,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        zero_output_for_mask: bool = False,
    ) -> None:
        super().__init__()
        self.units, self.use_bias = units, use_bias
        self.activation, self.gate = (
            function_of(activation),
            function_of(recurrent_activation),
        )
        self.dropout, self.recurrent_dropout = dropout, recurrent_dropout
        is_split = implementation == 1 or recurrent_dropout > 0
        self.num_masks = self.num_gates if is_split else 1
        self.return_sequences, self.return_state = return_sequences, return_state
        self.go_backwards, self.zero_output_for_mask = (
            go_backwards,
            zero_output_for_mask,
        )
        rows = self.num_gates * units
        self.weight_ih_l0 = nn.Parameter(torch.empty(rows, input_size))
        self.weight_hh_l0 = nn.Parameter(torch.empty(rows, units))
        for weight in (self.weight_ih_l0, self.weight_hh_l0):
            nn.init.xavier_uniform_(weight)
        self.bias_ih_l0 = nn.Parameter(torch.zeros(rows)) if use_bias else None

    def step(self, given: torch.Tensor, states: States, kept: Masks) -> States:
        """Returns the states after a step, the output first.

        Args:
            given: the input times its weights, with the bias.
            states: before the step.
            kept: factors of the state in its products with the weights of the gates.
        """
        raise NotImplementedError

    def masks(self, like: torch.Tensor, rate: float) -> Masks:
        """Draws factors for all steps of a call: for each gate, or for all gates."""
        if not rate or not self.training:
            return []
        return [F.dropout(torch.ones_like(like), rate) for _ in range(self.num_masks)]

    def forward(
        self,
        x: torch.Tensor,
        initial_state: Sequence[torch.Tensor] | torch.Tensor | None = None,
        mask: torch.Tensor | None = None,
    ) -> torch.Tensor | States:
        """Returns the last output, (N, units), or all, (N, T, units), and the states.

        Args:
            x: (N, T, input_size).
            initial_state: (N, units) each; None: zeros.
            mask: (N, T), true where a step counts.
        """
        if self.go_backwards:
            x = x.flip(1)
            mask = None if mask is None else mask.flip(1)
        states: States = (x.new_zeros(len(x), self.units),) * self.num_states
        if isinstance(initial_state, torch.Tensor):
            states = (initial_state,)
        elif initial_state is not None:
            states = tuple(initial_state)
        given = product(x, self.weight_ih_l0, self.masks(x[:, :1], self.dropout))
        if self.bias_ih_l0 is not None:
            given = given + self.bias_ih_l0
        kept = self.masks(states[0], self.recurrent_dropout)
        output = torch.zeros_like(states[0])
        outputs = []
        for number, now in enumerate(given.unbind(1)):
            after = self.step(now, states, kept)
            shown = after[0]
            if mask is not None:
                counts = mask[:, number, None]
                held = torch.zeros_like(output) if self.zero_output_for_mask else output
                shown = torch.where(counts, after[0], held)
                pairs = zip(after, states, strict=True)
                after = tuple(torch.where(counts, new, old) for new, old in pairs)
            states, output = after, shown
            outputs.append(output)
        output = torch.stack(outputs, dim=1) if self.return_sequences else output
        return (output, *states) if self.return_state else output


FUNCTIONS = {
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "relu": nn.ReLU,
    "linear": nn.Identity,
    "hard_sigmoid": nn.Hardsigmoid,
    "softsign": nn.Softsign,
    "elu": nn.ELU,
    "silu": nn.SiLU,
}


def product(x: torch.Tensor, weight: torch.Tensor, masks: Masks) -> torch.Tensor:
    """Returns x times its weights; x is first multiplied by its mask for each gate."""
    if len(masks) < 2:
        return F.linear(x * masks[0] if masks else x, weight)
    gates = zip(masks, weight.chunk(len(masks)), strict=True)
    return torch.cat([F.linear(x * mask, part) for mask, part in gates], dim=-1)


def function_of(name: str) -> nn.Module:
    """Returns an activation by Keras's name."""
    return FUNCTIONS[name]()


class LSTMLoop(Loop):
    """An LSTM with other activations, masks or dropouts than torch's, and one bias."""

    num_gates = 4
    num_states = 2

    def step(self, given: torch.Tensor, states: States, kept: Masks) -> States:
        """Returns h and c."""
        h, c = states
        i, f, g, o = (given + product(h, self.weight_hh_l0, kept)).chunk(4, dim=1)
        c = self.gate(f) * c + self.gate(i) * self.activation(g)
        return self.gate(o) * self.activation(c), c


class GRULoop(Loop):
    """A GRU with other activations, masks or dropouts than torch's.

    Without `reset_after`, the reset gate acts on the state before the product with the
    weights, and there is one bias.
    """

    num_gates = 3

    def __init__(
        self, input_size: int, units: int, reset_after: bool = True, **settings: object
    ) -> None:
        super().__init__(input_size, units, **settings)  # type: ignore[arg-type]
        self.reset_after = reset_after
        self.bias_hh_l0 = None
        if self.use_bias and reset_after:
            self.bias_hh_l0 = nn.Parameter(torch.zeros(3 * units))

    def step(self, given: torch.Tensor, states: States, kept: Masks) -> States:
        """Returns h."""
        (h,) = states
        units = self.units
        r, z, n = given.chunk(3, dim=1)
        if self.reset_after:
            of_state = product(h, self.weight_hh_l0, kept)
            if self.bias_hh_l0 is not None:
                of_state = of_state + self.bias_hh_l0
            of_r, of_z, of_n = of_state.chunk(3, dim=1)
            r, z = self.gate(r + of_r), self.gate(z + of_z)
            n = self.activation(n + r * of_n)
        else:
            weights, of_n = self.weight_hh_l0.split((2 * units, units))
            of_r, of_z = product(h, weights, kept[:2]).chunk(2, dim=1)
            r, z = self.gate(r + of_r), self.gate(z + of_z)
            n = self.activation(n + product(r * h, of_n, kept[2:]))
        return (z * h + (1 - z) * n,)


class SimpleRNN(Loop):
    """h = tanh(W x + U h + b), with one bias."""

    num_gates = 1

    def step(self, given: torch.Tensor, states: States, kept: Masks) -> States:
        """Returns h."""
        return (self.activation(given + product(states[0], self.weight_hh_l0, kept)),)


class Bidirectional(nn.Module):
    """Two recurrent layers, one of which goes backwards.

    Without return_sequences, its output is that of the first step of the sequence,
    which it sees last; `output[:, -1]` of torch's is that of the last step.
    """

    def __init__(
        self,
        layer: nn.Module,
        backward_layer: nn.Module,
        merge_mode: str = "concat",
        names: tuple[str, str] = ("forward", "backward"),
    ) -> None:
        super().__init__()
        self.names, self.merge_mode = names, merge_mode
        self.return_sequences: bool = layer.return_sequences  # type: ignore[assignment]
        self.add_module(names[0], layer)
        self.add_module(names[1], backward_layer)

    def forward(
        self, x: torch.Tensor, mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Returns the outputs of both layers, merged."""
        options = {} if mask is None else {"mask": mask}
        outputs: list[torch.Tensor] = []
        for name in self.names:
            outputs.append(self.get_submodule(name)(x, **options))
        first, second = outputs
        if self.return_sequences:
            second = second.flip(1)
        if self.merge_mode == "concat":
            return torch.cat([first, second], dim=-1)
        if self.merge_mode == "mul":
            return first * second
        return (first + second) / (2 if self.merge_mode == "ave" else 1)
