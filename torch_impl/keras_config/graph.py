"""The calls of a Keras model's layers, read from its config and put in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Config = Mapping[str, Any]


@dataclass(frozen=True)
class Tensor:
    """Stands for one tensor: the `index`-th output of the `call`-th call of a layer."""

    layer: str
    call: int
    index: int


@dataclass
class Call:
    """One call of a layer; arguments hold a `Tensor` where a tensor is meant."""

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
        calls: each after those whose outputs it takes.
    """

    inputs: Any
    outputs: Any
    calls: tuple[Call, ...]


def read_graph(config: Config) -> Graph:
    """Returns the graph of a functional model's config, or the chain of a Sequential's.

    Raises:
        ValueError: the config is not of this kind, or calls wait for each other.
    """
    if "layers" not in config:
        raise ValueError(f"config with {sorted(config)}: expected that of a model, with 'layers'")
    if "input_layers" in config:
        return _functional(config)
    names = [name_of(layer) for layer in config["layers"]]
    if not names or config["layers"][0]["class_name"] != "InputLayer":
        raise ValueError("Sequential without an input shape: expected a model that was built")
    tensors = [Tensor(name, 0, 0) for name in names]
    calls = [Call(name, 0, [x]) for name, x in zip(names[1:], tensors, strict=False)]
    return Graph(tensors[0], tensors[-1], tuple(calls))


def name_of(layer: Config) -> str:
    """Keras's name of a layer in a config."""
    name: str = layer["config"].get("name") or layer["name"]
    return name


def _functional(config: Config) -> Graph:
    nested = {name_of(layer) for layer in config["layers"] if is_functional(layer)}
    waiting = []
    for layer in config["layers"]:
        for number, node in enumerate(layer.get("inbound_nodes", [])):
            if not isinstance(node, dict):
                raise ValueError(f"inbound_nodes of {name_of(layer)!r}: expected those of Keras 3")
            arguments, options = (_decode(node[part], _history) for part in ("args", "kwargs"))
            waiting.append(Call(layer["name"], number, arguments, options))
    known = {layer["name"] for layer in config["layers"] if layer["class_name"] == "InputLayer"}
    done = {(name, 0) for name in known}
    calls: list[Call] = []
    while waiting:
        ready = [c for c in waiting if {(t.layer, t.call) for t in tensors_of(c)} <= done]
        if not ready:
            raise ValueError(f"calls of {sorted({c.layer for c in waiting})} wait for each other")
        calls += ready
        done |= {(call.layer, call.number) for call in ready}
        waiting = [call for call in waiting if (call.layer, call.number) not in done]

    def end(part: Any) -> Any:
        """A model's inputs and outputs are written as [layer, call, index]."""
        if isinstance(part, Mapping):
            return {key: end(value) for key, value in part.items()}
        if len(part) == 3 and isinstance(part[0], str):
            # Keras counts the making of a functional model as its first call, here only.
            return Tensor(part[0], part[1] - (part[0] in nested), part[2])
        return [end(value) for value in part]

    return Graph(end(config["input_layers"]), end(config["output_layers"]), tuple(calls))


def is_functional(layer: Config) -> bool:
    """Whether a layer of a config is a functional model."""
    return "input_layers" in layer["config"]


def tensors_of(call: Call) -> list[Tensor]:
    """The tensors among the arguments of a call."""
    found: list[Tensor] = []

    def note(value: Any) -> Any:
        if isinstance(value, Tensor):
            found.append(value)
        return value

    fill([call.arguments, call.options], note)
    return found


def fill(structure: Any, function: Callable[[Any], Any]) -> Any:
    """Returns lists, tuples and dicts with `function` of each value in them."""
    if isinstance(structure, Mapping):
        return {key: fill(value, function) for key, value in structure.items()}
    if isinstance(structure, list | tuple):
        return type(structure)(fill(value, function) for value in structure)
    return function(structure)


def _history(config: Config) -> Tensor:
    return Tensor(*config["keras_history"])


def _decode(value: Any, tensor: Callable[[Config], Tensor]) -> Any:
    """What Keras writes for the arguments of a call, with `Tensor` for its tensors.

    Raises:
        ValueError: an object of another class stands there.
    """
    if isinstance(value, list | tuple):
        return type(value)(_decode(entry, tensor) for entry in value)
    if not isinstance(value, Mapping):
        return value
    kind, inner = value.get("class_name"), value.get("config")
    if kind is None:
        return {key: _decode(entry, tensor) for key, entry in value.items()}
    if kind == "__keras_tensor__":
        return tensor(value["config"])
    if kind == "__tuple__":
        return tuple(_decode(entry, tensor) for entry in value["items"])
    if kind == "__slice__" and inner is not None:
        return slice(inner["start"], inner["stop"], inner["step"])
    if kind == "__ellipsis__":
        return Ellipsis
    if kind == "__numpy__" and inner is not None:
        return inner["value"]
    raise ValueError(f"argument of class {kind!r}: expected a tensor, a number, text or a list")


def input_shapes(layer: Config) -> list[tuple[int | None, ...]]:
    """Returns the shapes of a layer's inputs at its first call, batch axis included.

    Raises:
        ValueError: the config does not tell.
    """
    built = (layer.get("build_config") or {}).get("input_shape")
    if built is None:
        nodes = layer.get("inbound_nodes") or [{}]
        shapes: list[Any] = []

        def note(config: Config) -> Tensor:
            shapes.append(config["shape"])
            return _history(config)

        _decode(nodes[0].get("args", []), note)
        built = shapes
    if not built:
        raise ValueError(f"{name_of(layer)!r} has no input shape: expected a model that was built")
    several = isinstance(built[0], list | tuple)
    return [tuple(shape) for shape in (built if several else [built])]
