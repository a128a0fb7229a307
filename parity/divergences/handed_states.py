"""Recurrent layers without a partner on the way to an input, and the states that they get.

Such a layer is computed by hand, and what comes of it is seen at the next paired layers alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from parity.traces.trace import Trace


def is_state_of(
    keras: Trace, paired: Collection[str], item: str, layer: str | None, wrong: Collection[str]
) -> bool:
    """Whether an input is a state that a recurrent layer returns which is wrong by itself.

    Keras's output goes on from such a layer in the port, but not what it returns beside it. So the
    state differs because the layer does, and so does what layers without a partner make of it.

    Args:
        keras: the results of Keras.
        paired: Keras's layers with a partner.
        item: "input of LAYER (MODE)".
        layer: of the input.
        wrong: Keras's layers that are wrong for Keras's input.
    """
    mode = "train" if "(train)" in item else "eval"
    nodes = keras.facts["nodes"]
    node = next((each for each in nodes if each["name"] == layer), None)
    if node is None:
        return False
    taking = [node, *on_the_way(nodes, paired, node)]
    return any(_takes_a_state(keras, mode, each, wrong) for each in taking)


def on_the_way(
    nodes: list[Mapping[str, Any]],
    paired: Collection[str],
    node: Mapping[str, Any],
    number: int | None = None,
) -> Iterator[Mapping[str, Any]]:
    """Yields the nodes without a partner from which inputs of a node come.

    Args:
        nodes: of Keras.
        paired: names of those with a partner.
        node: the node.
        number: of its input; None: all inputs.
    """
    sources = node["sources"] if number is None else node["sources"][number : number + 1]
    waiting, seen = list(sources), set[int]()
    while waiting:
        source = waiting.pop()
        if source is None or source < 0 or source in seen or nodes[source]["name"] in paired:
            continue
        seen.add(source)
        yield nodes[source]
        waiting += nodes[source]["sources"]


def _takes_a_state(
    keras: Trace, mode: str, node: Mapping[str, Any], wrong: Collection[str]
) -> bool:
    nodes = keras.facts["nodes"]
    for number, source in enumerate(node["sources"]):
        before = nodes[source] if source is not None and source >= 0 else None
        if before is None or before["name"] not in wrong:
            continue
        given = f"forward/{mode}/{node['name']}/input/{number}"
        made = f"forward/{mode}/{before['name']}/output"
        is_known = given in keras and made in keras
        returns = is_known and before["config"].get("return_state")
        if returns and not np.array_equal(keras[given], keras[made]):
            return True
    return False
