"""Where a paired layer begins and ends, if the two programs split their layers differently.

Keras pads inside a convolution, or before it in a separate layer. A PyTorch program may do it the
other way, or may pad too much and crop afterwards. A padding or cropping call without a partner is
joined to the layer next to it if that makes the shapes fit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from parity.halves.torch.port.pairing import Pairing

_JOINED = frozenset(("zero_padding", "cropping"))
MOST = 2  # calls that are joined on one side of a layer

Nodes = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Ends:
    """Numbers of the nodes and calls that a pair begins and ends with.

    Attributes:
        keras_first: the Keras node that takes the inputs of the layer.
        keras_last: the Keras node that gives the output of the layer.
        torch_first: the torch call that takes the inputs of the layer.
        torch_last: the torch call that gives the output of the layer.
    """

    keras_first: int
    keras_last: int
    torch_first: int
    torch_last: int


def ends_of(keras: Nodes, torch: Nodes, pairing: Pairing) -> list[Ends]:
    """Returns the ends of each pair.

    Args:
        keras: nodes with kind, input_shapes, output_shape, sources.
        torch: the same, but with input_forms and output_shapes: the shapes as they are, and with
            the channels last.
        pairing: pairs the two.
    """
    free = set(pairing.keras_left), set(pairing.torch_left)
    ends = []
    for row, column in pairing.pairs:
        begins = _fitting(
            _before(keras, row, free[0]),
            _before(torch, column, free[1]),
            lambda a, b: keras[a]["input_shapes"][:1] and _input(keras[a]) in _inputs(torch[b]),
        )
        stops = _fitting(
            _after(keras, row, free[0]),
            _after(torch, column, free[1]),
            lambda a, b: keras[a]["output_shape"] in torch[b]["output_shapes"],
        )
        ends.append(Ends(begins[0], stops[0], begins[1], stops[1]))
    return ends


def _fitting(rows: list[int], columns: list[int], fits: Any) -> tuple[int, int]:
    """Returns the nearest two that fit, or those of the pair itself if none fit."""
    pairs = [(i, j) for i in range(len(rows)) for j in range(len(columns))]
    for i, j in sorted(pairs, key=sum):
        if fits(rows[i], columns[j]):
            return rows[i], columns[j]
    return rows[0], columns[0]


def _before(nodes: Nodes, number: int, free: set[int]) -> list[int]:
    chain = [number]
    while len(chain) <= MOST:
        sources = nodes[chain[-1]]["sources"]
        source = sources[0] if sources else None
        # -1 is an input of the model, None a call that was not watched.
        if source is None or source not in free or nodes[source]["kind"] not in _JOINED:
            break
        chain.append(source)
    return chain


def _after(nodes: Nodes, number: int, free: set[int]) -> list[int]:
    chain = [number]
    while len(chain) <= MOST:
        takers = [n for n, node in enumerate(nodes) if chain[-1] in node["sources"]]
        if len(takers) != 1 or takers[0] not in free or nodes[takers[0]]["kind"] not in _JOINED:
            break
        chain.append(takers[0])
    return chain


def _input(node: Mapping[str, Any]) -> list[int]:
    shape: list[int] = node["input_shapes"][0]
    return shape


def _inputs(node: Mapping[str, Any]) -> list[list[int]]:
    forms: list[list[list[int]]] = node["input_forms"]
    return forms[0] if forms else []
