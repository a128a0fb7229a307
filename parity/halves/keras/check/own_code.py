"""What a port is told of layers and functions of the user's own, whose code it does not have.

A reference goes in. Facts come out, ready for JSON: the shapes that a layer takes and returns, its
weights and how they began, the layers of Keras inside of it, its settings, and its source.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from parity.halves.keras.check.attributes import attributes_of
from parity.halves.keras.check.inner_calls import facts_of, inner_calls, nests_in
from parity.halves.keras.check.named_weights import Weights, below
from parity.halves.keras.check.own_layers import (
    in_graph,
    is_own,
    own_layers,
    takes_weights,
    why_refused,
    wrapped,
    wrapped_in,
)
from parity.halves.keras.check.own_losses import own_losses
from parity.halves.keras.check.plain_values import is_plain, plain, plain_of
from parity.halves.keras.check.quoted import quoted
from parity.halves.keras.check.rule_code import own_rules
from parity.halves.keras.check.schedule_code import own_schedules
from parity.halves.keras.noted_initializers import noted_initializer
from parity.halves.keras.versions import is_kerass_own, is_weight, mask_of, path_of

# Settings of every layer, and those of a Lambda, whose function is told as such.
_OF_ALL = ("name", "trainable", "dtype", "function", "output_shape", "mask", "arguments")
_FUNCTIONS = ("activation", "recurrent_activation")

Facts = dict[str, Any]


def own_code(
    model: keras.Model,
    graph: keras.Model,
    weights: Weights,
    numbers: Mapping[int, int],
    folder: Path,
) -> tuple[Facts, set[int]]:
    """Returns what a port is told of the user's own code, and what is in it.

    Args:
        model: of the program.
        graph: it, or one that does the same: see `as_graph` and `inlined`.
        weights: of the model.
        numbers: seed -> number of the draw that gave it.
        folder: of the program.

    Returns:
        "layers": facts by name; "functions": facts by "LAYER/activation"; "losses": facts by name;
        "schedules": facts by class; "rules": facts by "LAYER/SETTING"; "problems": what
        cannot be told, a sentence each; "refused": names of the layers in these. And the IDs of the
        variables, and of the layers, that are inside of these layers.
    """
    variables, known = weights.variables, weights.initial
    names = {id(variable): name for name, variable in variables.items()}
    # What a variable began with may be more than the attribute says: the bias of an LSTM.
    drawn = {
        id(variable): noted_initializer(variable) or (known[name].call if name in known else None)
        for name, variable in variables.items()
    }
    own = own_layers(graph)
    teller = _Teller(names, drawn, numbers, folder, inner_calls(own.values()))
    found = {name: teller.layer(layer) for name, layer in own.items()}
    functions = {
        f"{layer.name}/{setting}": teller.function(value)
        for layer in in_graph(graph)
        if not is_own(layer)
        for setting in _FUNCTIONS
        if _is_own_function(value := getattr(layer, setting, None))
    }
    losses, problems_of_losses = own_losses(model, folder)
    problems = [
        f"layer {layer.name!r} ({type(layer).__name__}): {why_refused(inner)}"
        for layer, inner in wrapped(graph)
    ]
    problems += problems_of_losses
    problems += [
        f"layer {name!r}: it computes with {path!r}, a weight itself, which is not written yet"
        for name, path in takes_weights(getattr(graph, "_functional", None) or graph)
    ]
    refused = [each.name for pair in wrapped(graph) for each in pair]
    told: Facts = {"layers": found, "functions": functions, "losses": losses}
    told["schedules"] = own_schedules(model, folder)
    plain_layers = [layer for layer in in_graph(graph) if not is_own(layer)]
    told["rules"] = own_rules(plain_layers, folder)
    told |= {"problems": problems, "refused": refused}
    return told, teller.seen


def _is_own_function(value: Any) -> bool:
    """Whether a value is a function that neither Keras nor TensorFlow has."""
    home = (getattr(value, "__module__", None) or "").partition(".")[0]
    return inspect.isfunction(value) and home not in ("keras", "tensorflow", "tf_keras")


class _Teller:
    """Tells of one layer after the other.

    Attributes:
        seen: the IDs of variables and inner layers that were told.
    """

    def __init__(
        self,
        names: Mapping[int, str],
        drawn: Mapping[int, Any],
        numbers: Mapping[int, int],
        folder: Path,
        inner: Mapping[int, list[Facts]],
    ) -> None:
        self._inner_calls = inner
        self._names, self._drawn, self._numbers = names, drawn, numbers
        self._folder = folder
        self._functions: list[Any] = []
        self.seen: set[int] = set()

    def function(self, value: Any) -> Facts:
        """Returns the facts of a function; "number" tells it from others."""
        self._functions.append(value)
        number = next(n for n, each in enumerate(self._functions) if each is value)
        name = getattr(value, "__name__", type(value).__name__)
        return {"name": name, "number": number, "source": quoted(value, self._folder)}

    def layer(self, layer: Any) -> Facts:
        """Returns the facts of a layer."""
        is_lambda = isinstance(layer, keras.layers.Lambda)
        told = self.function(layer.function) if is_lambda else {}
        holds = [] if is_lambda else self._held(layer)
        return {
            "class": type(layer).__name__,
            "source": quoted(type(layer), self._folder),
            "function": {**told, "arguments": plain_of(layer.arguments)} if is_lambda else None,
            "call": _with_mask(_arguments(type(layer).call), holds),
            "settings": _settings(layer),
            "calls": self._calls(layer),
            "is_model": isinstance(layer, keras.Model),
            "mask": _mask_shape(layer),
            "passes_masks": bool(layer.supports_masking) and not has_mask_code(layer),
            "problems": list(self._problems(layer)),
            "draws": _draws(layer),
            "holds": holds,
        }

    def _held(self, layer: Any) -> list[Facts]:
        """Returns what a layer holds in its attributes, in their order: weights and layers."""
        held = dict[int, tuple[str, Any]]()
        for attribute, value in attributes_of(layer):
            held.setdefault(id(value), (attribute, value))
        found: list[Facts] = []
        kind = keras.layers.Layer
        taken = {name.partition(".")[0] for name, value in held.values() if isinstance(value, kind)}
        for attribute, value in held.values():
            if isinstance(value, keras.layers.Layer):
                found.append(self._inner(value, attribute))
            elif is_weight(value) and id(value) in self._names:
                found.append(self._weight(value, attribute, taken))
        return found

    def _weight(self, variable: Any, attribute: str, taken: set[str]) -> Facts:
        """Returns what is told of a weight, which has Keras's name if that is one of its own."""
        name = path_of(variable).rpartition("/")[2]
        if not name.isidentifier() or name.startswith("variable") or name in taken:
            name = attribute.replace(".", "_")
        taken.add(name)
        told = {"what": "weight", "attribute": attribute, "name": name}
        return {**told, **self._began(variable)}

    def _began(self, variable: Any) -> Facts:
        self.seen.add(id(variable))
        call = self._drawn.get(id(variable))
        seed = getattr(call, "seed", None)
        config: Facts | None = None
        if call is not None and is_kerass_own(call) and hasattr(call, "get_config"):
            told = {key: plain(value) for key, value in call.get_config().items()}
            config = {"class_name": type(call).__name__, "config": told}
        if config is None:
            config = _constant(variable.numpy())
        is_drawn = config is not None and config["config"].get("seed") is None
        return {
            "weight": self._names[id(variable)],
            "shape": list(variable.shape),
            "trainable": bool(variable.trainable),
            "initializer": config,
            "draw": self._numbers.get(seed) if is_drawn and isinstance(seed, int) else None,
            "regularizer": getattr(variable, "regularizer", None) is not None,
            "constraint": getattr(variable, "constraint", None) is not None,
        }

    def _inner(self, layer: Any, attribute: str) -> Facts:
        """Returns what is told of a layer that another one holds."""
        told: Facts = {"attribute": attribute, "class": type(layer).__name__}
        calls = self._inner_calls.get(id(layer), [])
        told["masked"] = sorted({name for call in calls for name in call.get("masked", [])})
        if is_own(layer):
            return {**told, "what": "own", "own": self.layer(layer)}
        weights = []
        for variable in layer.variables:
            if is_weight(variable) and id(variable) in self._names:
                weights.append({"name": below(layer, variable), **self._began(variable)})
        refused = [why_refused(each) for _, each in wrapped_in(layer)]
        try:
            entry = keras.saving.serialize_keras_object(layer)
        except Exception as error:  # of a class of the user, inside of it
            refused = refused or [told_of(error)]
        if refused:
            entry = {"class_name": type(layer).__name__, "problem": refused[0]}
        seeds = list(self._seeds_in(layer))
        told |= {"what": "layer", "entry": entry, "weights": weights, "seeds": seeds}
        return told | {"shapes": self._shapes(layer), "built": bool(layer.built)}

    def _calls(self, layer: Any) -> list[Facts]:
        """Returns the shapes of each call of a layer of the user's."""
        nodes = getattr(layer, "_inbound_nodes", ())
        in_graph = [
            facts_of(node.input_tensors, node.outputs)
            | nests_in(layer, node.arguments.args, node.arguments.kwargs)
            | next(iter(self._inner_calls.get(id(node), [])), {})
            for node in nodes
        ]
        return in_graph or self._inner_calls.get(id(layer), [])

    def _shapes(self, layer: Any) -> Facts | None:
        """Returns the shape that an inner layer takes, and what it then returns."""
        calls = self._inner_calls.get(id(layer), [])
        for call in calls:
            if len(call["inputs"]) == len(call["outputs"]) == 1:
                (given,), (made,) = call["inputs"], call["outputs"]
                if len(given) > 1 and None not in (given[-1], made[-1]):
                    return {"input": given, "output": made}
        return _built_for(layer)

    def _seeds_in(self, layer: Any) -> Iterator[tuple[str, int]]:
        """Yields (name of a layer inside, or "", number of the draw that gave its seed)."""
        for each in [layer, *layer._flatten_layers(include_self=False)]:
            self.seen.add(id(each))
            for seed in seeds_of(each):
                if (number := self._numbers.get(seed)) is not None:
                    yield ("" if each is layer else each.name), number

    def _problems(self, layer: Any) -> Iterator[str]:
        if isinstance(layer, keras.layers.Lambda) and has_mask_code(layer):
            yield "its mask is code of its own"
        if takes_mask(layer):
            todo = "write it as a layer of your own, whose call has the argument mask"
            yield f"its function takes the mask, which no port of a Lambda gets: {todo}"
        for attribute, value in vars(layer).items():
            if isinstance(value, dict) and _layers_in(value.values()) and attribute[0] != "_":
                yield f"it holds layers in a dictionary, {attribute!r}"


def _layers_in(values: Any) -> bool:
    return any(isinstance(value, keras.layers.Layer | keras.Variable) for value in values)


def told_of(error: Exception) -> str:
    """Returns an error in one line."""
    return f"{type(error).__name__}: {error}".splitlines()[0]


def _constant(value: np.ndarray) -> Facts | None:
    """Returns the initialiser of a weight whose numbers are alike, which nobody draws; or None."""
    first = float(value.reshape(-1)[0]) if value.size else 0.0
    if (value != first).any() or (value.size == 1 and first not in (0.0, 1.0)):
        return None
    if first in (0.0, 1.0):
        return {"class_name": "Ones" if first else "Zeros", "config": {}}
    return {"class_name": "Constant", "config": {"value": first}}


def _with_mask(arguments: list[Any], holds: Iterable[Facts]) -> list[Any]:
    """Returns the arguments of a call, with the mask that Keras gives layers inside if none has it.

    A tensor of Keras carries it; one of torch does not.
    """
    has_mask = any(name.endswith("mask") for name, *_ in arguments)
    if has_mask or not any(each.get("masked") for each in holds):
        return arguments
    return [*arguments, ["mask", True, None]]


def has_mask_code(layer: Any) -> bool:
    """Whether code of a layer makes the mask of its output."""
    if isinstance(layer, keras.layers.Lambda):
        return layer.mask is not None
    return type(layer).compute_mask is not keras.layers.Layer.compute_mask


def takes_mask(layer: Any) -> bool:
    """Whether a layer is a Lambda whose function is told the mask of its input."""
    return bool(getattr(layer, "_fn_expects_mask_arg", False))


def _mask_shape(layer: Any) -> list[Any] | None:
    """Returns the shape of the mask that code of a layer makes for its output, or None."""
    if not has_mask_code(layer):
        return None
    made = [each for node in getattr(layer, "_inbound_nodes", ()) for each in node.outputs]
    masks = [mask for each in made if (mask := mask_of(each)) is not None]
    return list(masks[0].shape) if masks else None


def _arguments(function: Any) -> list[list[Any]]:
    """Returns name, whether there is a default, and a plain one, of each argument of `call`."""
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = list(inspect.signature(function).parameters.values())[1:]
    return [
        [
            each.name,
            each.default is not inspect.Parameter.empty,
            each.default if is_plain(each.default) else None,
        ]
        for each in parameters
        if each.kind in kinds and each.name != "training"
    ]


def _settings(layer: Any) -> Facts:
    """Returns the settings of a layer: numbers, text, and the names of what is neither."""
    try:
        config = dict(layer.get_config())
    except Exception:  # code of the user's, or a layer that cannot be told
        names = inspect.signature(type(layer).__init__).parameters
        config = {name: getattr(layer, name) for name in names if hasattr(layer, name)}
    unsaid = {*_OF_ALL, *inspect.signature(keras.layers.Layer.__init__).parameters}
    return {
        name: plain(value) if is_plain(value) else _name_of(value)
        for name, value in config.items()
        if name not in unsaid and name.isidentifier() and _is_setting(value)
    }


def _is_setting(value: Any) -> bool:
    """Whether a value is no layer, weight or array: it is a number, text, or has a name."""
    kinds = (keras.layers.Layer, keras.Variable)
    return is_plain(value) or not (isinstance(value, kinds) or hasattr(value, "shape"))


def _name_of(value: Any) -> str:
    """Returns the name of a function, or of the class of an object or of its config.

    Of a number that JSON has not, it is that number: "inf".
    """
    if isinstance(value, float):
        return str(value)
    if isinstance(value, Mapping):
        config = value.get("config")
        name = config if isinstance(config, str) else value.get("class_name", "dict")
        return str(name)
    return str(getattr(value, "__name__", type(value).__name__))


def _built_for(layer: Any) -> Facts | None:
    """Returns the shape that an inner layer was built for, and what it then returns."""
    given = (layer.get_build_config() or {}).get("input_shape")
    if given is None:
        return None
    try:
        made = layer.compute_output_shape(tuple(given))
        return {"input": list(given), "output": list(made)}
    except Exception:  # a layer of several inputs
        return None


def seeds_of(layer: Any) -> Iterator[int]:
    """Yields the seeds of the generators that a layer itself has."""
    for value in vars(layer).values():
        if isinstance(value, keras.random.SeedGenerator):
            yield int(np.asarray(value.state)[0])


def _draws(layer: Any) -> bool:
    return any(True for _ in seeds_of(layer))
