"""The operations of TensorFlow in a graph that Keras 2 wrote, as nodes of Keras 3.

Keras 2 has a layer for each operation. Its call is [tensor, number of the call, number of the
output, arguments], or a list of such entries if the operation takes a list. What is no tensor has
"_CONSTANT_VALUE" in the place of a layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from parity.weights.tf_operations import FLOATS, Nodes, Refused, Tensor, applied, plain_name

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
            (layer, number, call) for layer in self.layers for number, call in _calls_of(layer)
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
        taken = [self.found.returned[place] for place in places]
        if is_operation(layer):
            returned = _REFUSED if _REFUSED in taken else self._applied(layer, call)
        else:
            source = self.counted([name, number, 0])
            calls = [each for each in taken if isinstance(each, _Call)]
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
        told = [settings.get(key) for key in ("function", "method_name", "attr_name", "name")]
        function = next((each for each in told if each), None)
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


def _calls_of(layer: Layer) -> list[tuple[int, Any]]:
    """Returns the calls of a layer with their numbers in Keras 2.

    An input has no call. Call 0 of a model in a model is the one that made it.
    """
    calls = layer.get("inbound_nodes")
    calls = calls if isinstance(calls, list) else []
    first = [] if calls and not _made_in_a_call(layer) else [None]
    return list(enumerate([*first, *calls]))


def _made_in_a_call(layer: Layer) -> bool:
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
