"""A torch.nn.LSTM, GRU or RNN of several layers, run layer by layer as Keras's stacked layers are.

The arguments of such a module go in. Its output comes out, and what every layer and every dropout
between two layers took and gave, with the batch first. cuDNN and the fused layers are not used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence

from parity.halves.torch.call import num_directions
from parity.halves.torch.port.function_weights import flat_tensors
from parity.halves.torch.port.packed_sequences import padded, repacked
from torch_impl import layers
from torch_impl.layers.recurrent_cells import as_cell
from torch_impl.layouts import Variable, recurrent_variables, variables

# (number of the dropout in the module, its input) -> what it returns.
Dropped = Callable[[int, torch.Tensor], torch.Tensor]


@dataclass
class Part:
    """One layer of a recurrent module; or a dropout after it, which has no module.

    Attributes:
        module: a module of one layer with the same parameters, batch first.
        given: input, (N, T, features).
        output: (N, T, features).
        states: what the layer returns beside its output.
        run: computes output and states from another input.
        weights: the variables of the layer.
    """

    module: nn.Module | None
    given: torch.Tensor
    output: torch.Tensor
    states: Any = None
    run: Callable[..., Any] | None = None
    weights: list[Variable] | None = None


def is_stacked(module: nn.Module, arguments: Any) -> bool:
    """Whether a module is a recurrent one of several layers, or has not the batch first."""
    if not isinstance(module, nn.RNNBase) or module.proj_size:
        return False
    if len(module._parameters) < len(module._flat_weights_names):  # some are computed
        return False
    if arguments and isinstance(arguments[0], PackedSequence):  # which has no order of axes
        return module.num_layers > 1
    is_batch = bool(arguments) and isinstance(arguments[0], torch.Tensor) and arguments[0].ndim == 3
    return is_batch and (module.num_layers > 1 or not module.batch_first)


def run_stacked(
    module: nn.RNNBase, arguments: Any, dropped: Dropped, told: Callable[[Part], Any]
) -> tuple[Any, Any]:
    """Runs a recurrent module layer by layer.

    Args:
        module: see `is_stacked`.
        arguments: the input (N, T, features), or (T, N, features), or packed, and the first states.
        dropped: computes what a dropout between two layers returns; called in eval mode too.
        told: receives each part in order, and returns what goes on in the place of its output:
            (output, states) of a layer, the output of a dropout.

    Returns:
        What the module returns.
    """
    packed = arguments[0] if isinstance(arguments[0], PackedSequence) else None
    if packed is not None:
        x = padded(packed)
    else:
        x = arguments[0] if module.batch_first else arguments[0].transpose(0, 1).contiguous()
    first = arguments[1] if len(arguments) > 1 else None
    directions = num_directions(module)
    found: list[Any] = []
    for number in range(module.num_layers):
        layer = single_layer(module, number)
        rows = slice(number * directions, (number + 1) * directions)
        begun = () if first is None else (_rows_of(first, rows),)
        run = _again(layer, begun, packed)
        output, states = run(x)
        weights = recurrent_variables(module, number)
        x, states = told(Part(layer, x, output, states, run, weights))
        found.append(states)
        if module.dropout and number < module.num_layers - 1:
            x = told(Part(None, x, dropped(number, x)))
    if isinstance(module, nn.LSTM):
        last: Any = tuple(torch.cat([states[n] for states in found]) for n in range(2))
    else:
        last = torch.cat(found)
    if packed is not None:
        return repacked(x, packed), last
    return x if module.batch_first else x.transpose(0, 1).contiguous(), last


def single_layer(module: nn.RNNBase, number: int) -> nn.RNNBase:
    """Returns a module of one layer, batch first, with the parameters of one layer of another."""
    kind: Any = next(k for k in (nn.LSTM, nn.GRU, nn.RNN) if isinstance(module, k))
    options: dict[str, Any] = {"nonlinearity": module.nonlinearity} if kind is nn.RNN else {}
    weight = getattr(module, f"weight_ih_l{number}")
    layer: nn.RNNBase = kind.__new__(kind)
    # Initial weights would be drawn in a call that is watched; and torch needs 0.7 s for the first.
    vars(layer)["reset_parameters"] = lambda: None
    kind.__init__(
        layer,
        weight.shape[1],
        module.hidden_size,
        bias=module.bias,
        batch_first=True,
        bidirectional=module.bidirectional,
        device="meta",
        **options,
    )
    del vars(layer)["reset_parameters"]
    for name in list(layer._parameters):
        setattr(layer, name, getattr(module, name.replace("_l0", f"_l{number}")))
    return layer.train(module.training)


def is_of_cells(module: nn.Module, arguments: Any) -> bool:
    """Whether a module is `torch_impl.layers.RNN` with several cells of that package."""
    if not isinstance(module, layers.RNN) or module.stateful or not arguments:
        return False
    cell = module.get_submodule(module.cell_name)
    return isinstance(cell, layers.StackedRNNCells) and not any(
        isinstance(own, layers.StackedRNNCells) for own in cell.children()
    )


def run_cells(module: layers.RNN, arguments: Any, told: Callable[[Part], Any]) -> Any:
    """Runs a module of several cells cell by cell; see `run_stacked`."""
    stacked: Any = module.get_submodule(module.cell_name)
    x, *given = arguments
    begun = iter(flat_tensors(given[0] if given else []))
    last: list[torch.Tensor] = []
    for number, (name, cell) in enumerate(stacked.named_children()):
        is_last = number == len(stacked.names) - 1
        layer = layers.RNN(
            cell,
            name,
            return_sequences=module.return_sequences or not is_last,
            return_state=True,
            go_backwards=module.go_backwards and not number,
        ).train(module.training)
        states = [next(begun) for _ in range(as_cell(cell).num_states)] if given else None
        again = partial(layer, initial_state=states)
        output, *ended = again(x)
        weights = list(variables(layer))
        x, *ended = told(Part(layer, x, output, tuple(ended), again, weights))
        last += flat_tensors(ended)
    return (x, *last) if module.return_state else x


def _rows_of(states: Any, rows: slice) -> Any:
    return tuple(s[rows] for s in states) if isinstance(states, tuple) else states[rows]


def _again(
    layer: nn.RNNBase, begun: tuple[Any, ...], packed: PackedSequence | None
) -> Callable[..., Any]:
    def run(x: torch.Tensor) -> Any:
        if packed is None:
            return layer(x, *begun)
        output, states = layer(repacked(x, packed), *begun)
        return padded(output), states

    return run
