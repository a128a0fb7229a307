"""The calls of a Keras model's layers, read from its config and put in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

Config = Mapping[str, Any]


@dataclass(frozen=True)
class Tensor:
    """Refers to one tensor: the `index`-th output of the `call`-th call of a layer."""

    layer: str
    call: int
    index: int


@dataclass(frozen=True)
class Constant:
    """Refers to an array in the config: the `number`-th of `Graph.constants`."""

    number: int


@dataclass
class Call:
    """One call of a layer; its arguments contain a `Tensor` or a `Constant` for each tensor."""

    layer: str
    number: int
    arguments: list[Any]
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Graph:
    """What a model does with its inputs.

    Attributes:
        inputs: of the model, in a list or dict as Keras has them, or one `Tensor`.
        outputs: the same.
        calls: each after the calls whose outputs it takes.
        constants: arrays that the model was built with, such as that of `x + array`.
    """

    inputs: Any
    outputs: Any
    calls: tuple[Call, ...]
    constants: tuple[torch.Tensor, ...] = ()


def is_custom(config: Any) -> bool:
    """Whether the class of a layer, loss or the like is not Keras's, whatever its name is.

    A function has no module in a config that Keras writes: its name alone says what it is.
    """
    if not isinstance(config, Mapping):
        return False
    module = str(config.get("module") or "keras").partition(".")[0]
    if config.get("module") == _ADDED:
        return False
    is_function = config.get("class_name") == "function" and module == "builtins"
    return ">" in str(config.get("registered_name") or "") or not (
        is_function or module in ("keras", "tensorflow", "tf_keras")
    )


def is_operation(layer: Config) -> bool:
    """Whether an entry of a config is an operation of keras.ops, or one that the Keras half adds.

    `keras.activations.relu` with settings is one, too.
    """
    module = layer.get("module") or ""
    is_added = module == _ADDED and layer.get("class_name") not in (_WEIGHT, _MASKED)
    return ".ops" in module or ".activations.activations" in module or is_added


def is_held_array(layer: Config) -> bool:
    """Whether an entry is the array that a layer of the program is called on."""
    return layer.get("module") == _ADDED and layer.get("class_name") == _ARRAY


def is_array_or_weight(layer: Config) -> bool:
    """Whether an entry is such an array, or a weight that a layer of the program has itself."""
    return layer.get("module") == _ADDED and layer.get("class_name") in (_ARRAY, _WEIGHT)


# Where the layers and operations are that the Keras half puts into a graph, and some of them; all
# but the weight and the masked tensor are operations.
_ADDED = "parity.halves.keras.check.symbolic"
_ARRAY, _WEIGHT, _MASKED = "HeldArray", "HeldWeight", "MaskedBy"


def read_graph(config: Config) -> Graph:
    """Returns the graph of a functional model's config, or the chain of a Sequential's.

    Raises:
        ValueError: the config is of another kind, or calls depend on each other in a circle.
    """
    if "layers" not in config:
        raise ValueError(f"config with {sorted(config)}: expected that of a model, with 'layers'")
    if "input_layers" in config:
        return _functional(config)
    names = [name_of(layer) for layer in config["layers"]]
    if not names or config["layers"][0]["class_name"] != "InputLayer":
        which = f"Sequential {config['name']!r}" if "name" in config else "Sequential"
        raise ValueError(
            f"{which} without an input shape: expected a model that was built, such as one whose "
            "first layer is keras.Input(shape)"
        )
    tensors = [Tensor(name, 0, 0) for name in names]
    calls = [Call(name, 0, [x]) for name, x in zip(names[1:], tensors, strict=False)]
    return Graph(tensors[0], tensors[-1], tuple(calls))


def name_of(layer: Config) -> str:
    """Returns Keras's name of a layer in a config.

    Raises:
        ValueError: it has none, as a layer of the user's own may have without a `get_config`.
    """
    name: str | None = layer["config"].get("name") or layer.get("name")
    if name is None:
        kind = layer["class_name"]
        raise ValueError(
            f"a layer of class {kind!r} has no name in the config: expected a get_config in which "
            "super().get_config() is"
        )
    return name


def _functional(config: Config) -> Graph:
    nested = {name_of(layer) for layer in config["layers"] if is_functional(layer)}
    waiting = []
    reader = _Reader()
    for layer in config["layers"]:
        for number, node in enumerate(layer.get("inbound_nodes", [])):
            if not isinstance(node, dict):
                raise ValueError(f"inbound_nodes of {name_of(layer)!r}: expected those of Keras 3")
            arguments, options = (reader.read(node[part]) for part in ("args", "kwargs"))
            waiting.append(Call(layer["name"], number, arguments, options))
    known = {layer["name"] for layer in config["layers"] if layer["class_name"] == "InputLayer"}
    done = {(name, 0) for name in known}
    calls: list[Call] = []
    needs = {id(call): {(t.layer, t.call) for t in tensors_of(call)} for call in waiting}
    while waiting:
        ready = [call for call in waiting if needs[id(call)] <= done]
        if not ready:
            raise ValueError(f"calls of {sorted({c.layer for c in waiting})} wait for each other")
        calls += ready
        done |= {(call.layer, call.number) for call in ready}
        waiting = [call for call in waiting if (call.layer, call.number) not in done]

    def end(part: Any) -> Any:
        """Reads an input or output of a model, written as [layer, call, index]."""
        if isinstance(part, Mapping):
            return {key: end(value) for key, value in part.items()}
        if len(part) == 3 and isinstance(part[0], str):
            # Only here Keras counts the construction of a functional model as its first call.
            return Tensor(part[0], part[1] - (part[0] in nested), part[2])
        return [end(value) for value in part]

    ends = end(config["input_layers"]), end(config["output_layers"])
    return Graph(*ends, _as_keras_calls(calls, ends[1]), tuple(reader.constants))


def _as_keras_calls(calls: list[Call], outputs: Any) -> tuple[Call, ...]:
    """Returns calls in the order in which Keras makes them: the farthest from the outputs first.

    It decides in which order a layer that is called twice draws masks, and moves its statistics.

    Source: keras 3.15 `ops/function.py` (`map_graph`); a layer has the depth of its deepest call.
    """
    by_key = {(call.layer, call.number): call for call in calls}
    parents = {key: [(t.layer, t.call) for t in tensors_of(call)] for key, call in by_key.items()}
    finished: dict[tuple[str, int], None] = {}
    waiting = [((tensor.layer, tensor.call), False) for tensor in _flat_tensors(outputs)][::-1]
    while waiting:
        key, is_left = waiting.pop()
        if key in finished:
            continue
        if is_left:
            finished[key] = None
        else:
            waiting.append((key, True))
            waiting += [(parent, False) for parent in parents.get(key, [])[::-1]]
    depths: dict[tuple[str, int], int] = {}
    of_layer: dict[str, int] = {}
    for key in reversed(finished):
        depth = max(depths.setdefault(key, 0), of_layer.get(key[0], 0))
        depths[key] = of_layer[key[0]] = depth
        for parent in parents.get(key, []):
            depths[parent] = max(depth + 1, depths.get(parent, 0))
    order = sorted((key for key in depths if key in by_key), key=lambda key: -depths[key])
    left = [call for key, call in by_key.items() if key not in depths]  # no output needs them
    return (*(by_key[key] for key in order), *left)


def _flat_tensors(structure: Any) -> list[Tensor]:
    """Returns tensors in nested lists and dicts, in Keras's order."""
    if isinstance(structure, Mapping):
        return [leaf for key in sorted(structure) for leaf in _flat_tensors(structure[key])]
    if isinstance(structure, list | tuple):
        return [leaf for entry in structure for leaf in _flat_tensors(entry)]
    return [structure] if isinstance(structure, Tensor) else []


def sequence_of(layer: Config) -> Config:
    """Returns a Pipeline's entry as that of a Sequential model of the same layers."""
    given = input_tensors(layer)
    dtype = given[0]["dtype"] if given else None
    inner = list(layer["config"]["layers"])
    policy = (inner[0]["config"].get("dtype") or "float32") if inner else "float32"
    policy_name = policy if isinstance(policy, str) else policy["config"]["name"]
    first = {"class_name": "InputLayer", "config": {"name": _FIRST, "dtype": dtype or policy_name}}
    return {**layer, "config": {"name": name_of(layer), "layers": [first, *inner]}}


_FIRST = "input_of_pipeline"


def is_functional(layer: Config) -> bool:
    """Whether a layer of a config is a functional model."""
    return "input_layers" in layer["config"]


def tensors_of(call: Call) -> list[Tensor]:
    """Returns the tensors among the arguments of a call."""
    return tensors_in([call.arguments, call.options])


def tensors_in(structure: Any) -> list[Tensor]:
    """Returns the tensors in nested lists, tuples and dicts."""
    found: list[Tensor] = []

    def note(value: Any) -> Any:
        if isinstance(value, Tensor):
            found.append(value)
        return value

    fill(structure, note)
    return found


def fill(structure: Any, function: Callable[[Any], Any]) -> Any:
    """Applies `function` to each value in nested lists, tuples and dicts."""
    if isinstance(structure, Mapping):
        return {key: fill(value, function) for key, value in structure.items()}
    if isinstance(structure, list | tuple):
        return type(structure)(fill(value, function) for value in structure)
    return function(structure)


class _Reader:
    """Reads the arguments of calls.

    Attributes:
        constants: arrays that were read.
        tensors: shapes and dtypes of the tensors that were read.
    """

    def __init__(self) -> None:
        self.constants: list[torch.Tensor] = []
        self.tensors: list[Config] = []

    def read(self, value: Any) -> Any:
        """Returns arguments from Keras's config, with `Tensor` and `Constant` for tensors.

        Raises:
            ValueError: an argument is an object of another class.
        """
        if isinstance(value, list | tuple):
            return type(value)(self.read(entry) for entry in value)
        if not isinstance(value, Mapping):
            return value
        kind, inner = value.get("class_name"), value.get("config")
        if kind is None:
            return {key: self.read(entry) for key, entry in value.items()}
        if kind == "__keras_tensor__":
            self.tensors.append(value["config"])
            return Tensor(*value["config"]["keras_history"])
        if kind == "__tuple__":
            return tuple(self.read(entry) for entry in value["items"])
        if kind == "__slice__" and inner is not None:
            return slice(inner["start"], inner["stop"], inner["step"])
        if kind == "__ellipsis__":
            return Ellipsis
        if kind in ("__numpy__", "__tensor__") and inner is not None:
            dtype = getattr(torch, str(inner["dtype"]), None)
            if not isinstance(dtype, torch.dtype):
                raise ValueError(f"array of dtype {inner['dtype']!r}: expected one of torch's")
            self.constants.append(torch.tensor(inner["value"], dtype=dtype))
            return Constant(len(self.constants) - 1)
        if kind == "DTypePolicy" and inner is not None:
            return inner["name"]
        raise ValueError(f"argument of class {kind!r}: expected a tensor, a number, text or a list")


NO_SHAPE = "has no input shape"


def input_shapes(layer: Config) -> list[tuple[int | None, ...]]:
    """Returns the shapes of a layer's inputs at its first call, batch axis included.

    Raises:
        ValueError: the config does not contain them.
    """
    built = (layer.get("build_config") or {}).get("input_shape")
    if built is None:
        built = [tensor["shape"] for tensor in input_tensors(layer)]
    if not built:
        raise ValueError(f"{name_of(layer)!r} {NO_SHAPE}: expected a model that was built")
    several = isinstance(built[0], list | tuple)
    return [tuple(shape) for shape in (built if several else [built])]


def input_tensors(layer: Config) -> list[Config]:
    """Returns shape and dtype of each input of a layer's first call; none without a graph."""
    nodes = layer.get("inbound_nodes") or [{}]
    reader = _Reader()
    reader.read(nodes[0].get("args", []))
    return reader.tensors
