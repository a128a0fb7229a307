"""What a port is given of custom layers and functions, whose code it does not have."""

from __future__ import annotations

import importlib
import inspect
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from parity.halves.keras import versions
from parity.halves.keras.casts import noted_initializer
from parity.halves.keras.check.custom_losses import custom_loss_facts
from parity.halves.keras.check.quoted_code import (
    custom_rule_facts,
    custom_schedule_facts,
    is_plain,
    plain,
    plain_of,
    quoted,
)
from parity.halves.keras.check.symbolic import (
    attributes_of,
    custom_layers_in,
    in_graph,
    is_custom,
    takes_weights,
    why_refused,
    wrapped,
    wrapped_in,
)
from parity.halves.keras.check.weights import Weights, below
from parity.halves.keras.versions import is_from_keras, is_weight, mask_of, path_of

# --------------------------------------------------------------------------------------------------
#
# In which nests a call takes and returns its tensors: lists and dicts, with shapes in them.
#
# A call goes in. Its nests come out, ready for JSON: {"dict": [[key, nest], ...]}, {"list": [nest,
# ...]}, or {"shape": [...]} of a tensor, batch axis included.


Nest = dict[str, Any]


def nest_of(value: Any) -> Nest | None:
    """Returns the nest of tensors in a value; None if there is none."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return {"shape": list(value.shape)}
    if isinstance(value, Mapping):
        inner = {str(key): nest_of(each) for key, each in value.items()}
        pairs = [[key, each] for key, each in inner.items()]
        return {"dict": pairs} if _is_known(list(inner.values())) else None
    if isinstance(value, list | tuple):
        entries = [nest_of(each) for each in value]
        return {"list": entries} if _is_known(entries) else None
    return None


def nests_of(function: Any, arguments: Any, keywords: Mapping[str, Any]) -> dict[str, Nest]:
    """Returns the nests of the arguments of a call by name; {} if each is one tensor, or has none.

    Args:
        function: that is called: a bound method.
        arguments: in order.
        keywords: by name.
    """
    try:
        bound = inspect.signature(function).bind(*arguments, **keywords).arguments
    except (TypeError, ValueError):  # code of the user's may take anything
        return {}
    nests = {name: nest_of(value) for name, value in bound.items()}
    found = {name: nest for name, nest in nests.items() if nest is not None}
    return found if any("shape" not in nest for nest in found.values()) else {}


def _is_known(entries: list[Nest | None]) -> bool:
    """Whether all entries of a nest are tensors, and there is one."""
    return bool(entries) and None not in entries


# --- What layers of the user's own call the layers inside of them with, which no graph tells ------


Facts = dict[str, Any]


def inner_calls(layers: Iterable[Any]) -> dict[int, list[Facts]]:
    """Runs the code of layers on tensors that have shapes and no numbers, and draws nothing.

    Args:
        layers: in the graph of a model; each is called as it is called there.

    Returns:
        id of each layer that they call -> the facts of its different calls; see `facts_of`. Those
        of a layer whose code does not bear it are left out. And id of each node of the graph whose
        call returns a dict -> what is "returned".
    """
    backend = importlib.import_module("keras.src.backend")
    found: dict[int, list[Facts]] = {}
    for layer in layers:
        for node in getattr(layer, "_inbound_nodes", ()):
            given = node.arguments
            call = partial(_call_with_masks, layer, given)
            with _noted(found), suppress(Exception):  # code of the user's may raise anything
                made = backend.compute_output_spec(call, *given.args, **given.kwargs)
                if facts := _returned(made):
                    found[id(node)] = [facts]
    return found


def _call_with_masks(layer: Any, given: Any, *arguments: Any, **keywords: Any) -> Any:
    """Calls the code of a layer; its inputs carry masks where they do so in the graph.

    Args:
        layer: of the user's.
        given: the arguments in the graph.
        arguments: in the place of these.
        keywords: likewise.
    """
    places = tf.nest.flatten((given.args, given.kwargs))
    values = tf.nest.flatten((arguments, keywords))
    known = {id(place): value for place, value in zip(places, values, strict=True)}
    for place, value in zip(places, values, strict=True):
        if (mask := versions.mask_of(place)) is not None:
            shape = [1 if side is None else side for side in mask.shape]
            value._keras_mask = known.get(id(mask), tf.ones(shape, "bool"))
    return layer.call(*arguments, **keywords)


@contextmanager
def _noted(found: dict[int, list[Facts]]) -> Iterator[None]:
    call_layer = versions.Layer.__call__

    def noted(layer: Any, *arguments: Any, **keywords: Any) -> Any:
        masked = masked_by_keras(layer, arguments, keywords)
        made = call_layer(layer, *arguments, **keywords)
        facts = facts_of(tf.nest.flatten((arguments, keywords)), tf.nest.flatten(made))
        facts |= nests_in(layer, arguments, keywords) | _returned(made)
        facts |= {"masked": masked} if masked else {}
        calls = found.setdefault(id(layer), [])
        if facts not in calls:
            calls.append(facts)
        return made

    versions.Layer.__call__ = noted
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras tells of layers that end a mask in each call
            yield
    finally:
        versions.Layer.__call__ = call_layer


def masked_by_keras(layer: Any, arguments: Any, keywords: Any) -> list[str]:
    """Returns the arguments of a layer that Keras fills with the masks which its inputs carry.

    Args:
        layer: that is called.
        arguments: of the call.
        keywords: likewise.
    """
    try:
        bound = inspect.signature(layer.call).bind(*arguments, **keywords).arguments
    except TypeError:  # Keras tells what is wrong with the call
        return []
    known = {*inspect.signature(layer.call).parameters}
    tensors = {
        name: found
        for name, value in bound.items()
        if not name.endswith("mask") and (found := [*filter(_is_tensor, tf.nest.flatten(value))])
    }
    is_one = len(tensors) == 1
    return [
        mask
        for name, found in tensors.items()
        if (mask := "mask" if is_one and "mask" in known else f"{name}_mask") in known
        and bound.get(mask) is None
        and any(versions.mask_of(tensor) is not None for tensor in found)
    ]


def _is_tensor(value: Any) -> bool:
    return hasattr(value, "shape") and hasattr(value, "dtype")


def nests_in(layer: Any, arguments: Any, keywords: Any) -> Facts:
    """Returns "nests" of the arguments of a call, if one has several tensors: `taken_nests`."""
    nests = nests_of(layer.call, arguments, keywords)
    return {"nests": nests} if nests else {}


def _returned(made: Any) -> Facts:
    """Returns the nest of what a call "returned", if that is a dict."""
    nest = nest_of(made)
    return {"returned": nest} if nest and "dict" in nest else {}


def facts_of(inputs: Iterable[Any], outputs: Iterable[Any]) -> Facts:
    """Returns the shapes of one call, batch axis included, and the dtypes of what it returns."""
    given, made = ([*filter(_is_tensor, values)] for values in (inputs, outputs))
    return {
        "inputs": [list(tensor.shape) for tensor in given],
        "outputs": [list(tensor.shape) for tensor in made],
        "dtypes": [keras.backend.standardize_dtype(tensor.dtype) for tensor in made],
    }


# --------------------------------------------------------------------------------------------------
#
# What a port is told of layers and functions of the user's own, whose code it does not have.
#
# A reference goes in. Facts come out, ready for JSON: the shapes that a layer takes and returns,
# its weights and how they began, the layers of Keras inside of it, its settings, and its source.


# Settings of every layer, and those of a Lambda, whose function is told as such.
_OF_ALL = ("name", "trainable", "dtype", "function", "output_shape", "mask", "arguments")
_FUNCTIONS = ("activation", "recurrent_activation")


def custom_code_facts(
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
    layers = custom_layers_in(graph)
    teller = _Teller(names, drawn, numbers, folder, inner_calls(layers.values()))
    found = {name: teller.layer(layer) for name, layer in layers.items()}
    functions = {
        f"{layer.name}/{setting}": teller.function(value)
        for layer in in_graph(graph)
        if not is_custom(layer)
        for setting in _FUNCTIONS
        if _is_custom_function(value := getattr(layer, setting, None))
    }
    losses, problems_of_losses = custom_loss_facts(model, folder)
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
    facts: Facts = {"layers": found, "functions": functions, "losses": losses}
    facts["schedules"] = custom_schedule_facts(model, folder)
    plain_layers = [layer for layer in in_graph(graph) if not is_custom(layer)]
    facts["rules"] = custom_rule_facts(plain_layers, folder)
    facts |= {"problems": problems, "refused": refused}
    return facts, teller.visited_ids


def _is_custom_function(value: Any) -> bool:
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
        self.visited_ids: set[int] = set()

    def function(self, value: Any) -> Facts:
        """Returns the facts of a function; "number" tells it from others."""
        self._functions.append(value)
        number = next(n for n, each in enumerate(self._functions) if each is value)
        name = getattr(value, "__name__", type(value).__name__)
        return {"name": name, "number": number, "source": quoted(value, self._folder)}

    def layer(self, layer: Any) -> Facts:
        """Returns the facts of a layer."""
        is_lambda = isinstance(layer, keras.layers.Lambda)
        function = self.function(layer.function) if is_lambda else {}
        holds = [] if is_lambda else self._attribute_facts(layer)
        return {
            "class": type(layer).__name__,
            "source": quoted(type(layer), self._folder),
            "function": {**function, "arguments": plain_of(layer.arguments)} if is_lambda else None,
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

    def _attribute_facts(self, layer: Any) -> list[Facts]:
        """Returns what a layer holds in its attributes, in their order: weights and layers."""
        attributes = dict[int, tuple[str, Any]]()
        for attribute, value in attributes_of(layer):
            attributes.setdefault(id(value), (attribute, value))
        found: list[Facts] = []
        kind = keras.layers.Layer
        used_names = {
            name.partition(".")[0] for name, value in attributes.values() if isinstance(value, kind)
        }
        for attribute, value in attributes.values():
            if isinstance(value, keras.layers.Layer):
                found.append(self._inner(value, attribute))
            elif is_weight(value) and id(value) in self._names:
                found.append(self._weight(value, attribute, used_names))
        return found

    def _weight(self, variable: Any, attribute: str, used_names: set[str]) -> Facts:
        """Returns what is told of a weight, which has Keras's name if that is one of its own."""
        name = path_of(variable).rpartition("/")[2]
        if not name.isidentifier() or name.startswith("variable") or name in used_names:
            name = attribute.replace(".", "_")
        used_names.add(name)
        facts = {"what": "weight", "attribute": attribute, "name": name}
        return {**facts, **self._began(variable)}

    def _began(self, variable: Any) -> Facts:
        self.visited_ids.add(id(variable))
        call = self._drawn.get(id(variable))
        seed = getattr(call, "seed", None)
        config: Facts | None = None
        if call is not None and is_from_keras(call) and hasattr(call, "get_config"):
            settings = {key: plain(value) for key, value in call.get_config().items()}
            config = {"class_name": type(call).__name__, "config": settings}
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
        facts: Facts = {"attribute": attribute, "class": type(layer).__name__}
        calls = self._inner_calls.get(id(layer), [])
        facts["masked"] = sorted({name for call in calls for name in call.get("masked", [])})
        if is_custom(layer):
            return {**facts, "what": "own", "own": self.layer(layer)}
        weights = []
        for variable in layer.variables:
            if is_weight(variable) and id(variable) in self._names:
                weights.append({"name": below(layer, variable), **self._began(variable)})
        refused = [why_refused(each) for _, each in wrapped_in(layer)]
        try:
            entry = keras.saving.serialize_keras_object(layer)
        except Exception as error:  # of a class of the user, inside of it
            refused = refused or [error_line(error)]
        if refused:
            entry = {"class_name": type(layer).__name__, "problem": refused[0]}
        seeds = list(self._seeds_in(layer))
        facts |= {"what": "layer", "entry": entry, "weights": weights, "seeds": seeds}
        return facts | {"shapes": self._shapes(layer), "built": bool(layer.built)}

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
            self.visited_ids.add(id(each))
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


def error_line(error: Exception) -> str:
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
