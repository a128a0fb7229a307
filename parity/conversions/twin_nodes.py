"""The calls of a twin as the nodes of a Keras model: what a port is paired with.

A pass of the twin goes in, as `recorded_calls` saw it. The nodes come out, with the names that
Keras's layers have, their tensors in Keras's layout, and without the calls that only turn one
layout into the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from parity.conversions.twin import Leaf, Twin
from parity.halves.torch.call import Call
from parity.halves.torch.kinds import kind_of
from torch_impl.keras_config.operations import Operation
from torch_impl.keras_config.rows.modules import Activated, KerasLayer
from torch_impl.keras_config.rows.recurrent import TimeDistributed
from torch_impl.layouts import variables

# What a port may leave out at the end of an output: its loss takes the logits.
LAST_ACTIVATIONS = ("activation:softmax", "activation:sigmoid")
_PARTS = ("query", "key", "value", "attention_output")
_TURNS = "movedim()"  # by which a layer turns Keras's layout into torch's and back


@dataclass
class Node:
    """A call of a layer of the twin.

    Attributes:
        facts: as those of Keras's half: name, kind, config, shapes, sources, weights.
        inputs: in Keras's layout.
        output: in Keras's layout.
        call: which the node stands for; None: for a part of one.
    """

    facts: dict[str, Any]
    inputs: list[torch.Tensor]
    output: torch.Tensor
    call: Call | None = None


def whole_layers(twin: Twin) -> list[str]:
    """Returns the paths of modules that are watched as one: what is applied to each step."""
    return [leaf.path for leaf in twin.leaves if isinstance(leaf.module, TimeDistributed)]


def nodes_of(twin: Twin, calls: Sequence[Call]) -> list[Node]:
    """Returns the nodes of a pass, in its order."""
    leaves = {leaf.path: leaf for leaf in twin.leaves}
    by_module = {id(module): path for path, module in twin.module.named_modules()}
    names = {_key(variable): name for name, variable in twin.variables.items()}
    numbers: dict[int, int] = {}  # of a call -> of the node, or of what the node stands for
    found: list[Node] = []
    used: set[str] = set()
    for number, call in enumerate(calls):
        sources = [_mapped(source, numbers) for source in call.origins]
        if call.module is None and call.name.partition("#")[0] == _TURNS:
            numbers[number] = -1 if not sources or sources[0] is None else sources[0]
            continue
        path = by_module.get(id(call.module), "")
        leaf = next((leaves[p] for p in _outer(path) if p in leaves), None)
        is_turned = _is_turned(twin.module, path)
        output = call.output.movedim(1, -1) if is_turned else call.output
        inputs = [x.movedim(1, -1) if is_turned else x for x in call.inputs]
        name = _free(_name(twin, leaf, path, call), used)
        used.add(name)
        facts = {
            "name": name,
            "kind": _kind(call),
            "config": _config(twin, leaf, path),
            "input_shapes": [list(x.shape) for x in inputs],
            "output_shape": list(output.shape),
            "sources": sources,
            "weights": list(_weights(call, names)),
        }
        found.append(Node(facts, inputs, output, call))
        found += _activation_in_steps(call, found[-1], len(found) - 1)
        numbers[number] = len(found) - 1
    return found


def _activation_in_steps(call: Call, node: Node, number: int) -> list[Node]:
    """Takes the softmax or sigmoid out of the node of a TimeDistributed, as a node of its own.

    Such a layer is watched as one, so that its activation would be hidden in it.

    Args:
        call: of the layer.
        node: of the call; becomes that of the layer without its activation.
        number: of the node.
    """
    if not isinstance(call.module, TimeDistributed):
        return []
    inner = call.module.get_submodule(call.module.name)
    activation = inner.activation if isinstance(inner, KerasLayer) else None
    if activation is None or (kind := _kind_of(activation)) not in LAST_ACTIVATIONS:
        return []
    inner.activation = None  # type: ignore[assignment]
    try:
        with torch.no_grad():
            linear = call.module(call.inputs[0])
    finally:
        inner.activation = activation
    # Of all steps at once, the last bit may differ. More does if the layer was given a mask.
    if not torch.allclose(activation(linear), node.output, rtol=1e-12, atol=0.0):
        return []
    facts = {
        "name": f"{node.facts['name']}.activation",
        "kind": kind,
        "config": {},
        "input_shapes": [list(linear.shape)],
        "output_shape": list(linear.shape),
        "sources": [number],
        "weights": [],
    }
    made = Node(facts, [linear], node.output)
    node.output = linear
    return [made]


def _mapped(source: int | None, numbers: Mapping[int, int]) -> int | None:
    return source if source is None or source < 0 else numbers.get(source)


def _outer(path: str) -> Iterator[str]:
    """Yields a path and those of the modules around it."""
    while path:
        yield path
        path = path.rpartition(".")[0]


def _is_turned(root: nn.Module, path: str) -> bool:
    """Whether a module is the layer in a KerasLayer, which gives it channels first."""
    parent, _, name = path.rpartition(".")
    around = root.get_submodule(parent) if name == "layer" else None
    return isinstance(around, KerasLayer) and not isinstance(around, Activated)


def _name(twin: Twin, leaf: Leaf | None, path: str, call: Call) -> str:
    """Returns the name of a node: "dense", "dense.activation", "mha.query", "softmax()"."""
    if leaf is None:
        return call.name
    below = path[len(leaf.path) :].removeprefix(".layer")
    return f"{twin.short(leaf)}{below}"


def _config(twin: Twin, leaf: Leaf | None, path: str) -> dict[str, Any]:
    """Returns the settings of a node; of a part of attention, also which it is, as Keras's half."""
    if leaf is None:
        return {}
    found, part = dict(leaf.config), path[len(leaf.path) :].strip(".")
    if part not in _PARTS:
        return found
    heads = found.get("num_heads") or found.get("num_query_heads") or 1
    shared = found.get("num_key_value_heads") or heads
    return {
        **found,
        "attention": twin.short(leaf),
        "part": part,
        "kernel_inputs": 2 if part == "attention_output" else 1,
        "num_heads": int(shared if part in ("key", "value") else heads),
        "num_groups": int(shared),
    }


def _free(name: str, used: set[str]) -> str:
    count, found = 1, name
    while found in used:
        count += 1
        found = f"{name}#{count}"
    return found


def _kind(call: Call) -> str:
    module = call.module
    if isinstance(module, TimeDistributed):
        inner = module.get_submodule(module.name)
        return kind_of(inner.layer if isinstance(inner, KerasLayer) else inner)
    return call.kind if module is None else _kind_of(module, call.kind)


def _kind_of(module: nn.Module, kind: str = "") -> str:
    """Returns the kind of a module of the twin; of an operation, such as keras.ops.sigmoid, too."""
    kind, name = kind or kind_of(module), getattr(module, "name", None)
    if kind == "unknown:Activation" and isinstance(name, str):
        return f"activation:{name}"
    if isinstance(module, Operation) and f"activation:{str(name).lower()}" in LAST_ACTIVATIONS:
        return f"activation:{str(name).lower()}"
    return kind


def _key(variable: Any) -> tuple[int, tuple[str, ...]]:
    return id(variable.module), tuple(variable.attributes)


def _weights(call: Call, names: Mapping[tuple[int, tuple[str, ...]], str]) -> Iterator[str]:
    found = variables(call.module) if call.module is not None else call.variables
    for variable in found:
        if (name := names.get(_key(variable))) is not None:
            yield name
