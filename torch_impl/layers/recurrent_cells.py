"""Keras's recurrent cells, alone or for `RNN`, with torch's layout of the weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import nn

from torch_impl.layers.activations import activation as activation_of
from torch_impl.layers.layer import Drawing, Layer
from torch_impl.philox import seed_pair, stateless_keep

# --------------------------------------------------------------------------------------------------
#
# Dropout inside of a recurrent layer: masks of its inputs and of its states, for all steps.


class Masks(NamedTuple):
    """Factors 0 and 1 / (1 - rate) of one call, in Keras's layout; empty where nothing is dropped.

    Attributes:
        inputs: one for all gates, or one for each in Keras's order, of the shape of a time step.
        states: the same for the states, of the shape of one state.
    """

    inputs: tuple[torch.Tensor, ...] = ()
    states: tuple[torch.Tensor, ...] = ()


class RecurrentDropout(Drawing):
    """The masks that a cell of Keras draws, once for all time steps of a call.

    A mask is drawn as that of `Dropout`. The first ones are those of the inputs, then those of the
    states follow. Keras draws them in every call, also in eval mode, where it does not use them: so
    an evaluation between two epochs moves the masks of the next epoch.

    Torch has no such layer: `torch.nn.LSTM(dropout=...)` drops outputs between two layers, and
    draws a mask for each time step.

    Source: keras 3.15 `layers/rnn/dropout_rnn_cell.py`.

    Args:
        rate: fraction of the inputs to drop, in [0, 1]. With 1 the masks are 0 and none is drawn.
        recurrent_rate: fraction of the states to drop.
        seed: of the cell.
        num_masks: masks of each kind: 1, or the number of gates.

    Attributes:
        num_calls: how many masks have been drawn.
        mask_dtype: see `Dropout`.

    Raises:
        ValueError: a rate is no number in [0, 1].
    """

    def __init__(
        self, rate: float, recurrent_rate: float, seed: int = 0, num_masks: int = 1
    ) -> None:
        super().__init__()
        for name, value in (("dropout", rate), ("recurrent_dropout", recurrent_rate)):
            if not 0 <= value <= 1:
                raise ValueError(f"{name}={value!r}: expected a number in [0, 1]")
        self.rate, self.recurrent_rate = rate, recurrent_rate
        self.seed, self.num_masks = seed, num_masks
        self.num_calls = 0
        self.mask_dtype: torch.dtype | None = None

    def draw(self, step: torch.Tensor, state: torch.Tensor) -> Masks:
        """Draws the masks of the next call; none in eval mode, where they are only counted.

        Args:
            step: one time step, channels last; only its shape, dtype and device matter.
            state: one state.
        """
        found = Masks(self._drawn(step, self.rate), self._drawn(state, self.recurrent_rate))
        return found if self.training else Masks()

    def _drawn(self, like: torch.Tensor, rate: float) -> tuple[torch.Tensor, ...]:
        if rate == 0:
            return ()
        if rate == 1:
            return (torch.zeros_like(like),) * self.num_masks
        numbers = range(self.num_calls, self.num_calls + self.num_masks)
        self.num_calls += self.num_masks
        if not self.training:
            return ()
        return tuple(self._mask(like.shape, rate, number, like) for number in numbers)

    def _mask(
        self, shape: Sequence[int], rate: float, number: int, like: torch.Tensor
    ) -> torch.Tensor:
        dtype = self.mask_dtype or like.dtype
        keep = stateless_keep(
            shape,
            rate,
            seed=seed_pair(self.seed, number),
            dtype=torch.float64 if dtype == torch.float64 else torch.float32,
            device=like.device,
        )
        return keep.to(like.dtype) * (1 / (1 - rate))


# --- The equations of Keras's recurrent cells, and their weights in torch's layout ----------------


States = tuple[torch.Tensor, ...]
Function = str | Callable[[torch.Tensor], torch.Tensor] | None


class Gates(Layer):
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
        initial: Any = tuple(s[None] for s in states) if len(states) > 1 else states[0][None]
        outputs, *last = self._fused(
            x, initial, weights, self.use_bias, 1, 0.0, self.training, False, True
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


# --- Recurrent cells: one time step of Keras's layers, alone or for `RNN` -------------------------


class _Cell(Gates):
    """Base of the three: a time step by itself."""

    def forward(self, x: torch.Tensor, states: States | None = None) -> tuple[torch.Tensor, States]:
        """Returns the output of one time step, (N, units), and the new states.

        Masks are drawn anew in every call. `RNN` draws them once for a sequence.

        Args:
            x: (N, input_size).
            states: (N, units) each; zeros if None.
        """
        initial = self.zeros(x) if states is None else tuple(states)
        masks = self.draw(x, initial)
        return self.step(self.project(x[:, None], masks)[:, 0], initial, masks)


class LSTMCell(_Cell, LSTMGates):
    """One time step of `LSTM`, with the arguments of its cell.

    Differs from torch.nn.LSTMCell in:
    1. points 1 and 2 of `LSTM`;
    2. it returns (h, (h, c)), output and states, as Keras's does.

    Source: keras 3.15 `layers/rnn/lstm.py`.
    """


class GRUCell(_Cell, GRUGates):
    """One time step of `GRU`, with the arguments of its cell.

    Differs from torch.nn.GRUCell in points 1 and 2 of `GRU`, and returns (h, (h,)).

    Source: keras 3.15 `layers/rnn/gru.py`.
    """


class SimpleRNNCell(_Cell, SimpleGates):
    """One time step of `SimpleRNN`, with the arguments of its cell.

    Differs from torch.nn.RNNCell in points 1 and 2 of `SimpleRNN`, and returns (h, (h,)).

    Source: keras 3.15 `layers/rnn/simple_rnn.py`.
    """


class StackedRNNCells(nn.Module):
    """Cells on top of one another, which `RNN` takes for one cell.

    All of them compute a time step before the next one begins. The states of all cells follow one
    another. Torch has no such module.

    Source: keras 3.15 `layers/rnn/stacked_rnn_cells.py`.

    Args:
        cells: from the first to the last; see `RNN`.
        names: of the children; Keras's names of the cells.

    Raises:
        ValueError: there is no cell.
    """

    def __init__(self, cells: Sequence[nn.Module], names: Sequence[str] | None = None) -> None:
        super().__init__()
        if not cells:
            raise ValueError("cells=[]: expected at least one cell")
        self.names = list(names or map(str, range(len(cells))))
        for name, cell in zip(self.names, cells, strict=True):
            self.add_module(name, cell)

    @property
    def cells(self) -> list[Any]:
        """The cells, in order."""
        return [as_cell(self.get_submodule(name)) for name in self.names]

    @property
    def num_states(self) -> int:
        """How many states all cells have together."""
        return sum(cell.num_states for cell in self.cells)

    def zeros(self, step: torch.Tensor) -> States:
        """Returns the states of all cells before the first time step."""
        return tuple(state for cell in self.cells for state in cell.zeros(step))

    def output_of(self, states: States) -> torch.Tensor:
        """Returns the state of the last cell that is the output of the step before."""
        output: torch.Tensor = self.cells[-1].output_of(self._parts(states)[-1])
        return output

    def draw(self, step: torch.Tensor, states: States) -> list[Any]:
        """Draws the masks of a call, cell by cell."""
        found = []
        for cell, cell_states in zip(self.cells, self._parts(states), strict=True):
            found.append(cell.draw(step, cell_states))
            step = cell_states[0]  # the output of a cell has the shape of its first state
        return found

    def project(self, x: torch.Tensor, masks: list[Any]) -> torch.Tensor:
        """Returns what the first cell makes of all time steps alone."""
        projected: torch.Tensor = self.cells[0].project(x, masks[0])
        return projected

    def whole(self, x: torch.Tensor, states: States, masks: list[Any]) -> tuple[Any, Any] | None:
        """Returns the outputs of all time steps by torch's own loops, if every cell has one."""
        last: list[torch.Tensor] = []
        for cell, cell_states, drawn in zip(self.cells, self._parts(states), masks, strict=True):
            found = cell.whole(x, cell_states, drawn)
            if found is None:
                return None
            x, ended = found
            last += ended
        return x, tuple(last)

    def step(
        self, given: torch.Tensor, states: States, masks: list[Any]
    ) -> tuple[torch.Tensor, States]:
        """Returns the output of the last cell, and the new states of all."""
        found: list[torch.Tensor] = []
        x = given
        parts = zip(self.cells, self._parts(states), masks, strict=True)
        for number, (cell, cell_states, drawn) in enumerate(parts):
            if number:
                x = cell.project(x[:, None], drawn)[:, 0]
            x, new = cell.step(x, cell_states, drawn)
            found += new
        return x, tuple(found)

    def _parts(self, states: States) -> list[States]:
        """Returns the states of each cell."""
        places = iter(states)
        return [tuple(next(places) for _ in range(cell.num_states)) for cell in self.cells]


class _OwnCell:
    """A cell of the user, which knows single time steps alone."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        size: Any = getattr(module, "state_size", None)
        sizes = [size] if isinstance(size, int) else size
        if not sizes or not all(isinstance(value, int) for value in sizes):
            raise ValueError(
                f"cell {type(module).__name__} with state_size={size!r}: expected an integer, or "
                "one for each state"
            )
        self.sizes: list[int] = list(sizes)
        self.num_states = len(self.sizes)

    def zeros(self, step: torch.Tensor) -> States:
        return tuple(step.new_zeros(step.shape[0], size) for size in self.sizes)

    def output_of(self, states: States) -> torch.Tensor:
        return states[0]

    def draw(self, step: torch.Tensor, states: States) -> Masks:
        return Masks()

    def project(self, x: torch.Tensor, masks: Masks) -> torch.Tensor:
        return x

    def whole(self, x: torch.Tensor, states: States, masks: Masks) -> None:
        return None

    def step(
        self, given: torch.Tensor, states: States, masks: Masks
    ) -> tuple[torch.Tensor, States]:
        output, new = self.module(given, states)
        return output, (new,) if isinstance(new, torch.Tensor) else tuple(new)


def as_cell(module: nn.Module) -> Any:
    """Returns a cell with the methods of `Gates`, of one of this package or of the user's.

    Raises:
        ValueError: it has no `state_size`.
    """
    return module if isinstance(module, Gates | StackedRNNCells) else _OwnCell(module)
