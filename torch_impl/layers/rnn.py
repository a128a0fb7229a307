"""The loop over the time steps of a sequence, around any recurrent cell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import nn

from torch_impl.layers.recurrent_cells import as_cell
from torch_impl.layers.recurrent_gates import States
from torch_impl.masks import masked_steps

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
            begun = (torch.zeros_like(cell.output_of(states)), *states)
            inputs, is_zero = cell.project(x, masks), self.zero_output_for_mask
            whole, (_, *last) = masked_steps(step, inputs, begun, mask, is_zero)
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
