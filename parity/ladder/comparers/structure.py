"""Structure: every weight in its place."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from parity.ladder.compare import compare_close, compare_exact
from parity.ladder.items import STYLE
from parity.ladder.outcome import Outcome, judged_if_any
from parity.ladder.recorded import MODES, carried_weight, outputs_agree
from parity.ladder.rounding import limits_of
from parity.ladder.tolerance import EXACT
from parity.ladder.unknown_weights import unknown_parameters, unknown_weights

if TYPE_CHECKING:
    from parity.ladder.items import Item
    from parity.traces.trace import Trace


def of_probe(keras: Trace, port: Trace) -> Outcome:
    """Compares what has to be carried over: every weight of Keras, every parameter of the port.

    Layers without weights, kinds and names decide nothing. A port that loads the weights itself may
    hold them in any form, as long as its outputs agree.
    """
    nodes = {node["name"]: node for node in keras.facts["nodes"]}
    calls = {node["name"]: node for node in port.facts["nodes"]}
    excused = port.facts["given"]["load"] and outputs_agree(keras, port, *MODES)
    # Also what a `load` has put into several parameters: each value has a place.
    is_right = outputs_agree(keras, port, "eval")
    unknown = unknown_weights(keras, port, is_right=is_right) | set(port.facts.get("spread", {}))
    unknown |= set(port.facts.get("not_held", ()))  # what a step makes of them is compared
    carried = port.facts["weights"]
    items = []
    for keras_name, torch_name in port.facts["pairs"]:
        node, call = nodes[keras_name], calls[torch_name]
        names = [weight for weight in node["weights"] if weight not in unknown]
        if names and not all(weight in carried for weight in names):
            shapes = {w.partition(".")[2]: keras.facts["weights"][w]["shape"] for w in names}
            items.append(_same_shapes(keras_name, shapes, call["weights"]))
        elif not node["weights"] and call["weights"] and torch_name in _uncarried(port, calls):
            items.append(_same_shapes(keras_name, {}, call["weights"]))
    paired = {name for pair in port.facts["pairs"] for name in pair}
    items += [
        compare_exact(node["name"], _kind(node), "absent")
        for node in nodes.values()
        if node["name"] not in paired
        and any(weight not in carried and weight not in unknown for weight in node["weights"])
    ]
    items += [
        compare_exact(name, "absent", _kind(calls[name]))
        for name in _uncarried(port, calls)
        if name not in paired
    ]
    items += [
        compare_exact(f"weights of {problem.partition(':')[0]}", "fit", problem)
        for problem in port.facts["problems"]
    ]
    items += [
        compare_exact(weight, "used once", "not used")
        for weight in keras.facts["weights"]
        if weight not in carried and weight not in unknown
    ]
    told = unknown_parameters(port)
    rounded = limits_of(keras).floor
    items += [
        compare_exact(f"parameter {parameter}", "absent", "has no weight of Keras")
        for parameter in port.facts["not_carried"]
        if parameter not in told
    ]
    items += [
        # Not exactly: a port may compute a weight from others.
        compare_close(
            f"{weight} (as carried over)",
            keras[key],
            carried_weight(keras, port, weight),
            allowed=rounded,
            unit="rel",
        )
        for weight in carried
        if (key := f"weights/{weight}") in keras
    ]
    if excused:
        items = [item if item.agrees else replace(item, role=STYLE) for item in items]
    return judged_if_any(EXACT, items)


def _uncarried(port: Trace, calls: dict[str, Any]) -> list[str]:
    """Returns the calls of modules with parameters that have no weight of Keras."""
    told = unknown_parameters(port)
    owners = {name.rpartition(".")[0] for name in port.facts["not_carried"] if name not in told}
    return [name for name, call in calls.items() if call["weights"] and name in owners]


def _same_shapes(name: str, keras: dict[str, Any], torch: dict[str, Any]) -> Item:
    """Compares the shapes of the weights; names may be from another kind of layer."""
    if sorted(keras.values()) == sorted(torch.values()):
        return compare_exact(
            name, json.dumps(sorted(keras.values())), json.dumps(sorted(torch.values()))
        )
    return compare_exact(name, _shapes(keras), _shapes(torch))


def _shapes(weights: dict[str, Any]) -> str:
    return ", ".join(f"{key} {tuple(shape)}" for key, shape in weights.items()) or "no weights"


def _kind(node: dict[str, Any]) -> str:
    where = node.get("where")
    kind: str = node["kind"]
    return kind + (f" at {where}" if where else "")
