"""What of a check has no partner: calls, layers, weights and random numbers, as facts."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from parity.data.pieces import Function, limits_of, missing
from parity.halves.torch.call import Call
from parity.halves.torch.kinds import RECURRENT
from parity.halves.torch.port.carrying import source_tensors
from parity.halves.torch.port.parts import parts_left_out
from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.halves.torch.port.random_masks import inner_dropouts, replayed
from parity.traces.facts import Incomplete, Notice
from parity.traces.port_facts import LeftOver, PortNode

# --- Activations of a port that get no number in some of their pieces: these are not compared -----
#
# Where Keras has a limit, its half draws numbers beyond it. A ReLU6 of a port in the place of a
# ReLU has one that Keras does not have.


def unreached(port: PortUnderTest) -> Iterator[Notice]:
    """Yields an entry of the fact `not_compared` for each such piece that Keras does not tell.

    Args:
        port: after its pass in eval mode with Keras's weights.
    """
    known = {str(each.get("what")) for each in port.keras.facts.get("not_compared") or []}
    nodes = {pair.call.name: str(pair.node["name"]) for pair in port.all_pairs}
    for call in port.eval_calls:
        if not call.kind.startswith("activation:") or len(call.inputs) != 1:
            continue
        given = call.inputs[0]
        if not given.is_floating_point() or not given.numel():
            continue
        for piece in missing(limits_of(_function_of(call)), np.asarray(given.detach().cpu())):
            numbers = f"numbers {piece}"
            if f"{numbers} in {nodes.get(call.name)}" not in known:
                yield {
                    "what": f"{numbers} in {call.name} of the port",
                    "why": "no probe has any; Keras's layer may have no limit there, or another",
                }


def _function_of(call: Call) -> Function:
    """Returns an activation as a function of numbers, along the batch."""
    given = call.inputs[0]

    def function(numbers: np.ndarray) -> np.ndarray:
        rows = torch.from_numpy(numbers.reshape(-1, *[1] * (given.ndim - 1))).to(given)
        with torch.no_grad():
            made = call.run(rows)
        return np.asarray(made.detach().cpu()).reshape(numbers.shape)

    return function


# --- What of a check has no partner: calls, layers, weights and random numbers, as facts ----------
#
# A port goes in. Calls and layers without a partner come out, and the lists `incomplete` (the
# verdict cannot be "pass") and `not_compared` (told, no more).


_RECURRENT = (*RECURRENT, "bidirectional", "conv_lstm")


def recorded_nodes(port: PortUnderTest, pairs: Sequence[tuple[int, int]]) -> list[PortNode]:
    """Returns the nodes of the port as facts have them: a call has the weights of its partner.

    Some may be carried elsewhere, such as a bias that the port adds by itself.
    """
    nodes = list(port.nodes)
    weights = port.keras.facts["weights"]
    names = {item.name for item in port.carried}
    for row, column in pairs:
        wanted = port.keras.facts["nodes"][row]["weights"]
        if names.issuperset(wanted) and len(nodes[column]["weights"]) < len(wanted):
            shapes = {name.partition(".")[2]: list(weights[name]["shape"]) for name in wanted}
            nodes[column] = {**nodes[column], "weights": shapes}
    return nodes


def recorded_pairs(port: PortUnderTest) -> list[tuple[int, int]]:
    """Returns the pairs of the facts, by number: those that are compared, or carry weights."""
    compared = {id(pair.call) for pair in port.pairs}
    return [
        (row, column)
        for (row, column), pair in zip(port.pairing.pairs, port.all_pairs, strict=True)
        if id(pair.call) in compared or pair.variables
    ]


def left_over(port: PortUnderTest, pairs: Sequence[tuple[int, int]]) -> LeftOver:
    """Returns the facts `keras_left`, `torch_left`, `by_hand`, `not_held`, `incomplete` and so on.

    A layer or a call whose weights all have a place elsewhere has lost nothing, and is left out;
    but a known layer may be what is wrong, unless the output of the port is Keras's. A recurrent
    one by hand, or in two directions, has no call of its own; what comes of it is compared.
    """
    nodes, facts = port.keras.facts["nodes"], port.keras.facts
    paired = {row for row, _ in pairs}, {column for _, column in pairs}
    names = {item.name for item in port.carried} | set(port.cargo.spread)
    carried_ids = {id(tensor) for item in port.carried for tensor in source_tensors(item.variable)}
    carried_ids |= {
        id(port.module.get_parameter(each)) for n in port.cargo.spread.values() for each in n
    }
    inner = inner_dropouts(port)
    recurrent = _in_recurrent(port)
    keras_left = [
        node
        for n, node in enumerate(nodes)
        if n not in paired[0]
        and node["name"] not in inner
        and not (node["weights"] and names.issuperset(node["weights"]) and _is_fine(port, node))
    ]
    by_hand, parts = _by_hand(port, keras_left, carried_ids)
    keras_left = [node for node in keras_left if node["name"] not in by_hand]
    torch_left = [
        n
        for n, call in enumerate(port.calls)
        if n not in paired[1]
        and n not in parts
        and not (
            _is_carried(port.nodes[n], call.variables, carried_ids)
            and (call.module is None or n in recurrent or _is_fine(port, port.nodes[n]))
        )
    ]
    not_carried = _not_carried(port, names)
    free = [name for name, p in port.module.named_parameters() if id(p) not in carried_ids]
    return {
        "by_hand": free if by_hand else [],
        "not_held": list(not_carried),
        "keras_left": [node["name"] for node in keras_left],
        "torch_left": [port.nodes[n]["name"] for n in torch_left],
        "incomplete": [
            *port.cargo.incomplete,
            *_unknown(port, free, by_hand),
            *_random(port, keras_left, facts),
            *map(_moved, (name for name, is_moved in not_carried.items() if is_moved)),
        ],
        "not_compared": [
            *port.cargo.not_compared,
            *_computed(port),
            *map(_by_itself, parts_left_out(port.module)),
            *unreached(port),
        ],
    }


def _not_carried(port: PortUnderTest, carried: Collection[str]) -> dict[str, bool]:
    """Returns the weights that a port may hold as it likes, and does; whether steps move them."""
    if port.built.train_step is None or port.built.load is not None:
        return {}
    known = port.keras.facts.get("own_training", {}).get("as_built", {})
    return {name: is_moved for name, is_moved in known.items() if name not in carried}


def _moved(name: str) -> Incomplete:
    return {
        "what": name,
        "why": "Keras's train_step changes it, and no parameter or buffer of the port is its place",
        "do": "hold it in the module, as a buffer of this name and shape",
    }


def _by_itself(part: str) -> Notice:
    return {
        "what": f"the layer {part} by itself",
        "why": "the port has no module for it; what it makes is compared where the step uses it",
    }


def _is_fine(port: PortUnderTest, node: Mapping[str, Any]) -> bool:
    is_known = not node["kind"].startswith("unknown:")
    return port.agrees or not is_known or node["kind"] in _RECURRENT


def _in_recurrent(port: PortUnderTest) -> set[int]:
    """Returns the numbers of calls that hold weights of recurrent layers of Keras by hand."""
    kinds = {w: node["kind"] for node in port.keras.facts["nodes"] for w in node["weights"]}
    carried_ids = {
        id(tensor)
        for item in port.carried
        if kinds.get(item.name) in _RECURRENT
        for tensor in source_tensors(item.variable)
    }
    for name, parameters in port.cargo.spread.items():
        if kinds.get(name) in _RECURRENT:
            carried_ids |= {id(port.module.get_parameter(each)) for each in parameters}
    return {
        n
        for n, call in enumerate(port.calls)
        if _is_carried(port.nodes[n], call.variables, carried_ids)
    }


def _is_carried(node: Mapping[str, Any], variables: Sequence[Any], carried_ids: set[int]) -> bool:
    if not node["weights"]:
        return False
    return all(id(tensor) in carried_ids for v in variables for tensor in source_tensors(v))


def _by_hand(
    port: PortUnderTest, keras_left: Sequence[Mapping[str, Any]], carried_ids: set[int]
) -> tuple[set[str], set[int]]:
    """Returns recurrent layers of Keras that a port may compute by hand, and calls of their parts.

    Such a layer has no partner, and the port has parameters without one that are as many as its
    weights: their places are not known, and nothing says that the layer is missing.
    """
    weights, names = port.keras.facts["weights"], {item.name for item in port.carried}
    free = {id(p): p.numel() for p in port.module.parameters() if id(p) not in carried_ids}
    found = {
        node["name"]: sum(
            math.prod(weights[name]["shape"]) for name in node["weights"] if name not in names
        )
        for node in keras_left
        if node["kind"] in _RECURRENT and node["weights"]
    }
    # Torch's biases may be twice Keras's.
    if not sum(found.values()) or sum(free.values()) < sum(found.values()):
        return set(), set()
    parts = {
        n
        for n, call in enumerate(port.calls)
        if port.nodes[n]["kind"] not in _RECURRENT
        and port.nodes[n]["weights"]
        and all(id(tensor) in free for v in call.variables for tensor in source_tensors(v))
    }
    return (set(found), parts) if parts else (set(), set())


def _unknown(
    port: PortUnderTest, free: Sequence[str], by_hand: Collection[str]
) -> list[Incomplete]:
    """Returns the weights of unknown layers, if the port has parameters that may be theirs.

    Args:
        port: the port.
        free: names of the parameters that have no weight of Keras.
        by_hand: names of recurrent layers of Keras that the port may compute by hand.
    """
    if not free:
        return []
    names = {item.name for item in port.carried}
    layers = {w: node for node in port.keras.facts["nodes"] for w in node["weights"]}
    unknown = [
        name
        for name in port.keras.facts["weights"]
        if name not in names
        and (
            name not in layers
            or layers[name]["kind"].startswith("unknown:")
            or layers[name]["name"] in by_hand
        )
    ]
    return [
        {
            "what": name,
            "why": f"no call of the port is its layer; none of {', '.join(free)} fits its shape",
            "do": "give Port a `load` that sets it, or name the pair in `layers`",
        }
        for name in unknown
    ]


def _random(
    port: PortUnderTest, keras_left: Sequence[Mapping[str, Any]], facts: Mapping[str, Any]
) -> list[Incomplete]:
    """Returns the random numbers of the port, if Keras has a layer of its own that draws some."""
    layers = [node["name"] for node in keras_left if _draws(port, node)]
    return [
        {
            "what": place,
            "why": f"the port draws random numbers here, and so does Keras in {layers[0]}; they "
            "are not the same numbers",
            "do": "compare with the rate of both set to 0",
        }
        for place in dict.fromkeys(port.draws or ([] if replayed(port) else port.replaced))
        if layers
    ]


def _draws(port: PortUnderTest, node: Mapping[str, Any]) -> bool:
    """Whether an unknown layer of Keras does something else in train mode, with the same input."""
    if not node["kind"].startswith("unknown:") or node["weights"]:
        return False
    keys = [f"forward/{mode}/{node['name']}" for mode in ("eval", "train")]
    if any(f"{key}/output" not in port.keras for key in keys):
        return False
    made = [port.keras[f"{key}/output"] for key in keys]
    keys = [f"{key}/input/0" for key in keys]
    is_given = all(key in port.keras for key in keys)
    if not is_given or np.array_equal(port.keras[keys[0]], port.keras[keys[1]]):
        return not np.array_equal(made[0], made[1])
    words = ("seed", "rate", "stddev", "factor", "prob", "drop")
    return any(word in key for key in node.get("config", {}) for word in words)


def _computed(port: PortUnderTest) -> list[Notice]:
    """Returns the parts from which the port computes its weights."""
    return [
        {
            "what": f"the gradients of the parts of {item.name}",
            "why": "the port computes this weight from others, for which Keras has no partner",
        }
        for item in port.carried
        if item.variable.is_computed
    ]
