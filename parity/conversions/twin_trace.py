"""What a twin computes, written as the trace of a Keras half: what a port is paired with."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from parity.conversions.twin import Leaf, Twin
from parity.conversions.twin_inputs import TwinInputs
from parity.data import probe_inputs
from parity.files.json_io import write_json
from parity.halves.torch.call import Call, flat_tensors
from parity.halves.torch.calls import recorded_calls
from parity.halves.torch.kinds import kind_of
from parity.ladder.rounding import (
    LARGEST_OF_GELU,
    NOISE_FACTOR,
    OF_A_CONSTANT,
    ROUNDINGS_OF_RESIZING,
    SOFTPLUS_LIMIT,
)
from parity.traces.anchors import perturbed_one_by_one
from parity.traces.folder import RunFolder
from parity.traces.trace import CheckWriter, KerasTrace, RunResult, keyed
from torch_impl.keras_config.graph import Tensor, fill
from torch_impl.keras_config.operations import Operation
from torch_impl.keras_config.rows.entry import Activated, KerasLayer
from torch_impl.keras_config.rows.recurrent import TimeDistributed
from torch_impl.layouts import variables
from torch_impl.masks import mask_of
from torch_impl.weights import set_variable, to_array

# --- The calls of a twin as the nodes of a Keras model: what a port is paired with ----------------
#
# A pass of the twin goes in, as `recorded_calls` saw it. The nodes come out, with the names that
# Keras's layers have, their tensors in Keras's layout, and without the calls that only turn one
# layout into the other.


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


# --- What rounding may change in what a twin computes: the same measure as that of a check --------
#
# The twin runs again, with every weight moved by one unit in the last place, and with what Keras
# has in float32 moved by as much as that may change it. A module that writes 1 / 255 where Keras
# computes with that rounded to float32 is right; one that writes 1 / 254 is not.


# Constants that move together may hide each other, so those of the two sides move against each
# other in one of the passes; what is computed in float32 moves in both directions there.
PASSES = (1, 2)
_RESIZED = ("upsampling", "resizing")

Change = Callable[[Mapping[str, Any], torch.Tensor, torch.Tensor], torch.Tensor]


@contextmanager
def moved_weights(twin: Twin, number: int) -> Iterator[None]:
    """Moves each weight of a twin by one unit in the last place of float64 in the block.

    Args:
        twin: whose weights are put back.
        number: of the pass, which says the directions.
    """
    before = {
        name: array
        for name, variable in twin.variables.items()
        if (array := to_array(variable.to_keras(variable.tensors))).dtype.kind == "f"
    }
    try:
        for name, array in perturbed_one_by_one(before, number):
            set_variable(twin.variables[name], name, array)
        yield
    finally:
        for name, array in before.items():
            set_variable(twin.variables[name], name, array)


def moved_pass(twin: Twin, arguments: Any, number: int) -> tuple[list[Call], Any]:
    """Returns the calls of a pass in which rounded numbers are moved, and what it returns.

    Args:
        twin: the model.
        arguments: of it.
        number: of the pass: one of `PASSES`.
    """
    leaves = {leaf.path: leaf for leaf in twin.leaves}
    paths = {id(module): path for path, module in twin.module.named_modules()}
    draw = torch.Generator().manual_seed(number)

    def passed(call: Call, output: Any) -> Any:
        config = _shifted_config(leaves, paths.get(id(call.module), ""), call)
        first = flat_tensors(output)[0]
        if not call.inputs or first.dtype != torch.float64:
            return output
        moved = first + _change(call, config, first, number, draw)
        return moved if isinstance(output, torch.Tensor) else (moved, *output[1:])

    keep: Any = lambda number, x, rate: x  # noqa: E731
    watch = recorded_calls(twin.module, keep, passed=passed)
    with torch.no_grad(), moved_weights(twin, number), watch as calls:
        returned = twin.module(arguments)
    return calls, returned


def _shifted_config(leaves: Mapping[str, Leaf], path: str, call: Call) -> Mapping[str, Any]:
    """Returns the settings of the layer that makes a call; of a function, its numbers."""
    while path and path not in leaves:
        path = path.rpartition(".")[0]
    return leaves[path].config if path else call.arguments


def _change(
    call: Call,
    config: Mapping[str, Any],
    output: torch.Tensor,
    number: int,
    draw: torch.Generator,
) -> torch.Tensor:
    given = call.inputs[0]
    if call.kind in (*_RESIZED, "mel_spectrogram"):
        if config.get("interpolation") == "nearest" or config.get("mode") == "nearest":
            return torch.zeros_like(output)
        share = torch.rand(output.shape, generator=draw, dtype=output.dtype)
        share = share if number == PASSES[0] else 2 * share - 1
        size = _size_of_pixels(given, output) if call.kind in _RESIZED else output
        roundings = ROUNDINGS_OF_RESIZING if call.kind in _RESIZED else 1.0
        return 2.0**-24 * roundings * share * size
    name = call.module.name if isinstance(call.module, Operation) else ""
    change = _CHANGES.get(_OPERATIONS.get(name, call.kind))
    if change is None or not (given.is_floating_point() or call.kind in _SCALES):
        return torch.zeros_like(output)
    sign = -1 if number != PASSES[0] and call.kind not in _SCALES else 1
    return sign * change(config, given, output)


def _size_of_pixels(given: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
    """Returns how large the pixels are that make each value; between both signs it is near zero."""
    if given.ndim != 4 or output.ndim != 4 or given.shape[:2] != output.shape[:2]:
        return output.abs()
    sizes = F.interpolate(given.abs().to(output), output.shape[2:], mode="bilinear")
    return torch.maximum(output.abs(), sizes)


def _leaky_relu(
    config: Mapping[str, Any], given: torch.Tensor, output: torch.Tensor
) -> torch.Tensor:
    """The slope; of a ReLU, its largest value as well."""
    most, is_rounded = config.get("max_value"), given < 0
    if isinstance(most, int | float) and float(np.float32(most)) != float(most):
        is_rounded = is_rounded | (output >= float(np.float32(most)))
    return OF_A_CONSTANT * torch.where(is_rounded, output, 0.0)


def _softplus(_: Mapping[str, Any], given: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
    return torch.where(given > SOFTPLUS_LIMIT, given - output, 0.0) * (2 / NOISE_FACTOR)


def _gelu(_: Mapping[str, Any], given: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
    """Towards the exact root of 2; of an approximate one, by as much as another root would do."""
    exact = F.gelu(given)
    if float((exact - output).abs().max()) > LARGEST_OF_GELU:
        return OF_A_CONSTANT * given**2 * torch.exp(-0.5 * given**2) / math.sqrt(2 * math.pi)
    return (exact - output) * (2 / NOISE_FACTOR)


def _rescaling(
    config: Mapping[str, Any], given: torch.Tensor, output: torch.Tensor
) -> torch.Tensor:
    """The scale upwards, and the offset downwards."""
    offset = torch.as_tensor(config.get("offset", 0.0), dtype=output.dtype)
    return OF_A_CONSTANT * (output - 2 * offset)


def _normalization(
    config: Mapping[str, Any], given: torch.Tensor, output: torch.Tensor
) -> torch.Tensor:
    mean, variance = config.get("mean"), config.get("variance")
    if mean is None or variance is None:  # weights, which a file has in float32 as they are
        return torch.zeros_like(output)
    offset = float(np.max(np.abs(mean) / np.sqrt(np.maximum(variance, 1e-14))))
    return OF_A_CONSTANT * (output + offset)


_CHANGES: dict[str, Change] = {
    "activation:softplus": _softplus,
    "activation:gelu": _gelu,
    "activation:leaky_relu": _leaky_relu,
    "activation:relu": _leaky_relu,
    "rescaling": _rescaling,
    "normalization": _normalization,
}
# Class of an operation, such as keras.activations.gelu of a tensor -> its kind.
_OPERATIONS = {
    "Softplus": "activation:softplus",
    "Gelu": "activation:gelu",
    "LeakyRelu": "activation:leaky_relu",
    "ReLU": "activation:relu",
    "Relu": "activation:relu",
}
_SCALES = ("rescaling", "normalization")


def changed_by(first: Sequence[torch.Tensor], moved: Sequence[torch.Tensor]) -> float:
    """Returns the greatest change of some tensors, relative to their largest value."""
    pairs = [(a, b) for a, b in zip(first, moved, strict=True) if a.is_floating_point()]
    most = max((float((a - b).abs().max()) for a, b in pairs if a.numel()), default=0.0)
    largest = max((float(a.abs().max()) for a, _ in pairs if a.numel()), default=0.0)
    return most / (largest or 1.0) if np.isfinite(most) and np.isfinite(largest) else 0.0


# --- What a twin computes, written as the trace of a Keras half: what a port is paired with -------
#
# The weights are drawn, so that no two of them are alike and each has an effect. A weight of the
# file may be constant, or equal to another one, and would hide that the two were exchanged.


_OUTPUT = "forward/eval/output"
_POSITIVE = ("gamma", "moving_variance", "variance", "scale")


def drawn_weights(twin: Twin, seed: int) -> dict[str, np.ndarray]:
    """Returns random weights for a twin, by name; whole numbers, such as counts, stay.

    A kernel has the size with which Glorot's rule keeps what passes through it, so that deep
    networks neither grow nor die. What scales or divides is U(0.5, 1.5).
    """
    found = {}
    for name, variable in twin.variables.items():
        now = to_array(variable.to_keras(variable.tensors))
        draw = probe_inputs.generator(seed, "weight", name)
        if now.dtype.kind != "f":
            found[name] = now
        elif name.rpartition("/")[2].rpartition(".")[2] in _POSITIVE:
            found[name] = draw.uniform(0.5, 1.5, now.shape)
        elif now.ndim > 1:
            fans = now.size / now.shape[-1] + now.size / now.shape[-2]
            found[name] = draw.normal(size=now.shape) * np.sqrt(2.0 / max(fans, 1.0))
        else:
            found[name] = draw.normal(scale=0.3, size=now.shape)
    return found


def set_weights(twin: Twin, weights: Mapping[str, np.ndarray]) -> None:
    """Sets all weights of a twin, by name.

    Raises:
        ValueError: one does not fit.
    """
    for name, variable in twin.variables.items():
        set_variable(variable, name, weights[name])


def passed(twin: Twin, inputs: TwinInputs, arrays: Sequence[np.ndarray]) -> tuple[list[Node], Any]:
    """Returns the nodes of a pass of a twin with its present weights, and what it returns."""
    keep: Any = lambda number, x, rate: x  # noqa: E731
    with torch.no_grad(), recorded_calls(twin.module, keep, whole_layers(twin)) as calls:
        returned = twin.module(inputs.arguments(arrays))
    return nodes_of(twin, calls), returned


def _flat(value: Any) -> list[torch.Tensor]:
    if isinstance(value, Mapping):
        return [leaf for key in sorted(value) for leaf in _flat(value[key])]
    if isinstance(value, list | tuple):
        return [leaf for each in value for leaf in _flat(each)]
    return [value]


def _joined(returned: Any) -> np.ndarray:
    flat = _flat(returned)
    if len(flat) == 1:
        return to_array(flat[0])
    return np.concatenate([to_array(each).reshape(len(each), -1) for each in flat], -1)


def write_trace(
    twin: Twin,
    inputs: TwinInputs,
    folder: Path,
    arrays: Sequence[np.ndarray],
    *,
    has_layers: bool = True,
) -> KerasTrace:
    """Writes what a twin with its present weights computes; returns it.

    Args:
        twin: the model.
        inputs: its inputs.
        folder: is made.
        arrays: the batch that it is fed.
        has_layers: whether to write what each layer computes; else only the last one.
    """
    nodes, returned = passed(twin, inputs, arrays)
    writer = CheckWriter[Any]()
    writer.facts.update(_facts(twin, inputs, nodes, returned))
    writer.facts["noise"] = _noise(twin, inputs.arguments(arrays), nodes, returned)
    for name, variable in twin.variables.items():
        writer.put(f"weights/{name}", to_array(variable.to_keras(variable.tensors)))
    for number, array in enumerate(arrays):
        writer.put(f"input/probe/{number}", array)
    writer.put("forward/eval/output", _joined(returned))
    for key, counts in _counted(returned, list(dict.fromkeys(_output_names(twin)))):
        writer.put(key, counts)
    for node in nodes if has_layers else nodes[-1:]:
        key = f"forward/eval/{node.facts['name']}"
        for number, x in enumerate(node.inputs):
            writer.put(f"{key}/input/{number}", to_array(x))
        writer.put(f"{key}/output", to_array(node.output))
    folder.mkdir(parents=True)
    write_json(RunFolder(folder).spec, {})
    writer.write(folder, environment={}, result=RunResult({}, {}, 0.0))
    return KerasTrace(folder)


def _counted(returned: Any, names: Sequence[str]) -> Iterator[tuple[str, np.ndarray]]:
    """Yields where outputs count that carry a mask, as Keras's half writes it."""
    flat = _flat(returned)
    masks = [mask_of(each) for each in flat]
    found = [None if mask is None else to_array(mask).astype(bool) for mask in masks]
    if all(counts is None or counts.all() for counts in found):
        return
    if len(flat) == 1:
        yield "counted/eval/output", np.asarray(found[0])
        return
    for name, counts in zip(names, found, strict=False):
        if counts is not None:
            yield keyed("counted/eval/output", name), counts
    whole = [
        np.ones(tuple(each.shape), bool) if counts is None else _widened(counts, each.shape)
        for counts, each in zip(found, flat, strict=True)
    ]
    yield "counted/eval/output", np.concatenate([x.reshape(len(x), -1) for x in whole], -1)


def _widened(counts: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    left = counts.reshape(*counts.shape, *[1] * (len(shape) - counts.ndim))
    return np.broadcast_to(left, tuple(shape))


def _facts(twin: Twin, inputs: TwinInputs, nodes: Sequence[Node], returned: Any) -> dict[str, Any]:
    flat = _flat(returned)
    activations = [_activation(nodes, each) for each in flat]
    names = list(dict.fromkeys(_output_names(twin)))
    outputs = [
        {"name": name, "shape": list(each.shape[1:]), "activation": activation}
        for name, each, activation in zip(names, flat, activations, strict=False)
    ]
    return {
        "nodes": [node.facts for node in nodes],
        "inputs": [
            {"name": name, "shape": list(shape)}
            for name, shape in zip(inputs.names, inputs.shapes, strict=True)
        ],
        "input_structure": inputs.structure,
        "output_shape": list(_joined(returned).shape[1:]),
        "outputs": outputs if len(flat) > 1 and len(names) == len(flat) else [],
        "output_activation": activations[0] if len(flat) == 1 else None,
        "weights": {
            name: {"shape": list(twin.shape(name)), "trainable": variable.trainable}
            for name, variable in twin.variables.items()
        },
        "dtype": "float64",
        "num_parameters": sum(p.numel() for p in twin.module.parameters()),
    }


def _noise(twin: Twin, arguments: Any, nodes: Sequence[Node], returned: Any) -> dict[str, float]:
    """Returns how much rounding changes the output, and what goes into the last layer."""
    key, found = _OUTPUT, {_OUTPUT: 0.0}
    for number in PASSES:
        calls, moved = moved_pass(twin, arguments, number)
        found[key] = max(found[key], changed_by(_flat(returned), _flat(moved)))
        if not nodes:
            continue
        last = nodes[-1]
        before = f"forward/eval/{last.facts['name']}/input/0"
        for node in reversed(nodes_of(twin, calls)):
            shapes = [x.shape for x in node.inputs]
            if node.facts["name"] == last.facts["name"] and shapes == [
                x.shape for x in last.inputs
            ]:
                change = changed_by(last.inputs[:1], node.inputs[:1])
                found[before] = max(found.get(before, 0.0), change)
    return found


def _output_names(twin: Twin) -> list[str]:
    names: list[str] = []
    graph: Any = twin.module.graph.outputs
    if isinstance(graph, Mapping):
        return sorted(graph)

    def note(end: Tensor) -> None:
        names.append(end.layer)

    fill(graph, note)
    return names


def _activation(nodes: Sequence[Node], output: torch.Tensor) -> str | None:
    """Returns the softmax or sigmoid that an output ends with, which a port may leave out."""
    # Several outputs may have one shape, so only the values tell which node made this one.
    made = (n for n in reversed(nodes) if n.output.shape == output.shape)
    last = next((node for node in made if torch.equal(node.output, output)), None)
    kind = "" if last is None else last.facts["kind"]
    return kind.removeprefix("activation:") if kind in LAST_ACTIVATIONS else None
