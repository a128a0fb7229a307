"""Recurrent layers over (N, T, C): the loop over steps, both directions, and masked steps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import nn

from torch_impl.layers.layer import Layer
from torch_impl.layers.recurrent_cells import (
    Function,
    Gates,
    GRUGates,
    LSTMGates,
    SimpleGates,
    States,
    as_cell,
)
from torch_impl.masks import masked_steps

# --- The loop over the time steps of a sequence, around any recurrent cell ------------------------


Nested = torch.Tensor | Sequence["Nested"]


class Loop(nn.Module):
    """Base of all recurrent layers: what they take, return and keep.

    Args:
        return_sequences: whether to return the outputs of all time steps, else the last one.
        return_state: whether to return the last states too.
        go_backwards: whether to go from the last time step to the first; outputs are then in the
            order in which they were computed.
        stateful: whether a call begins with the states with which the one before ended, in train
            and in eval mode alike. No gradient goes from one call to the one before.
        zero_output_for_mask: whether the output is 0 where a mask leaves a step out, in the place
            of the last output.
        **options: of the next class.

    Attributes:
        states: with which the next call begins; None for zeros.
    """

    def __init__(
        self,
        *arguments: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        zero_output_for_mask: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self.return_sequences, self.return_state = return_sequences, return_state
        self.go_backwards, self.stateful = go_backwards, stateful
        self.zero_output_for_mask = zero_output_for_mask
        self.states: States | None = None

    @property
    def _cell(self) -> Any:
        """Computes a time step: has the methods of `Gates`."""
        return self

    def forward(
        self,
        x: torch.Tensor,
        initial_state: Nested | None = None,
        mask: torch.Tensor | None = None,
    ) -> torch.Tensor | States:
        """Returns the output, (N, units) or with return_sequences (N, T, units).

        Args:
            x: (N, T, input_size).
            initial_state: one tensor (N, units) for each state, in any nesting; zeros, or the kept
                states, if None.
            mask: (N, T), true where a step counts: see `torch_impl.masks.masked_steps`.

        Returns:
            The output; with return_state a tuple of it and the last states.

        Raises:
            ValueError: the number of states is wrong, or kept states are of another batch size.
        """
        if self.go_backwards:
            x = x.flip(1)
            mask = None if mask is None else mask.flip(1)
        outputs, states = self._walk(x, self._begin(x, initial_state), mask)
        if self.stateful:
            self.states = tuple(state.detach() for state in states)
        output = outputs if self.return_sequences else outputs[:, -1]
        return (output, *states) if self.return_state else output

    def reset_states(self) -> None:
        """Begins the next call with zeros."""
        self.states = None

    def _begin(self, x: torch.Tensor, initial_state: Nested | None) -> States:
        kept = self.states if self.stateful else None
        if kept is not None and len(kept[0]) != len(x):
            raise ValueError(
                f"batch of {len(x)} samples: expected {len(kept[0])}, as in the call before, since "
                "the layer is stateful; reset_states() forgets that call"
            )
        if initial_state is not None:
            given = tuple(_flat(initial_state))
            if len(given) != self._cell.num_states:
                raise ValueError(
                    f"initial_state of {len(given)} tensors: expected {self._cell.num_states}"
                )
        elif kept is not None:
            given = kept
        else:
            given = self._cell.zeros(x[:, 0])
        return tuple(state.to(x) for state in given)

    def _walk(
        self, x: torch.Tensor, states: States, mask: torch.Tensor | None
    ) -> tuple[torch.Tensor, States]:
        """Returns all outputs, (N, T, units), and the last states."""
        cell = self._cell
        masks = cell.draw(x[:, 0], states)
        found = None if mask is not None else cell.whole(x, states, masks)
        if found is not None:
            outputs: torch.Tensor = found[0]
            return outputs, found[1]
        if mask is not None:

            def step(given: torch.Tensor, before: States) -> States:
                output, new = cell.step(given, before[1:], masks)
                return (output, *new)

            # The output of the step before stands in front of the states.
            initial = (torch.zeros_like(cell.output_of(states)), *states)
            inputs, is_zero = cell.project(x, masks), self.zero_output_for_mask
            whole, (_, *last) = masked_steps(step, inputs, initial, mask, is_zero)
            return whole, tuple(last)
        steps = []
        for given in cell.project(x, masks).unbind(1):
            output, states = cell.step(given, states, masks)
            steps.append(output)
        return torch.stack(steps, dim=1), states


class RNN(Loop):
    """Runs a cell over the time steps of (N, T, C).

    Torch has no such module: its layers contain their loop.

    Source: keras 3.15 `layers/rnn/rnn.py`.

    Args:
        cell: one of this package, several in `StackedRNNCells`, or a module of your own. Yours has
            `state_size`, an integer or one for each state, and takes (x, states), x of shape
            (N, C) and a tuple of states (N, size); it returns (output, states).
        name: of the child; Keras's name of the cell.
        **options: those of `LSTM`: return_sequences, return_state, go_backwards, stateful.

    Raises:
        ValueError: the cell has no `state_size`.
    """

    def __init__(self, cell: nn.Module, name: str = "cell", **options: Any) -> None:
        super().__init__(**options)
        self.cell_name = name
        as_cell(cell)  # an error here, not in the first call
        self.add_module(name, cell)

    @property
    def _cell(self) -> Any:
        return as_cell(self.get_submodule(self.cell_name))


def _flat(states: Nested) -> Iterable[torch.Tensor]:
    if isinstance(states, torch.Tensor):
        yield states
        return
    for part in states:
        yield from _flat(part)


# --- Two recurrent layers over one sequence, in both directions -----------------------------------


MERGE_MODES = ("concat", "sum", "mul", "ave", None)


class Bidirectional(nn.Module):
    """Two recurrent layers over one sequence, one forwards and one backwards.

    Differs from a bidirectional torch.nn.LSTM in:
    1. without return_sequences, the output of the backward layer is that of its last step, at the
       start of the sequence; torch's `output[:, -1]` has that of its first step;
    2. `merge_mode` says how the two outputs are merged.

    The two layers are children with Keras's names. Keras makes the backward layer from the config
    of the first one: with a seed, both draw the same masks.

    Source: keras 3.15 `layers/rnn/bidirectional.py`.

    Args:
        layer: walks forward.
        backward_layer: walks backwards, with the same return_sequences, return_state and stateful.
        merge_mode: 'concat', 'sum', 'mul', 'ave', or None for both outputs.
        names: of the two children.

    Raises:
        ValueError: the two do not fit together, or the mode is unknown.
    """

    def __init__(
        self,
        layer: Loop,
        backward_layer: Loop,
        merge_mode: str | None = "concat",
        names: tuple[str, str] | None = None,
    ) -> None:
        super().__init__()
        if merge_mode not in MERGE_MODES:
            raise ValueError(f"merge_mode={merge_mode!r}: expected one of {MERGE_MODES}")
        if layer.go_backwards == backward_layer.go_backwards:
            raise ValueError("both layers walk in one direction: expected one to go_backwards")
        for setting in ("return_sequences", "return_state", "stateful"):
            if getattr(layer, setting) != getattr(backward_layer, setting):
                raise ValueError(f"{setting} of the two layers differs: expected the same")
        kind = type(layer).__name__.lower()
        kind = kind.replace("simplernn", "simple_rnn").replace("convlstm", "conv_lstm")
        self.names = names or (f"forward_{kind}", f"backward_{kind}")
        for name, part in zip(self.names, (layer, backward_layer), strict=True):
            self.add_module(name, part)
        self.merge_mode = merge_mode
        self.return_sequences, self.return_state = layer.return_sequences, layer.return_state
        self._channels = -1 - getattr(layer, "rank", 0)  # axis of the channels of an output

    def forward(
        self,
        x: torch.Tensor,
        initial_state: list[torch.Tensor] | None = None,
        mask: torch.Tensor | None = None,
    ) -> torch.Tensor | States:
        """Returns the merged outputs of x, (N, T, C), then all states if they are returned.

        Both layers leave out the steps where the mask, (N, T), is false.
        """
        halves: list[Any] = [None, None]
        if initial_state is not None:
            middle = len(initial_state) // 2
            halves = [initial_state[:middle], initial_state[middle:]]
        outputs: list[torch.Tensor] = []
        states: list[torch.Tensor] = []
        for name, half in zip(self.names, halves, strict=True):
            found = self.get_submodule(name)(x, half, mask=mask)
            output, *rest = found if self.return_state else (found,)
            outputs.append(output)
            states += rest
        if self.return_sequences:
            outputs[1] = outputs[1].flip(1)  # (1)
        if self.merge_mode is None:
            return (*outputs, *states)
        merged = self._merge(*outputs)  # (2)
        return (merged, *states) if self.return_state else merged

    def compute_mask(self, inputs: Any, mask: Any) -> Any:
        """Returns the mask of each output: that of the input if all steps are returned."""
        mask = mask[0] if isinstance(mask, list | tuple) else mask
        one = mask if self.return_sequences else None
        return one if self.merge_mode else (one, one)

    def reset_states(self) -> None:
        """Begins the next call of both layers with zeros."""
        for name in self.names:
            layer: Any = self.get_submodule(name)
            layer.reset_states()

    def _merge(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        if self.merge_mode == "concat":
            return torch.cat([first, second], dim=self._channels)
        if self.merge_mode == "mul":
            return first * second
        return (first + second) / (2 if self.merge_mode == "ave" else 1)


# --- Recurrent layers over (N, T, C): Keras's equations, torch's gates and names of weights -------


class Recurrent(Loop, Gates):
    """Base of the three layers: the loop around their own gates."""

    suffix = "_l0"


class LSTM(Recurrent, LSTMGates):
    """Long short-term memory.

    i, f, o = sigmoid(W x + U h + b), g = tanh(W x + U h + b), c = f c + i g, h = o tanh(c).

    Differs from torch.nn.LSTM in:
    1. only one bias is trained; `bias_hh_l0` is a buffer of zeros, kept for the state_dict;
    2. any activations are allowed;
    3. it returns the last output, not (outputs, states), unless `return_sequences` or
       `return_state` say otherwise. Both work as in Keras, and so does `go_backwards`: outputs are
       then in the order in which they were computed;
    4. `dropout` drops inputs, and `recurrent_dropout` states, with Keras's masks: one for all time
       steps of a call. Torch's drops outputs between two layers, each time step for itself;
    5. `stateful` keeps the states from call to call.

    Gates are in torch's order i, f, g, o, which is Keras's i, f, c, o. There is one layer and one
    direction.

    Source: keras 3.15 `layers/rnn/lstm.py`.

    Args:
        input_size: features of a time step.
        units: of the output.
        activation: of g and c, a name of `activations`, or a function.
        recurrent_activation: of the gates.
        use_bias: whether there is a bias.
        dropout: fraction of the inputs to drop in train mode, in [0, 1]; with 1, Keras drops
            nothing.
        recurrent_dropout: fraction of the states to drop, each gate by a mask of its own.
        seed: of the masks; see `RecurrentDropout`.
        implementation: 1 draws a mask of the inputs for each gate, 2 one for all; with
            recurrent_dropout it is 1.
        return_sequences: whether to return the outputs of all time steps.
        return_state: whether to return the last h and c too.
        go_backwards: whether to go from the last time step to the first.
        zero_output_for_mask: whether the output is 0 where a mask leaves a step out, in the place
            of the last output.
        stateful: whether a call begins where the one before ended; `reset_states()` begins anew.
        **options: device and dtype of the weights.
    """

    def __init__(
        self,
        input_size: int,
        units: int,
        activation: Function = "tanh",
        recurrent_activation: Function = "sigmoid",
        **options: Any,
    ) -> None:
        super().__init__(input_size, units, activation, recurrent_activation, **options)


class GRU(Recurrent, GRUGates):
    """Gated recurrent unit.

    z, r = sigmoid(W x + U h + b), h = z h + (1 - z) n, with
    n = tanh(W x + b + r (U h + b')) if reset_after, else tanh(W x + b + U (r h)).

    Differs from torch.nn.GRU in:
    1. reset_after=False multiplies h, not its product, by r, and has one bias: torch's second bias
       is then a buffer of zeros;
    2. any activations are allowed;
    3. it returns, drops and keeps what `LSTM` does.

    Gates are in torch's order r, z, n; Keras's is z, r, h: `torch_impl.layouts` reorders them.

    Source: keras 3.15 `layers/rnn/gru.py`.

    Args:
        input_size: features of a time step.
        units: of the output.
        activation: of n, a name of `activations`, or a function.
        recurrent_activation: of the gates.
        reset_after: see above.
        **options: those of `LSTM`.
    """

    def __init__(
        self,
        input_size: int,
        units: int,
        activation: Function = "tanh",
        recurrent_activation: Function = "sigmoid",
        reset_after: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(
            input_size, units, activation, recurrent_activation, reset_after, **options
        )


class SimpleRNN(Recurrent, SimpleGates):
    """h = tanh(W x + U h + b).

    Differs from torch.nn.RNN in:
    1. only one bias is trained, as in `LSTM`;
    2. any activation is allowed;
    3. it returns, drops and keeps what `LSTM` does. There is one mask of the inputs and one of the
       states, and a rate of 1 drops all.

    Source: keras 3.15 `layers/rnn/simple_rnn.py`.

    Args:
        input_size: features of a time step.
        units: of the output.
        activation: a name of `activations`, or a function.
        **options: those of `LSTM`.
    """

    def __init__(
        self, input_size: int, units: int, activation: Function = "tanh", **options: Any
    ) -> None:
        super().__init__(input_size, units, activation, **options)


# --- Masking: leaves out the steps of a sequence that hold one value alone ------------------------


class Masking(Layer):
    """Sets the steps to 0 at which all features are `mask_value`; `compute_mask` says where.

    Source: keras 3.15 `layers/core/masking.py`.

    Args:
        mask_value: rounded to float32 before it is compared, in float64 runs too.
    """

    def __init__(self, mask_value: float = 0.0) -> None:
        super().__init__()
        self.mask_value = mask_value

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns x, (N, T, C), with 0 at the steps that do not count."""
        return torch.where(self.compute_mask(x)[..., None], x, 0)

    def compute_mask(self, inputs: torch.Tensor, mask: Any = None) -> torch.Tensor:
        """Returns (N, T), true where a feature of x is not `mask_value`."""
        value = torch.tensor(self.mask_value, dtype=torch.float32).item()
        return (inputs != value).any(-1)
