"""Dropouts inside of the recurrent layers of a port: those of `torch_impl.layers`, or of a twin.

Keras's half tells each of its masks as a dropout in front of the layer ("memory.dropout",
"memory.recurrent_dropout.f"). A layer of the port that draws them itself is given them here. One
inside of a TimeDistributed draws for each step ("memory.dropout#2").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from torch_impl.layers import RecurrentDropout
from torch_impl.layers.recurrent_dropout import Masks

if TYPE_CHECKING:
    from parity.halves.torch.port.paired_layer import PairedLayer
    from parity.halves.torch.port.port_under_test import PortUnderTest
    from parity.traces.trace import Trace

Nodes = Sequence[Mapping[str, Any]]
_PARTS = ("dropout", "recurrent_dropout")


def _dropouts_of(module: nn.Module | None) -> list[RecurrentDropout]:
    if module is None:
        return []
    return [part for part in module.modules() if isinstance(part, RecurrentDropout)]


def _names(nodes: Nodes, layer: str) -> list[str]:
    """Returns the names of the dropouts of a layer, below its own."""
    names = [str(n["name"]) for n in nodes if n["kind"] == "dropout"]
    return [name.removeprefix(f"{layer}.") for name in names if name.startswith(f"{layer}.")]


def _ways(names: Sequence[str], number_of: int) -> list[list[list[str]]]:
    """Returns the names of the masks of inputs and of states, for each of the port's dropouts."""
    ways = list(dict.fromkeys(_way(name) for name in names if _way(name)))
    found = []
    for number in range(number_of):
        way = ways[number] if number < len(ways) else ""
        of_way = [name for name in names if _way(name) in ("", way)]
        bare = {
            name: _first(name).removeprefix(f"{way}.") if way else _first(name) for name in of_way
        }
        found.append([[n for n in of_way if bare[n].split(".")[0] == part] for part in _PARTS])
    return found


def _first(name: str) -> str:
    """Returns the name of the dropout of the first step: "dropout" of "dropout#2"."""
    return name.partition("#")[0]


def _way(name: str) -> str:
    """Returns the direction in a name, "" if it has none."""
    first = _first(name).partition(".")[0]
    return "" if first in _PARTS else first


def inner_dropouts(port: PortUnderTest) -> dict[str, float]:
    """Returns the dropouts of Keras that layers of the port have inside, with the port's rate.

    A dropout that only the port has is among them, under the name that it would have in Keras.
    """
    found: dict[str, float] = {}
    nodes = port.keras.facts["nodes"]
    for pair in port.all_pairs:
        layer, dropouts = str(pair.node["name"]), _dropouts_of(pair.call.module)
        ways = _ways(_names(nodes, layer), len(dropouts))
        for each, parts in zip(dropouts, ways, strict=True):
            rates = (each.rate, each.recurrent_rate)
            for part, names, rate in zip(_PARTS, parts, rates, strict=True):
                if rate:
                    found |= {f"{layer}.{name}": rate for name in names or [part]}
    return found


def with_inner(pair: PairedLayer, nodes: Nodes) -> PairedLayer:
    """Returns a pair that begins with Keras's dropout in front of it, if the port's is inside.

    Args:
        pair: of two layers.
        nodes: of the Keras model.
    """
    name = f"{pair.node['name']}.dropout"
    sources = [n for n in pair.node["sources"] if n is not None and n >= 0]
    first = next((n for n in sources if nodes[n]["name"] == name), None)
    if first is None or not any(each.rate for each in _dropouts_of(pair.call.module)):
        return pair
    return replace(pair, ends=replace(pair.ends, keras_first=first))


@contextmanager
def given_masks(port: PortUnderTest, mode: str) -> Iterator[None]:
    """Gives the recurrent layers of the port Keras's masks in the block.

    Args:
        port: the port.
        mode: of the pass in Keras's trace: "train", "step1", ...
    """
    nodes = port.keras.facts["nodes"]
    with ExitStack() as stack:
        for pair in port.all_pairs:
            layer, dropouts = str(pair.node["name"]), _dropouts_of(pair.call.module)
            ways = _ways(_names(nodes, layer), len(dropouts))
            for each, parts in zip(dropouts, ways, strict=True):
                keys = [[f"mask/{mode}/{layer}.{name}" for name in names] for names in parts]
                if all(key in port.keras for names in keys for key in names):
                    stack.enter_context(_drawing(each, [_by_step(port.keras, n) for n in keys]))
        yield


def _by_step(keras: Trace, keys: Sequence[str]) -> list[list[np.ndarray]]:
    """Returns for each gate the masks of all steps."""
    found: dict[str, list[np.ndarray]] = {}
    for key in keys:
        found.setdefault(_first(key), []).append(keras[key])
    return list(found.values())


@contextmanager
def _drawing(
    dropout: RecurrentDropout, masks: Sequence[Sequence[Sequence[np.ndarray]]]
) -> Iterator[None]:
    """Makes a dropout draw masks of Keras in train mode, times the factor of its own rate.

    Args:
        dropout: of a layer.
        masks: of inputs and of states, for each gate, of each step.
    """
    rates = (dropout.rate, dropout.recurrent_rate)
    step_number = count()

    def draw(step: torch.Tensor, state: torch.Tensor) -> Masks:
        if not dropout.training:
            return Masks()
        if any(bool(rate) != bool(kept) for rate, kept in zip(rates, masks, strict=True)):
            return RecurrentDropout.draw(dropout, step, state)  # Keras drops something else
        number = next(step_number)
        parts = zip(masks, (step, state), rates, strict=True)
        return Masks(*(_factors(kept, number, like, rate) for kept, like, rate in parts))

    dropout.draw = draw  # type: ignore[method-assign]
    try:
        yield
    finally:
        del dropout.draw


def _factors(
    kept: Sequence[Sequence[np.ndarray]], number: int, like: torch.Tensor, rate: float
) -> tuple[torch.Tensor, ...]:
    arrays = [_of_draw(steps, number, like) for steps in kept]
    factor = 1 / (1 - rate) if rate < 1 else 0.0
    return tuple(torch.from_numpy(array.copy()).to(like) * factor for array in arrays)


def _of_draw(steps: Sequence[np.ndarray], number: int, like: torch.Tensor) -> np.ndarray:
    """Returns the mask of a draw; a port may make all steps one batch, and draw once."""
    arrays = [array[:, 0] if array.ndim > like.ndim else array for array in steps]
    if len(arrays) > 1 and len(like) == len(arrays) * len(arrays[0]):
        return np.stack(arrays, axis=1).reshape(-1, *arrays[0].shape[1:])
    return arrays[number % len(arrays)]
