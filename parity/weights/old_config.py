"""The graph of a functional model that Keras 2 wrote, as Keras 3 writes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from parity.weights.tf_operations import FLOATS, Nodes, Refused, Tensor, applied, plain_name

# --- The operations of TensorFlow in a graph that Keras 2 wrote, as nodes of Keras 3 --------------
#
# Keras 2 has a layer for each operation. Its call is [tensor, number of the call, number of the
# output, arguments], or a list of such entries if the operation takes a list. What is no tensor has
# "_CONSTANT_VALUE" in the place of a layer.


OPERATIONS = ("TFOpLambda", "SlicingOpLambda")
_OTHERS = ("ClassMethod", "InstanceMethod", "InstanceProperty")  # of a tensor, by their names
_CONSTANT = "_CONSTANT_VALUE"
_COMPUTING = ("Embedding", "Rescaling", "Normalization", "CategoryEncoding")  # take integers, too
_COUNTING = ("Discretization", "Hashing", "IntegerLookup", "StringLookup", "TextVectorization")
# Settings that say how long the last axis is, and layers that keep it.
_LENGTHS = {"Dense": "units", "Embedding": "output_dim"}
_SAME = ("LayerNormalization", "BatchNormalization", "Dropout", "Activation", "ReLU")
_REFUSED = object()

Layer = Mapping[str, Any]
Place = tuple[str, int]  # layer and number of the call, as Keras 2 counts
Counted = Callable[[Sequence[Any]], Sequence[Any]]


def is_operation(layer: Layer) -> bool:
    """Whether a layer is an operation of TensorFlow, or a method of a tensor."""
    return layer.get("class_name") in (*OPERATIONS, *_OTHERS)


@dataclass(frozen=True)
class _Call:
    """What a call of a layer returns.

    Attributes:
        source: layer and number of the call, as Keras 3 counts.
        dtypes: of the outputs; further ones have that of the last.
        leads: whether the first axis is that of the samples.
        last: length of the last axis of an only output; None if that is not known.
    """

    source: Place
    dtypes: Sequence[str | None]
    leads: bool
    last: int | None = None

    def output(self, index: int) -> Tensor:
        dtype = self.dtypes[min(index, len(self.dtypes) - 1)]
        return Tensor((*self.source, index), dtype, self.leads, self.last)


@dataclass
class Operations:
    """The operations of a graph of Keras 2, and what its other layers return.

    Attributes:
        nodes: by the name of an operation in Keras 2, its nodes as layers of Keras 3.
        returned: by layer and number of the call, what it returns; not there if it cannot be told.
        problems: of operations without nodes.
    """

    nodes: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    returned: dict[Place, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def place(self, name: str, number: int) -> Place | None:
        """Returns the node that an operation ends with; None for another layer."""
        found = self.returned.get((name, number))
        return found.source if name in self.nodes and isinstance(found, _Call) else None


def operations_in(layers: Sequence[Layer], counted: Counted = list) -> Operations:
    """Returns the operations of a graph of Keras 2.

    Args:
        layers: of the graph.
        counted: gives, for the place of a tensor in Keras 2, that in Keras 3.
    """
    return _Reader(layers, counted).read()


class _Reader:
    def __init__(self, layers: Sequence[Layer], counted: Counted) -> None:
        self.layers, self.counted = layers, counted
        self.names = {str(layer.get("name")) for layer in layers}
        others = [layer for layer in layers if not is_operation(layer)]
        self.taken = {str(counted([str(layer.get("name")), 0, 0])[0]) for layer in others}
        self.found = Operations()

    def read(self) -> Operations:
        """Reads calls in the order in which they take tensors of each other."""
        waiting = [
            (layer, *numbered) for layer in self.layers for numbered in _numbered_calls(layer)
        ]
        while waiting:
            left = [each for each in waiting if not self._read(*each)]
            if len(left) == len(waiting):
                break
            waiting = left
        for layer, *_ in waiting:
            if is_operation(layer):
                self._refuse(layer, "which takes what is not in the file")
        return self.found

    def _read(self, layer: Layer, number: int, call: Any) -> bool:
        """Reads a call, if all is read that it takes."""
        places = [(source[0], source[1]) for source in self._places(call)]
        if any(place not in self.found.returned for place in places):
            return False
        name = str(layer.get("name"))
        arguments = [self.found.returned[place] for place in places]
        if is_operation(layer):
            returned = _REFUSED if _REFUSED in arguments else self._applied(layer, call)
        else:
            source = self.counted([name, number, 0])
            calls = [each for each in arguments if isinstance(each, _Call)]
            is_led = all(each.leads for each in calls)
            dtypes, last = _dtypes_of(layer, calls), _last_of(layer, calls)
            returned = _Call((source[0], source[1]), dtypes, is_led, last)
        self.found.returned[name, number] = returned
        return True

    def _applied(self, layer: Layer, call: Any) -> Any:
        name, function = str(layer.get("name")), str(_settings(layer).get("function"))
        if layer.get("class_name") not in OPERATIONS:
            self._refuse(layer, "which is a method of a tensor")
            return _REFUSED
        op = Nodes(_renamed(name), self.taken)
        try:
            first, given = self._arguments(call)
            returned = applied(op, function, first, given)
        except Refused as why:
            self._refuse(layer, str(why))
            return _REFUSED
        made = self.found.nodes.setdefault(name, [])
        if not isinstance(returned, Tensor):
            return returned  # sizes of a shape
        nodes, last = op.finished(returned)
        made += nodes
        dtypes = [returned.dtype, *(["int32"] if plain_name(function) == "top_k" else [])]
        return _Call((last, 0), dtypes, returned.leads, returned.last)

    def _refuse(self, layer: Layer, why: str) -> None:
        settings = _settings(layer)
        names = [settings.get(key) for key in ("function", "method_name", "attr_name", "name")]
        function = next((each for each in names if each), None)
        self.found.problems.append(f"the operation {function!r} of TensorFlow {why}")

    def _arguments(self, call: Any) -> tuple[Any, dict[str, Any]]:
        """Returns the first argument of a call, and the others by name."""
        if isinstance(call, list) and call and isinstance(call[0], list):
            entries = [self._entry(each) for each in call]
            return [value for value, _ in entries], entries[0][1]
        return self._entry(call)

    def _entry(self, entry: Any) -> tuple[Any, dict[str, Any]]:
        if not isinstance(entry, list) or len(entry) < 3:
            raise Refused("whose call cannot be read")
        rest = entry[3] if len(entry) > 3 and isinstance(entry[3], Mapping) else {}
        first = entry[2] if entry[0] == _CONSTANT else self._value(entry[:3])
        return first, {str(key): self._value(value) for key, value in rest.items()}

    def _value(self, value: Any) -> Any:
        """Returns an argument, with tensors and sizes in the place of where they come from."""
        if self._is_place(value):
            found = self.found.returned[value[0], value[1]]
            return found.output(value[2]) if isinstance(found, _Call) else found
        if isinstance(value, list):
            return [self._value(each) for each in value]
        if isinstance(value, Mapping):
            return {key: self._value(each) for key, each in value.items()}
        return value

    def _places(self, value: Any) -> Iterator[Sequence[Any]]:
        """Yields the places that a call takes tensors from."""
        if self._is_place(value):
            yield value
            value = value[3:]
        if isinstance(value, Mapping):
            value = list(value.values())
        if isinstance(value, list):
            for each in value:
                yield from self._places(each)

    def _is_place(self, value: Any) -> bool:
        return (
            isinstance(value, list)
            and len(value) in (3, 4)
            and isinstance(value[0], str)
            and value[0] in self.names
            and all(isinstance(each, int) for each in value[1:3])
            and value[2] >= 0
        )


def _settings(layer: Layer) -> Mapping[str, Any]:
    settings = layer.get("config")
    return settings if isinstance(settings, Mapping) else {}


def _calls(layer: Layer) -> list[Any]:
    calls = layer.get("inbound_nodes")
    return calls if isinstance(calls, list) else []


def _numbered_calls(layer: Layer) -> list[tuple[int, Any]]:
    """Returns the calls of a layer with their numbers in Keras 2.

    An input has no call. Call 0 of a model in a model is the one that made it.
    """
    calls = _calls(layer)
    first = [] if calls and not _starts_with_input(layer) else [None]
    return list(enumerate([*first, *calls]))


def _starts_with_input(layer: Layer) -> bool:
    """Whether a layer is a model that Keras 2 has called once with its own input."""
    layers = _settings(layer).get("layers")
    first = layers[0] if isinstance(layers, list) and layers else None
    return isinstance(first, Mapping) and first.get("class_name") == "InputLayer"


def _renamed(name: str) -> str:
    """Returns the name of an operation; a module of torch has no point in its name."""
    for space in ("__operators__.", "compat.v1."):
        name = name.replace(f"tf.{space}", "tf.")
    return name.replace(".", "_").replace("/", "_")


def _dtypes_of(layer: Layer, calls: Sequence[_Call]) -> list[str | None]:
    """Returns the dtypes of the outputs of a layer; None for one that is not known.

    Keras 2 casts floating point to the dtype in which a layer computes, and no integers.
    """
    kind, settings = layer.get("class_name"), _settings(layer)
    if isinstance(settings.get("layers"), list):
        return _dtypes_of_model(settings)
    dtype = _dtype_in(settings)
    if kind == "InputLayer" or kind in _COMPUTING:
        return [dtype]
    is_float = all(each in FLOATS for call in calls for each in call.dtypes)
    return [dtype if is_float and kind not in _COUNTING else None]


def _last_of(layer: Layer, calls: Sequence[_Call]) -> int | None:
    """Returns the length of the last axis of what a layer makes; None if that is not known."""
    kind, settings = layer.get("class_name"), _settings(layer)
    if kind == "InputLayer":
        shape = settings.get("batch_input_shape")
        found = shape[-1] if isinstance(shape, list) and shape else None
    else:
        found = settings.get(_LENGTHS[kind]) if kind in _LENGTHS else None
    if kind in _SAME and len(calls) == 1:
        found = calls[0].last
    return found if isinstance(found, int) else None


def _dtype_in(settings: Mapping[str, Any]) -> str:
    """Returns the dtype in which a layer computes."""
    policy = settings.get("dtype")
    if isinstance(policy, Mapping):
        inner = policy.get("config")
        policy = inner.get("name") if isinstance(inner, Mapping) else None
    return policy.removeprefix("mixed_") if isinstance(policy, str) else "float32"


def _dtypes_of_model(settings: Mapping[str, Any]) -> list[str | None]:
    layers = [each for each in settings["layers"] if isinstance(each, Mapping)]
    ends = settings.get("output_layers")
    if not isinstance(ends, list):
        return [_dtype_in(_settings(layers[-1]))] if layers else [None]
    returned = operations_in(layers).returned
    found: list[str | None] = []
    for end in [ends] if ends and isinstance(ends[0], str) else ends:
        is_known = isinstance(end, list) and len(end) == 3 and isinstance(end[2], int)
        call = returned.get((end[0], end[1])) if is_known else None
        found.append(call.output(end[2]).dtype if isinstance(call, _Call) else None)
    return found or [None]


# --- The graph of a functional model that Keras 2 wrote, as Keras 3 writes it ---------------------
#
# A call of a layer is [[layer, number of the call, number of the output, arguments], ...]. Keras 2
# numbers the calls of a model in a model from 1: call 0 is the one that made it. Keras 3 numbers so
# only among the outputs of a model, and there no Sequential. Keras 2 writes the states that a
# recurrent layer begins with behind its input, and tensors among the arguments, such as the value
# of an attention, without saying that they are tensors.


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
            text = f"{kind}, layer {name!r}, which in Keras 2 {_LAYERS[kind]}"
            yield f"{text}, and in Keras 3 does not"
        for value in settings.values():
            if isinstance(value, str) and value in _ACTIVATIONS:
                text = f"{value} of layer {name!r}, in Keras 2 {_ACTIVATIONS[value]}"
                yield f"{text}, which Keras 3 computes otherwise"


def is_old(config: Any) -> bool:
    """Whether Keras 2 wrote the configuration of a model: its inputs have `batch_input_shape`."""
    if isinstance(config, list):
        return any(map(is_old, config))
    if not isinstance(config, Mapping):
        return False
    return "batch_input_shape" in config or any(map(is_old, config.values()))


def renewed_graph(
    settings: Mapping[str, Any], rename: Callable[[Any], Any] = lambda name: name
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
    inner = {str(each.get("name")) for each in layers if _starts_with_input(each)}
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
    config = without_old_settings(value.get("class_name"), value["config"])
    return {**value, "config": config}


def _operations_of(
    layers: list[Mapping[str, Any]], counted: Callable[[Any], Any] = list
) -> Operations:
    """Returns the operations of TensorFlow in a graph, if it has any."""
    return operations_in(layers, counted) if any(map(is_operation, layers)) else Operations()


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
        args = given if len(given) == 1 else [given]
        return {"args": args, "kwargs": {**arguments, **tensors}}

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
