"""Configurations of older files, in the form that Keras writes today.

Two things are missing in a legacy `.h5`: the shapes with which the layers of a Sequential were
built, and, in files of Keras 2, the calls of a functional model as Keras 3 writes them. The shapes
are found by building one layer after the other and calling it.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch

from parity.data import probe_inputs
from torch_impl.keras_config import from_keras_config
from torch_impl.keras_config.graph import (
    Tensor,
    is_functional,
    name_of,
    read_graph,
    tensors_of,
)

_ATTENTION = ("MultiHeadAttention", "GroupQueryAttention", "GroupedQueryAttention")


def in_todays_form(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the configuration of a model, `{"class_name", "config"}`, in today's form.

    Raises:
        ValueError: it is of no Sequential or functional model.
    """
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
    layers: list[dict[str, Any]] = config["layers"]
    for layer in layers:
        if not isinstance(layer, dict) or not isinstance(layer.get("config"), dict):
            raise ValueError("a layer of the configuration has no settings")
        settings = layer["config"]
        if "batch_input_shape" in settings and "batch_shape" not in settings:
            settings["batch_shape"] = settings["batch_input_shape"]
    if "input_layers" in config:
        for layer in layers:
            layer["inbound_nodes"] = [_node(node) for node in layer.get("inbound_nodes") or []]
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
        _add_shapes_of_calls(config)
    elif _lacks_shapes(layers):
        _add_shapes(layers)


def _node(node: Any) -> Any:
    """Returns a call as Keras 3 writes it, from [[layer, call, output, options], ...]."""
    if isinstance(node, dict):
        return node
    if not isinstance(node, list) or not all(isinstance(each, list) for each in node):
        raise ValueError("a call in the configuration is none of Keras 2 or 3")
    tensors = [_tensor(each) for each in node]
    options = dict(node[0][3]) if node and len(node[0]) > 3 else {}
    told = {key: _tensor(x) if _is_tensor(x) else x for key, x in options.items()}
    return {"args": [tensors if len(tensors) > 1 else tensors[0]], "kwargs": told}


def _is_tensor(value: Any) -> bool:
    is_row = isinstance(value, list) and len(value) >= 3
    return is_row and [type(each) for each in value[:3]] == [str, int, int]


def _tensor(history: list[Any]) -> dict[str, Any]:
    return {"class_name": "__keras_tensor__", "config": {"keras_history": history[:3]}}


def _add_shapes_of_calls(config: dict[str, Any]) -> None:
    """Adds the shapes of their inputs to the layers of a functional model.

    Keras 3 writes the shape of each tensor into the calls. Of Keras 2, each call is made.
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
        if any(entry.get("shape") is None for entry in entries):
            tensors = [made[t.layer, t.call, t.index] for t in given]
            for entry, x in zip(entries, tensors, strict=True):
                entry["shape"] = [None, *x.shape[1:]]
                entry["dtype"] = str(x.dtype).removeprefix("torch.")
            _add_build(layer, entries)
            made[call.layer, call.number, 0] = _called(layer, call.number, given, tensors)
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


def _called(
    layer: dict[str, Any], number: int, given: list[Tensor], tensors: list[torch.Tensor]
) -> torch.Tensor:
    """Returns the first output of one call of a layer, which is built for it alone."""
    entry = copy.deepcopy(layer)
    node = entry["inbound_nodes"][number]
    firsts: list[dict[str, Any]] = []
    places: dict[Tensor, str] = {}
    for place, x in zip(given, tensors, strict=True):
        name = places.setdefault(place, f"input_{len(places)}_of_call")
        kind = str(x.dtype).removeprefix("torch.")
        shape = {"batch_shape": [None, *x.shape[1:]], "dtype": kind, "name": name}
        firsts.append({"class_name": "InputLayer", "config": shape, "name": name})
    for told, place in zip(_entries(node), given, strict=True):
        told["keras_history"] = [places[place], 0, 0]
    entry["inbound_nodes"] = [node]
    own = {name: tensors[given.index(place)] for place, name in places.items()}
    alone = {
        "name": "call",
        "layers": [*{first["name"]: first for first in firsts}.values(), entry],
        "input_layers": [[name, 0, 0] for name in own],
        "output_layers": [[name_of(layer), int(is_functional(layer)), 0]],
    }
    with torch.no_grad():
        made = from_keras_config(alone).eval()(list(own.values()))
    found: torch.Tensor = made[0] if isinstance(made, list | tuple) else made
    return found


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
