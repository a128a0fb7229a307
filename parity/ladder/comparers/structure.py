"""Structure: the same layers with the same weights."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from parity.ladder.compare import compare_close, compare_exact
from parity.ladder.comparers.run import compare_facts
from parity.ladder.outcome import Outcome, judged, judged_if_any
from parity.ladder.tolerance import EXACT, FLOAT64, Tolerance

if TYPE_CHECKING:
    from parity.ladder.items import Item
    from parity.traces.trace import Trace


def of_run(keras: Trace, torch: Trace, tolerance: Tolerance) -> Outcome:
    """Compares layers, their shapes and activations, parameters and their shapes, and dtype."""
    a, b = _by_layer(keras.facts["structure"]), _by_layer(torch.facts["structure"])
    return judged(EXACT, compare_facts("", a, b))


def _by_layer(structure: dict[str, Any]) -> dict[str, Any]:
    layers = {layer["name"]: layer for layer in structure["layers"]}
    shapes = {f"{name}.shape": shape for name, shape in structure["parameters"].items()}
    names = [layer["name"] for layer in structure["layers"]]
    return {"layers": names, **layers, **shapes, "dtype": structure["dtype"]}


def of_probe(keras: Trace, port: Trace) -> Outcome:
    """Compares paired layers, shapes of weights, and that every weight is used once."""
    nodes = {node["name"]: node for node in keras.facts["nodes"]}
    calls = {node["name"]: node for node in port.facts["nodes"]}
    items = []
    for keras_name, torch_name in port.facts["pairs"]:
        node, call = nodes[keras_name], calls[torch_name]
        is_activation = node["kind"].startswith("activation:")
        if is_activation and not _is_same_activation(node["kind"], call["kind"]):
            items.append(compare_exact(keras_name, node["kind"], call["kind"]))
        elif node["weights"] or call["weights"]:
            shapes = {
                weight.partition(".")[2]: keras.facts["weights"][weight]["shape"]
                for weight in node["weights"]
            }
            items.append(_same_shapes(keras_name, shapes, call["weights"]))
        else:
            items.append(compare_exact(keras_name, "paired", "paired"))
    left = [nodes[n] for n in port.facts["keras_left"]]
    extra = [calls[n] for n in port.facts["torch_left"]]
    items += [
        compare_exact(node["name"], _kind(node), "absent")
        for node in left
        if node["weights"] or (node["kind"] == "dropout" and node["config"].get("rate"))
    ]
    items += [
        compare_exact(call["name"], "absent", _kind(call))
        for call in extra
        if call["weights"] or (call["kind"] == "dropout" and call["rate"])
    ]
    items += [
        compare_exact(f"weights of {problem.partition(':')[0]}", "fit", problem)
        for problem in port.facts["problems"]
    ]
    unused = [n for n in keras.facts["weights"] if n not in port.facts["weights"]]
    items += [compare_exact(weight, "used once", "not used") for weight in unused]
    items += [
        compare_exact(f"parameter {parameter}", "absent", "has no weight of Keras")
        for parameter in port.facts["not_carried"]
    ]
    items += [
        # Not exactly: a port may compute a weight from others.
        compare_close(
            f"{weight} (as carried over)", keras[key], port[key], allowed=FLOAT64, unit="rel"
        )
        for weight in port.facts["weights"]
        if (key := f"weights/{weight}") in keras
    ]
    return judged_if_any(EXACT + _not_compared(left, extra), items)


def _not_compared(left: list[dict[str, Any]], extra: list[dict[str, Any]]) -> str:
    """Names the layers that neither failed nor were compared: nothing is assumed about them."""
    names = [n["name"] for n in left if not n["weights"]]
    others = [c["name"] for c in extra if not c["weights"] and c["kind"] != "permute"]
    text = ""
    if names:
        text += f"; without partner in the port, tested only by later layers: {', '.join(names)}"
    if others:
        text += f"; without partner in Keras: {', '.join(others)}"
    return text


def _is_same_activation(keras: str, torch: str) -> bool:
    alike = {"activation:swish": "activation:silu"}
    # The last softmax may be a log softmax, if the loss expects it.
    pairs = {("activation:softmax", "activation:log_softmax")}
    return alike.get(keras, keras) == alike.get(torch, torch) or (keras, torch) in pairs


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
