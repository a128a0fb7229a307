"""Recurrent cells: one time step of Keras's layers, alone or for `RNN`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from torch_impl.layers.recurrent_dropout import Masks
from torch_impl.layers.recurrent_gates import Gates, GRUGates, LSTMGates, SimpleGates, States


class _Cell(Gates):
    """Base of the three: a time step by itself."""

    def forward(self, x: torch.Tensor, states: States | None = None) -> tuple[torch.Tensor, States]:
        """Returns the output of one time step, (N, units), and the new states.

        Masks are drawn anew in every call. `RNN` draws them once for a sequence.

        Args:
            x: (N, input_size).
            states: (N, units) each; zeros if None.
        """
        begun = self.zeros(x) if states is None else tuple(states)
        masks = self.draw(x, begun)
        return self.step(self.project(x[:, None], masks)[:, 0], begun, masks)


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
        for cell, own in zip(self.cells, self._parts(states), strict=True):
            found.append(cell.draw(step, own))
            step = own[0]  # the output of a cell has the shape of its first state
        return found

    def project(self, x: torch.Tensor, masks: list[Any]) -> torch.Tensor:
        """Returns what the first cell makes of all time steps alone."""
        projected: torch.Tensor = self.cells[0].project(x, masks[0])
        return projected

    def whole(self, x: torch.Tensor, states: States, masks: list[Any]) -> tuple[Any, Any] | None:
        """Returns the outputs of all time steps by torch's own loops, if every cell has one."""
        last: list[torch.Tensor] = []
        for cell, own, drawn in zip(self.cells, self._parts(states), masks, strict=True):
            found = cell.whole(x, own, drawn)
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
        for number, (cell, own, drawn) in enumerate(parts):
            if number:
                x = cell.project(x[:, None], drawn)[:, 0]
            x, new = cell.step(x, own, drawn)
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
