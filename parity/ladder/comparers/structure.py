"""Structure, data and init: weights in their places, a probe's batch, distributions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from parity.ladder.compare import compare_close, compare_exact
from parity.ladder.comparers.probe import measured
from parity.ladder.initial_weights import FALSE_ALARMS, compare_draws, is_drawn_constant, p_limit
from parity.ladder.items import STYLE, Outcome, judged, judged_if_any, skipped
from parity.ladder.recorded import (
    MODES,
    carried_weight,
    close,
    outputs_agree,
    unknown_parameters,
    unknown_weights,
)
from parity.ladder.rounding import EXACT, limits_of

if TYPE_CHECKING:
    from parity.ladder.items import Item
    from parity.traces.port_facts import PortNode
    from parity.traces.trace import KerasTrace, PortTrace


# --- Structure: every weight in its place ---------------------------------------------------------


def of_probe(keras: KerasTrace, port: PortTrace) -> Outcome:
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
        compare_exact(node["name"], node["kind"], "absent")
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
    incomplete = unknown_parameters(port)
    rounded = limits_of(keras).floor
    items += [
        compare_exact(f"parameter {parameter}", "absent", "has no weight of Keras")
        for parameter in port.facts["not_carried"]
        if parameter not in incomplete
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


def _uncarried(port: PortTrace, calls: dict[str, Any]) -> list[str]:
    """Returns the calls of modules with parameters that have no weight of Keras."""
    incomplete = unknown_parameters(port)
    owners = {
        name.rpartition(".")[0] for name in port.facts["not_carried"] if name not in incomplete
    }
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


def _kind(call: PortNode) -> str:
    return call["kind"] + (f" at {call['where']}" if call["where"] else "")


# --- Initial weights: the same distributions ------------------------------------------------------


def init_of_probe(keras: KerasTrace, port: PortTrace) -> Outcome:
    """Tests whether both halves draw initial weights from the same distributions."""
    if steps := keras.facts.get("trained_steps"):
        return skipped(
            f"the Keras factory returns a model that has made {steps:,} steps, whose weights no "
            "initialiser drew"
        )
    if file := keras.facts.get("model_file"):
        return skipped(f"the weights are those of {file}, and no initialiser drew them")
    weights = {
        name: (keras.facts["initializers"].get(name), entry["shape"])
        for name, entry in keras.facts["weights"].items()
        if f"init/{name}" in port
    }
    random = [name for name, how in weights.items() if not _is_constant(keras, name, how)]
    limit = p_limit(len(random))
    items = [
        compare_draws(name, keras[f"init/{name}"], port[f"init/{name}"], *how, limit)
        for name, how in weights.items()
    ]
    if not items:
        return skipped("no weight has a partner")
    source = "Constants are equal, bounds are kept, and distributions are alike"
    if random:
        source += (
            f" (p of each of {len(random)} random weights is at least {limit:.2g}: a right port "
            f"fails once in {1 / FALSE_ALARMS:,.0f} checks)"
        )
    return judged(source, items)


def _is_constant(keras: KerasTrace, name: str, how: tuple[Any, Any]) -> bool:
    draws = keras[f"init/{name}"]
    return not draws.size or is_drawn_constant(draws, *how)


# --- Data: the batch of a probe, as it reaches the first layer ------------------------------------


def data_of_probe(keras: KerasTrace, port: PortTrace) -> Outcome:
    """Compares the input of the first layer, after the port's own input handling.

    A port may prepare its input itself; then its outputs agree.
    """
    excused = outputs_agree(keras, port, *MODES)
    nodes = {node["name"]: node for node in keras.facts["nodes"]}
    for keras_name, _ in port.facts["pairs"]:
        if _follows_weights(keras.facts["nodes"], nodes.get(keras_name)):
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


def is_turned(keras: KerasTrace, port: PortTrace, key: str) -> bool:
    """Whether a sequence of the port is Keras's from its end to its start."""
    theirs, ours = keras[key], port[key]
    if theirs.shape != ours.shape or theirs.ndim < 3:
        return False
    return bool((theirs[:, ::-1] == ours).all() and (theirs != ours).any())


def _follows_weights(nodes: Sequence[Mapping[str, Any]], node: Mapping[str, Any] | None) -> bool:
    """Whether the first input of a layer has gone through a layer with weights."""
    while node is not None and node["sources"]:
        source = node["sources"][0]
        if source is None or source < 0:
            return False
        node = nodes[source]
        if node["weights"]:
            return True
    return False
