"""What a twin computes, written as the trace of a Keras half: what a port is paired with.

The weights are drawn, so that no two of them are alike and each has an effect. A weight of the file
may be constant, or equal to another one, and would hide that the two were exchanged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from parity.conversions.twin import Twin
from parity.conversions.twin_inputs import TwinInputs
from parity.conversions.twin_nodes import (
    LAST_ACTIVATIONS,
    Node,
    nodes_of,
    whole_layers,
)
from parity.conversions.twin_rounding import PASSES, changed_by, moved_pass
from parity.data import probe_inputs
from parity.files.json_io import write_json
from parity.halves.torch.calls import recorded_calls
from parity.traces.folder import RunFolder
from parity.traces.trace import CheckWriter, RunResult, Trace, keyed
from torch_impl.keras_config.graph import Tensor, fill
from torch_impl.masks import mask_of
from torch_impl.weights import set_variable, to_array

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
) -> Trace:
    """Writes what a twin with its present weights computes; returns it.

    Args:
        twin: the model.
        inputs: its inputs.
        folder: is made.
        arrays: the batch that it is fed.
        has_layers: whether to write what each layer computes; else only the last one.
    """
    nodes, returned = passed(twin, inputs, arrays)
    writer = CheckWriter()
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
    return Trace(folder)


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
