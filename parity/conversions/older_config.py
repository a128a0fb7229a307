"""Configurations of older files, in the form that Keras writes today.

Three things are missing in a legacy `.h5`: the shapes with which the layers of a Sequential were
built, the modules of classes, which tell the operation `Add` of `x + y` from the layer `Add`, and,
in files of Keras 2, the calls of a functional model as Keras 3 writes them. The shapes are found by
building one layer after the other and calling it.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from parity.data import probe_inputs
from parity.weights.old_config import (
    UNKNOWN,
    changed_rules,
    is_old,
    renewed_graph,
    without_old_settings,
)
from torch_impl.keras_config import from_keras_config
from torch_impl.keras_config.graph import (
    Call,
    Graph,
    Tensor,
    is_functional,
    name_of,
    read_graph,
    tensors_of,
)
from torch_impl.keras_config.operations import OPERATIONS

_ATTENTION = ("MultiHeadAttention", "GroupQueryAttention", "GroupedQueryAttention")


def in_todays_form(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the configuration of a model, `{"class_name", "config"}`, in today's form.

    Raises:
        ValueError: it is of no Sequential or functional model.
    """
    if is_old(config) and (rules := list(dict.fromkeys(changed_rules(config)))):
        raise ValueError("; ".join(rules))
    found: dict[str, Any] = copy.deepcopy(dict(config))
    if isinstance(found.get("config"), list):  # of a Sequential of the first versions
        found["config"] = {"name": "sequential", "layers": found["config"]}
    inner = found.get("config")
    if not isinstance(inner, dict) or not isinstance(inner.get("layers"), list):
        kind = str(found.get("class_name"))[:60]
        raise ValueError(f"a model of class {kind!r} has no list of layers in its configuration")
    _renew(inner)
    return found


def _renew(config: dict[str, Any]) -> None:
    _mark_operations(config["layers"])
    before = config["layers"]
    config.update(renewed_graph(config))
    is_renewed = config["layers"] is not before
    layers: list[dict[str, Any]] = config["layers"]
    for layer in layers:
        if not isinstance(layer, dict) or not isinstance(layer.get("config"), dict):
            raise ValueError("a layer of the configuration has no settings")
        shape = layer["config"].get("batch_input_shape")
        settings = without_old_settings(layer.get("class_name"), layer["config"])
        layer["config"] = settings
        if layer.get("class_name") == "Bidirectional" and "backward_layer" not in settings:
            settings |= _both_directions(settings["layer"])
        if shape is not None:
            settings.setdefault("batch_shape", shape)
    if "input_layers" in config:
        for layer in layers:
            layer["inbound_nodes"] = layer.get("inbound_nodes") or []
            if not all(isinstance(node, dict) for node in layer["inbound_nodes"]):
                raise ValueError("a call in the configuration is none of Keras 2 or 3")
    elif layers and layers[0].get("class_name") != "InputLayer":
        shape = layers[0]["config"].get("batch_shape")
        if shape is not None:
            dtype = layers[0]["config"].get("dtype")
            given = {"batch_shape": shape, "dtype": dtype if isinstance(dtype, str) else "float32"}
            first = {"class_name": "InputLayer", "config": {**given, "name": "input_of_sequential"}}
            layers.insert(0, first)
    for layer in layers:
        if "layers" in layer["config"]:
            _renew(layer["config"])
    if "input_layers" in config:
        _add_shapes_of_calls(config, is_renewed=is_renewed)
    elif _lacks_shapes(layers):
        _add_shapes(layers)


def _mark_operations(layers: list[Any]) -> None:
    """Gives the operations of Keras 3 in a list of layers the module that a `.keras` file has.

    The configuration of a layer always tells whether it is trained; that of an operation does not.
    """
    for layer in layers:
        if not isinstance(layer, dict) or "module" in layer:
            continue
        calls, settings = layer.get("inbound_nodes") or [], layer.get("config")
        is_called = bool(calls) and all(isinstance(call, dict) for call in calls)
        is_known = layer.get("class_name") in OPERATIONS
        if is_known and is_called and isinstance(settings, dict) and "trainable" not in settings:
            layer["module"] = "keras.src.ops"


def _both_directions(layer: Mapping[str, Any]) -> dict[str, Any]:
    """Returns both layers of a Bidirectional, of which Keras 2 writes one."""
    settings = layer["config"]
    backwards = not settings.get("go_backwards", False)
    configs = {"layer": settings, "backward_layer": {**settings, "go_backwards": backwards}}
    names = {"layer": "forward", "backward_layer": "backward"}
    return {
        key: {**layer, "config": {**each, "name": f"{names[key]}_{settings.get('name')}"}}
        for key, each in configs.items()
    }


def _add_shapes_of_calls(config: dict[str, Any], *, is_renewed: bool) -> None:
    """Adds the shapes of their inputs to the layers of a functional model.

    Keras 3 writes the shape of each tensor into the calls. Of Keras 2, each call is made.

    Args:
        config: of the model.
        is_renewed: whether Keras 2 wrote it. In a configuration of Keras 3, a shape like `UNKNOWN`
            is that of one number a sample.
    """
    layers = {name_of(layer): layer for layer in config["layers"]}
    graph = read_graph(config)
    made: dict[tuple[str, int, int], torch.Tensor] = {}
    for layer in layers.values():
        if layer["class_name"] == "InputLayer":
            filled = (2, *probe_inputs.input_shape(layer["config"]["batch_shape"][1:]))
            dtype = getattr(torch, layer["config"].get("dtype") or "float32")
            made[name_of(layer), 0, 0] = torch.zeros(filled, dtype=dtype)
    for call in graph.calls:
        layer, given = layers[call.layer], tensors_of(call)
        entries = _entries(layer["inbound_nodes"][call.number])
        unknown = (None, UNKNOWN) if is_renewed else (None,)
        if any(entry.get("shape") in unknown for entry in entries):
            tensors = [made[t.layer, t.call, t.index] for t in given]
            for entry, x in zip(entries, tensors, strict=True):
                entry["shape"] = [None, *x.shape[1:]]
                entry["dtype"] = str(x.dtype).removeprefix("torch.")
            _add_build(layer, entries)
            outputs = _called(layer, call.number, given, tensors, _used(graph, call))
            for index, x in outputs.items():
                made[call.layer, call.number, index] = x
        else:
            _add_build(layer, entries)


def _entries(node: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns what a call says of each of its tensors, in their order."""
    found: list[dict[str, Any]] = []

    def visit(value: Any) -> None:
        if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
            found.append(value["config"])
        elif isinstance(value, dict | list):
            for each in value.values() if isinstance(value, dict) else value:
                visit(each)

    visit([node["args"], node["kwargs"]])
    return found


def _add_build(layer: dict[str, Any], entries: list[dict[str, Any]]) -> None:
    if layer["class_name"] in _ATTENTION and entries and "build_config" not in layer:
        query, value, *rest = [entry["shape"] for entry in (*entries, entries[-1])][:3]
        shapes = {"query_shape": query, "value_shape": value, "key_shape": [*rest, value][0]}
        layer["build_config"] = {"shapes_dict": shapes}


def _used(graph: Graph, call: Call) -> list[int]:
    """Returns the numbers of the outputs of a call that other calls take."""
    tensors = [t for each in graph.calls for t in tensors_of(each)]
    return sorted({t.index for t in tensors if (t.layer, t.call) == (call.layer, call.number)})


def _called(
    layer: dict[str, Any],
    number: int,
    given: list[Tensor],
    tensors: list[torch.Tensor],
    indices: Sequence[int],
) -> dict[int, torch.Tensor]:
    """Returns some outputs of one call of a layer, which is built for it alone."""
    entry = copy.deepcopy(layer)
    node = entry["inbound_nodes"][number]
    firsts: list[dict[str, Any]] = []
    places: dict[Tensor, str] = {}
    for place, x in zip(given, tensors, strict=True):
        name = places.setdefault(place, f"input_{len(places)}_of_call")
        kind = str(x.dtype).removeprefix("torch.")
        shape = {"batch_shape": [None, *x.shape[1:]], "dtype": kind, "name": name}
        firsts.append({"class_name": "InputLayer", "config": shape, "name": name})
    for tensor_config, place in zip(_entries(node), given, strict=True):
        tensor_config["keras_history"] = [places[place], 0, 0]
    entry["inbound_nodes"] = [node]
    inputs = {name: tensors[given.index(place)] for place, name in places.items()}
    alone = {
        "name": "call",
        "layers": [*{first["name"]: first for first in firsts}.values(), entry],
        "input_layers": [[name, 0, 0] for name in inputs],
        "output_layers": [[name_of(layer), int(is_functional(layer)), k] for k in indices],
    }
    if not indices:
        return {}
    with torch.no_grad():
        made = from_keras_config(alone).eval()(list(inputs.values()))
    found = made if isinstance(made, list | tuple) else [made]
    return dict(zip(indices, found, strict=True))


def _lacks_shapes(layers: list[dict[str, Any]]) -> bool:
    return any("build_config" not in layer for layer in layers[1:] if not is_functional(layer))


def _add_shapes(layers: list[dict[str, Any]]) -> None:
    """Adds the shapes of their inputs to the layers of a Sequential.

    An open side stays open. It is filled in for the call alone.
    """
    shape = list(layers[0]["config"]["batch_shape"])
    filled = (2, *probe_inputs.input_shape(shape[1:]))
    dtype = getattr(torch, layers[0]["config"].get("dtype") or "float32")
    x = torch.zeros(filled, dtype=dtype)
    for layer in layers[1:]:
        given = [None, *shape[1:]]
        layer.setdefault("build_config", {"input_shape": given})
        kind = str(x.dtype).removeprefix("torch.")
        first = {"batch_shape": given, "dtype": kind, "name": "input_of_layer"}
        alone = {"layers": [{"class_name": "InputLayer", "config": first}, layer]}
        with torch.no_grad():
            x = from_keras_config({"name": name_of(layer), **alone}).eval()(x)
        is_open = [side is None for side in shape[1:]]
        shape = [None, *x.shape[1:]]
        if len(is_open) == len(shape) - 1:  # a sequence of open length stays one
            shape[1:] = [None if o else side for o, side in zip(is_open, shape[1:], strict=True)]
