"""The graph of a functional model that Keras 2 wrote, as Keras 3 writes it.

A call of a layer is [[layer, number of the call, number of the output, arguments], ...]. Keras 2
numbers the calls of a model in a model from 1: call 0 is the one that made it. Keras 3 numbers so
only among the outputs of a model, and there no Sequential. Keras 2 writes the states that a
recurrent layer begins with behind its input, and tensors among the arguments, such as the value of
an attention, without saying that they are tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from parity.weights.old_operations import Operations, is_operation, operations_in

UNKNOWN = [None]  # shape of a tensor that nobody has told
# Keras 2 has clip(x / 5 + 1 / 2), Keras 3 clip(x / 6 + 1 / 2).
_ACTIVATIONS = {"hard_sigmoid": "clip(0.2 * x + 0.5, 0, 1)"}
_LAYERS = {"RandomCrop": "crops in evaluation, too"}
# Settings of layers that say nothing of what is computed, or that a build finds anew.
NO_RULE = (
    *("implementation", "fused", "input_length", "batch_input_shape"),
    *("query_shape", "key_shape", "value_shape"),
)
_DEFAULTS = {"time_major": False, "groups": 1}  # of layers that have none in Keras 3
_RECURRENT = ("RNN", "LSTM", "GRU", "SimpleRNN", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D")
_WITH_STATES = (*_RECURRENT, "Bidirectional")


def entries_in(config: Any) -> Iterator[Mapping[str, Any]]:
    """Yields every {"class_name", "config"} in a configuration, which may be of any form."""
    if isinstance(config, Mapping):
        if isinstance(config.get("class_name"), str) and isinstance(config.get("config"), Mapping):
            yield config
        config = list(config.values())
    if isinstance(config, list):
        for each in config:
            yield from entries_in(each)


def changed_rules(config: Any) -> Iterator[str]:
    """Yields what of a configuration of Keras 2 has another rule in Keras 3, or none."""
    for entry in entries_in(config):
        kind, settings = entry["class_name"], entry["config"]
        name = settings.get("name")
        if isinstance(layers := settings.get("layers"), list):
            yield from _operations_of([e for e in layers if isinstance(e, Mapping)]).problems
        if kind in _LAYERS:
            told = f"{kind}, layer {name!r}, which in Keras 2 {_LAYERS[kind]}"
            yield f"{told}, and in Keras 3 does not"
        for value in settings.values():
            if isinstance(value, str) and value in _ACTIVATIONS:
                told = f"{value} of layer {name!r}, in Keras 2 {_ACTIVATIONS[value]}"
                yield f"{told}, which Keras 3 computes otherwise"


def is_old(config: Any) -> bool:
    """Whether Keras 2 wrote the configuration of a model: its inputs have `batch_input_shape`."""
    if isinstance(config, list):
        return any(map(is_old, config))
    if not isinstance(config, Mapping):
        return False
    return "batch_input_shape" in config or any(map(is_old, config.values()))


def as_it_is(name: Any) -> Any:
    """Returns a name."""
    return name


def renewed_graph(
    settings: Mapping[str, Any], rename: Callable[[Any], Any] = as_it_is
) -> dict[str, Any]:
    """Returns the configuration of a functional model as Keras 3 has it.

    Args:
        settings: of Keras 2; with calls of Keras 3, it stays as it is. What its layers were built
            with is left out, since the graph builds them.
        rename: what becomes of the name of a layer.
    """
    layers = [each for each in settings.get("layers", []) if isinstance(each, Mapping)]
    if not any(isinstance(call, list) for each in layers for call in _calls(each)):
        return dict(settings)
    names = {str(each.get("name")) for each in layers}
    inner = {str(each.get("name")) for each in layers if _begins_with_input(each)}
    operations = _operations_of(layers, _Sources(names, inner, rename).one)
    found = []
    for layer in layers:
        if (name := str(layer.get("name"))) in operations.nodes:
            found += operations.nodes[name]
            continue
        kept = {key: value for key, value in layer.items() if key != "build_config"}
        if "name" in layer:
            kept["name"] = rename(layer["name"])
        if "inbound_nodes" in layer:
            source = _Sources(names, inner, rename, operations)
            kept["inbound_nodes"] = [source.call(each, layer) for each in _calls(layer)]
        found.append(kept)
    # Of the outputs, Keras 3 counts the call that made a functional model, too.
    late = inner - {
        str(each.get("name")) for each in layers if each.get("class_name") != "Sequential"
    }
    ends = {
        key: _ends(settings[key], _Sources(names, late, rename, operations))
        for key in ("input_layers", "output_layers")
        if key in settings
    }
    return {**settings, "layers": found, **ends}


def one_axis(kind: Any, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Returns settings of a layer; the axis of a BatchNormalization is no list, as in Keras 2."""
    axis = settings.get("axis")
    if kind == "BatchNormalization" and isinstance(axis, list) and len(axis) == 1:
        return {**settings, "axis": axis[0]}
    return dict(settings)


def without_old_settings(kind: Any, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Returns settings of a layer without those of Keras 2 that change nothing; see `one_axis`.

    Args:
        kind: the class of the layer.
        settings: layers and cells in it have theirs left out, too; those of a model stay, whose
            layers are renewed with its graph.
    """
    if "layers" in settings:
        return dict(settings)
    return {
        key: _without_old(value)
        for key, value in one_axis(kind, settings).items()
        if key not in NO_RULE and not (key in _DEFAULTS and value == _DEFAULTS[key])
    }


def _without_old(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_old(each) for each in value]
    if not isinstance(value, Mapping) or not isinstance(value.get("config"), Mapping):
        return value
    told = without_old_settings(value.get("class_name"), value["config"])
    return {**value, "config": told}


def _operations_of(
    layers: list[Mapping[str, Any]], counted: Callable[[Any], Any] = list
) -> Operations:
    """Returns the operations of TensorFlow in a graph, if it has any."""
    return operations_in(layers, counted) if any(map(is_operation, layers)) else Operations()


def _calls(layer: Mapping[str, Any]) -> list[Any]:
    calls = layer.get("inbound_nodes")
    return calls if isinstance(calls, list) else []


def _begins_with_input(layer: Mapping[str, Any]) -> bool:
    """Whether a layer is a model that Keras 2 has called once with its own input."""
    settings = layer.get("config")
    layers = settings.get("layers") if isinstance(settings, Mapping) else None
    first = layers[0] if isinstance(layers, list) and layers else None
    return isinstance(first, Mapping) and first.get("class_name") == "InputLayer"


@dataclass(frozen=True)
class _Sources:
    """Where the tensors of a graph come from.

    Attributes:
        names: of its layers.
        counted: names of the models whose calls are counted from 1.
        rename: what becomes of a name.
        operations: of the graph.
    """

    names: set[str]
    counted: set[str]
    rename: Callable[[Any], Any]
    operations: Operations = field(default_factory=Operations)

    def call(self, call: Any, layer: Mapping[str, Any]) -> Any:
        """Returns a call as Keras 3 writes it; what is no call of Keras 2 stays."""
        if not isinstance(call, list) or not call or not all(map(self._is_one, call)):
            return call
        sources = [self.one(each) for each in call]
        arguments = dict(sources[0][3]) if len(sources[0]) > 3 else {}
        tensors: dict[str, Any] = {
            key: _tensor(self.one(value)) for key, value in arguments.items() if self._is_one(value)
        }
        given = [_tensor(each) for each in sources]
        if layer.get("class_name") in _WITH_STATES and len(sources) > 1:
            tensors["initial_state"] = given[1:]
            given = given[:1]
        told = given if len(given) == 1 else [given]
        return {"args": told, "kwargs": {**arguments, **tensors}}

    def _is_one(self, value: Any) -> bool:
        """Whether a value says where a tensor comes from."""
        return (
            isinstance(value, list)
            and len(value) >= 3
            and isinstance(value[0], str)
            and value[0] in self.names
            and all(isinstance(each, int) for each in value[1:3])
            and all(isinstance(each, Mapping) for each in value[3:])
        )

    def one(self, source: Any) -> Any:
        """Returns where a tensor comes from, with the number of the call as Keras 3 counts."""
        if not isinstance(source, list) or len(source) < 3 or not isinstance(source[0], str):
            return source
        name, number, *rest = source
        if isinstance(number, int) and (place := self.operations.place(name, number)):
            return [*place, *rest]
        if name in self.counted and isinstance(number, int) and number > 0:
            number -= 1
        return [self.rename(name), number, *rest]


def _ends(ends: Any, sources: _Sources) -> Any:
    if isinstance(ends, Mapping):
        return {name: sources.one(each) for name, each in ends.items()}
    if isinstance(ends, list) and ends and isinstance(ends[0], list):
        found = [sources.one(each) for each in ends]
        return found[0] if len(found) == 1 else found  # to Keras 3, a list of one is a list
    return sources.one(ends)


def _tensor(source: list[Any]) -> dict[str, Any]:
    """Returns a tensor as Keras 3 writes it; of what it says here, only the place is read."""
    config = {"shape": UNKNOWN, "dtype": "float32", "keras_history": source[:3]}
    return {"class_name": "__keras_tensor__", "config": config}
