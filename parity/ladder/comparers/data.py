"""Data: the batch of a probe, as it reaches the first layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from parity.ladder.comparers.probe import measured
from parity.ladder.items import STYLE
from parity.ladder.outcome import Outcome, judged, skipped
from parity.ladder.recorded import MODES, close, outputs_agree

if TYPE_CHECKING:
    from parity.traces.trace import Trace


def of_probe(keras: Trace, port: Trace) -> Outcome:
    """Compares the input of the first layer, after the port's own input handling.

    A port may prepare its input itself; then its outputs agree.
    """
    excused = outputs_agree(keras, port, *MODES)
    nodes = {node["name"]: node for node in keras.facts["nodes"]}
    for keras_name, _ in port.facts["pairs"]:
        if _is_behind_weights(keras.facts["nodes"], nodes.get(keras_name)):
            return skipped("no layer of the port could be paired by its input", applies=False)
        key = f"forward/eval/{port.facts['ends'][keras_name][0]}/input/0"
        if key in keras and key in port:
            if is_turned(keras, port, key):
                return skipped("the first layer walks in another direction", applies=False)
            item = close(keras, port, key, f"input of {keras_name}")
            if item.num_compared == 0:  # such as steps that are folded into the batch
                return skipped("the input reaches the first layer in another form", applies=False)
            form = f"the same batch, as it reaches the first layer ({port.facts['fed']})"
            return judged(
                f"{form}; {measured(keras)}",
                [item if item.agrees or not excused else replace(item, role=STYLE)],
            )
    return skipped("no layer of the port could be paired by its input")


def is_turned(keras: Trace, port: Trace, key: str) -> bool:
    """Whether a sequence of the port is Keras's from its end to its start."""
    theirs, ours = keras[key], port[key]
    if theirs.shape != ours.shape or theirs.ndim < 3:
        return False
    return bool((theirs[:, ::-1] == ours).all() and (theirs != ours).any())


def _is_behind_weights(nodes: Sequence[Mapping[str, Any]], node: Mapping[str, Any] | None) -> bool:
    """Whether the first input of a layer has gone through a layer with weights."""
    while node is not None and node["sources"]:
        source = node["sources"][0]
        if source is None or source < 0:
            return False
        node = nodes[source]
        if node["weights"]:
            return True
    return False
