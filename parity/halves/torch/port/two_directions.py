"""A bidirectional layer of Keras that a port writes as two layers, one of them on a turned input.

The pairing of calls and nodes goes in. For each such layer come out the two calls, and the ways in
which they may hold its weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from parity.halves.torch.call import Call
from parity.halves.torch.kinds import RECURRENT
from parity.halves.torch.port.carried import NAMES, Carried
from parity.halves.torch.port.matching import matched_weights
from parity.halves.torch.port.pairing import Pairing
from parity.traces.trace import Trace


def with_directions(
    keras: Sequence[Mapping[str, Any]], nodes: Sequence[Mapping[str, Any]], pairing: Pairing
) -> Pairing:
    """Returns a pairing in which bidirectional layers with two calls are told as such.

    Args:
        keras: nodes of Keras, with the shapes of their weights.
        nodes: of the port.
        pairing: pairs the two.
    """
    partners = dict(pairing.pairs)
    free = list(pairing.torch_left)
    found = []
    for row, node in enumerate(keras):
        if node["kind"] != "bidirectional" or not node["weights"]:
            continue
        shapes = [list(shape) for shape in node["weights"].values()]
        half = shapes[: len(shapes) // 2]
        own = [partners[row]] if row in partners else []
        fitting = [
            n
            for n in sorted([*own, *free])
            if nodes[n]["kind"] in RECURRENT
            and sorted(nodes[n]["weights"].values()) == sorted(half)
        ]
        if len(shapes) % 2 or len(fitting) < 2 or not set(own) <= set(fitting[:2]):
            continue
        found.append((row, fitting[0], fitting[1]))
        partners.pop(row, None)
        free = [n for n in [*free, *own] if n not in fitting[:2]]
    if not found:
        return pairing
    taken = set(partners.values())
    return replace(
        pairing,
        pairs=tuple(partners.items()),
        keras_left=tuple(n for n in range(len(keras)) if n not in partners),
        torch_left=tuple(n for n in range(len(nodes)) if n not in taken),
        directions=tuple(found),
    )


def ways_of(keras: Trace, calls: Sequence[Call], pairing: Pairing) -> list[list[list[Carried]]]:
    """Returns for each bidirectional layer the ways in which two calls may hold its weights.

    The first is that the earlier call walks forward.

    Args:
        keras: what Keras computed.
        calls: of the port.
        pairing: of both.
    """
    nodes = keras.facts["nodes"]
    return [
        list(_ways(nodes[row], (calls[first], calls[second])))
        for row, first, second in pairing.directions
    ]


def _ways(node: Mapping[str, Any], both: tuple[Call, Call]) -> Iterator[list[Carried]]:
    names = node["weights"]
    halves = names[: len(names) // 2], names[len(names) // 2 :]
    for order in (both, both[::-1]):
        yield [
            Carried(name, variable, NAMES, node["name"])
            for half, call in zip(halves, order, strict=True)
            for name, local in matched_weights(half, call).items()
            for variable in call.variables
            if variable.name == local
        ]
