"""Call: one call of a watched module or function: what it took and gave, and how to repeat it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from parity.halves.torch.port.function_weights import Weights, flat_tensors, replaced
from parity.halves.torch.port.packed_sequences import first_padded, packed_in, repacked
from torch_impl.layouts import Variable, variables


@dataclass
class Call:
    """One call of a watched module, or of a function outside any watched module.

    Attributes:
        name: path of the module, with "#2" from its second call on; or the name and number of the
            function, such as "relu()" and "relu()#2".
        kind: a word of `parity/halves/torch/kinds.py`.
        run: computes the output from other inputs.
        inputs: copies of the input tensors; a later change in place does not reach them.
        output: copy of the output tensor, or of the first of several.
        final: the last states of a recurrent torch module, concatenated, or those that a module
            of the user's returns beside all outputs: what Keras returns unless it returns
            sequences. None for other modules.
        sources: what made each input: the number of a call, -1 for an input of the model, None
            if that was not watched.
        origins: the same, but traced back through functions that are not watched, such as
            `squeeze`.
        nearest: the same, but traced back to the nearest call that was watched: `origins` goes
            on through permutations.
        module: None for a function.
        weights: the variables that a function is called with, or None; see `variables`.
        where: line of the user's code that made the call, "model.py:23"; "" if there is none.
        given: of a function, what was called: the function, its arguments, its keywords, and the
            parameters of the module.
        rate: of a dropout, the fraction to drop.
        is_active: whether a dropout dropped anything.
        arguments: of a function: its numbers and words, by name.
    """

    name: str
    kind: str
    run: Callable[..., Any]
    inputs: list[torch.Tensor]
    output: torch.Tensor
    final: torch.Tensor | None = None
    sources: list[int | None] = field(default_factory=list)
    origins: list[int | None] = field(default_factory=list)
    nearest: list[int | None] = field(default_factory=list)
    module: nn.Module | None = None
    weights: Callable[[], list[Variable]] | None = None
    where: str = ""
    given: tuple[Any, Any, Any, Weights] | None = None
    rate: float | None = None
    is_active: bool = False
    arguments: dict[str, Any] = field(default_factory=dict)

    @property
    def variables(self) -> list[Variable]:
        """The variables of the module, or those that the function was called with."""
        if self.weights is not None:
            return self.weights()
        if self.module is None:
            return []
        try:
            return list(variables(self.module))
        except ValueError:  # no layer of Keras has such weights
            return []


class Calls(list[Call]):
    """Calls in order.

    Attributes:
        draws: where random numbers were drawn that no dropout replaces: "rand() at model.py:23".
        replaced: where masks or other numbers were drawn by a function, and replaced.
        dropping: the dropout whose output is asked for.
    """

    def __init__(self) -> None:
        super().__init__()
        self.draws: list[str] = []
        self.replaced: list[str] = []
        self.dropping: Call | None = None


def first_tensor(output: Any) -> torch.Tensor:
    """Returns an output, or the first of several; a packed sequence with its steps side by side."""
    found = first_padded(output)
    return flat_tensors(output)[0] if found is None else found


def final_states(module: nn.Module | None, output: Any) -> torch.Tensor | None:
    """Returns the last states (N, directions * units) of what a recurrent module returned."""
    if not isinstance(module, nn.RNNBase):
        return states_beside(output)
    if not isinstance(output, tuple):
        return None
    with torch._C.DisableTorchFunction():
        return joined_states(module, output).detach().clone()


def states_beside(output: Any) -> torch.Tensor | None:
    """Returns the states (N, units) that a module by hand returns beside outputs of all steps.

    An LSTM returns them with the states of its cells: (outputs, (h, c)).
    """
    if not isinstance(output, tuple) or len(output) < 2:
        return None
    states = output[1][0] if isinstance(output[1], tuple | list) and output[1] else output[1]
    first = output[0]
    both = isinstance(first, torch.Tensor) and isinstance(states, torch.Tensor)
    return states if both and states.ndim + 1 == first.ndim else None


def joined_states(module: nn.RNNBase, output: Any) -> torch.Tensor:
    """Returns the last states, (N, directions * units), as a part of the graph."""
    return torch.cat(list(hidden_of(output)[-num_directions(module) :]), dim=-1)


def hidden_of(output: Any) -> torch.Tensor:
    """Returns the hidden states, (layers * directions, N, units), that a torch.nn.RNNBase returned.

    An LSTM returns them with the states of its cells.
    """
    states = output[1]
    hidden: torch.Tensor = states[0] if isinstance(states, tuple) else states
    return hidden


def num_directions(module: nn.RNNBase) -> int:
    """Returns 2 for a module that reads its input from both ends, else 1."""
    return 2 if module.bidirectional else 1


def output_of(
    output: torch.Tensor, final: torch.Tensor | None, shape: Sequence[int]
) -> torch.Tensor:
    """Returns the output, or the last states if only they have Keras's shape."""
    is_final = final is not None and list(final.shape) == list(shape) != list(output.shape)
    return final if is_final and final is not None else output


def rerun(function: Any, arguments: Any, keywords: Any, weights: Weights) -> Callable[..., Any]:
    """Returns a function that repeats the call with other tensors, in the order of the old ones.

    Parameters stay.
    """

    def run(*others: torch.Tensor) -> Any:
        if packed := packed_in(arguments):  # of a recurrent module, which has one
            return function(repacked(others[0], packed[0]), *arguments[1:], **keywords)
        left = list(others)
        given = replaced(list(arguments), left, weights)
        return function(*given, **replaced(keywords, left, weights))

    return run
