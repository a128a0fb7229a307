"""The weights of a Keras model: by name, by path, and the initialisers that drew them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_impl.reference import Reference
from parity.data.samples import Samples
from parity.halves.keras import versions
from parity.halves.keras.casts import in_float64, noted_initializer
from parity.halves.keras.check.structure import as_fed
from parity.halves.keras.check.symbolic import is_custom, is_graph
from parity.halves.keras.versions import direct_weights, is_from_keras, path_of

# --- The weights of a Keras model by name ---------------------------------------------------------
#
# A Sequential, functional, nested or subclassed model goes in. Names and values of its weights come
# out.


def named_variables(model: keras.Model) -> dict[str, keras.Variable]:
    """Returns all weights by name: "conv1.kernel", or "outer.inner/kernel" for a nested layer.

    A name consists of the name of the called layer and the variable's path below it. A weight that
    a model, or a layer with inner layers, holds itself has the name of its holder: "block.scale".
    """
    named: dict[str, keras.Variable] = {}
    visited = set()

    def add(variable: keras.Variable, holder: str, below: str) -> None:
        if id(variable) in visited:
            return
        visited.add(id(variable))
        name, number = f"{holder}.{below}", 1
        while name in named:
            number += 1
            name = f"{holder}#{number}.{below}"
        named[name] = variable

    for layer in leaves(model):
        for variable in layer.weights:
            path = versions.path_of(variable)
            below = path.split(f"{layer.name}/", 1)[-1] if f"{layer.name}/" in path else path
            add(variable, layer.name, below)
    for holder in model._flatten_layers():
        for variable in versions.direct_weights(holder):
            add(variable, holder.name, versions.path_of(variable).rsplit("/", 1)[-1])
    for variable in model.weights:  # held in a way that Keras does not tell
        holder_name, _, below = versions.path_of(variable).rpartition("/")
        add(variable, holder_name.rpartition("/")[2] or model.name, below)
    return named


def leaves(model: keras.Model) -> list[keras.Layer]:
    """Returns the layers that are called as a whole, containers resolved, in order."""
    found: list[keras.Layer] = []
    for layer in model._flatten_layers(include_self=False, recursive=False):
        is_keras_layer = versions.is_from_keras(layer) and not isinstance(layer, keras.Model)
        inner = list(layer._flatten_layers(include_self=False, recursive=False))
        if inner and not is_keras_layer:
            found += leaves(layer)
        else:
            found.append(layer)
    return found


def get_weights(model: keras.Model) -> dict[str, np.ndarray]:
    """Returns all weights by name, also those that are not trained, but not generator states."""
    return {name: variable.numpy() for name, variable in named_weights(model).items()}


def named_weights(model: keras.Model) -> dict[str, keras.Variable]:
    """Returns the variables of all these weights by name."""
    found = named_variables(model).items()
    return {name: variable for name, variable in found if versions.is_weight(variable)}


def set_weights(model: keras.Model, weights: Mapping[str, np.ndarray]) -> None:
    """Sets weights by name."""
    variables = named_variables(model)
    for name, value in weights.items():
        variables[name].assign(value)
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()  # this layer computes with copies of its weights


def trainable(model: keras.Model) -> dict[str, keras.Variable]:
    """Returns the weights that are trained, by name."""
    trained = {id(variable) for variable in model.trainable_variables}
    return {
        n: variable for n, variable in named_variables(model).items() if id(variable) in trained
    }


def is_built(model: keras.Model) -> bool:
    """Whether a model has all of its weights.

    A cell of the user's without a `build` gets those of its layers when it is called with numbers:
    Keras finds the shapes of a recurrent layer without a call of its cell. Likewise a model of the
    user's, whose `build` may build none of its layers.
    """
    return model.built and all(layer.built for layer in model._flatten_layers())


def build(reference: Reference, samples: Samples) -> None:
    """Creates the variables of a model that has not been called yet."""
    if not is_built(reference.model):
        with in_float64():
            x = samples.inputs("eval", samples.fixed or 1)
            reference.model(as_fed(reference, x), training=False)


# --- The initialisers of a Keras model: which object drew a weight, and how to draw it again ------
#
# A model goes in; weight name -> Initializer comes out. A layer of Keras has the initialiser of
# each weight as an attribute. A layer of the user may create a weight without one; its weights can
# only be drawn again by building the model again.


# Name of a variable -> beginnings of the argument with its initialiser, if the names differ.
_DRAWN_BY = {
    "kernel": ("kernel", "depthwise"),
    "recurrent_kernel": ("recurrent",),
    "depthwise_kernel": ("depthwise",),
    "pointwise_kernel": ("pointwise",),
    "reverse_embeddings": ("embeddings",),
}


@dataclass(frozen=True)
class Initializer:
    """What drew a weight.

    Attributes:
        call: the initialiser, called with a shape and a dtype.
        config: its configuration with its "class"; a class of the user has its module before the
            name. Empty for a function.
    """

    call: Callable[..., Any]
    config: Mapping[str, Any]

    def draw(self, shape: Sequence[int], seed: int) -> np.ndarray:
        """Draws anew, also if the initialiser has a seed of its own."""
        call: Any = self.call
        config = {}
        if hasattr(call, "get_config") and hasattr(type(call), "from_config"):
            config = call.get_config()
            if "seed" in config:
                config = {**config, "seed": seed}
            call = type(call).from_config(config)
        # TensorFlow forgets its compiled kernels with every new seed, so that the next operations
        # take ten times as long. Keras's own initialisers draw from their seed alone.
        if "seed" not in config or not is_from_keras(call):
            keras.utils.set_random_seed(seed)
        return np.asarray(call(tuple(shape), dtype=keras.backend.floatx()))


def initializers(model: keras.Model) -> dict[str, Initializer]:
    """Returns weight name -> initialiser, for the weights whose layer tells it."""
    owners = {  # of a weight that two layers hold, the inner one
        id(variable): layer
        for leaf in reversed(leaves(model))
        for layer in [leaf, *leaf._flatten_layers(include_self=False)]
        for variable in direct_weights(layer)
    }
    found = {}
    for name, variable in named_variables(model).items():
        short = path_of(variable).rpartition("/")[2]
        owner = owners.get(id(variable))
        for stem in _DRAWN_BY.get(short, (short,)):
            call = getattr(owner, f"{stem}_initializer", None)
            if callable(call):
                found[name] = Initializer(call, _config(call))
                break
    return found


def all_initializers(model: keras.Model) -> dict[str, Initializer]:
    """Returns the same with those of layers of the user, which keep none as an attribute."""
    found = {
        name: Initializer(call, _config(call))
        for name, variable in named_variables(model).items()
        if (call := noted_initializer(variable)) is not None
    }
    return found | initializers(model)


def _config(call: Any) -> dict[str, Any]:
    if not hasattr(call, "get_config"):
        return {}
    try:
        config = dict(call.get_config())
    except (NotImplementedError, TypeError, ValueError):  # of a class of the user
        config = {}
    kind = type(call)
    name = kind.__name__ if is_from_keras(call) else f"{kind.__module__}.{kind.__name__}"
    return {"class": name, **config}


# --- The weights of a model by their names in the trace, and by their paths below layers ----------


@dataclass(frozen=True)
class Weights:
    """The weights of a model, before its layers got other names for a while.

    Attributes:
        variables: by their names in the trace.
        initial: how they began, by the same names.
    """

    variables: Mapping[str, Any]
    initial: Mapping[str, Any]


def weights_of(model: keras.Model) -> Weights:
    """Returns the weights of a model."""
    return Weights(named_variables(model), initializers(model))


def paths_apart(model: Any) -> dict[int, str]:
    """Returns paths through all models inside, where Keras gives several layers or weights one.

    Args:
        model: of any kind; one without a graph has none.

    Returns:
        ID of a layer or variable -> its path.
    """
    found: dict[int, str] = {}
    names: dict[str, set[int]] = {}

    def walk(holder: Any, before: str) -> None:
        for layer in holder.layers if is_graph(holder) else ():
            path = f"{before}{layer.name}"
            if is_graph(layer):
                walk(layer, f"{path}/")
                continue
            names.setdefault(layer.name, set()).add(id(layer))
            found.setdefault(id(layer), path)
            for variable in layer.variables:
                names.setdefault(path_of(variable), set()).add(id(variable))
                found.setdefault(id(variable), f"{path}/{below(layer, variable)}")

    walk(model, "")
    several = {each for ids in names.values() if len(ids) > 1 for each in ids}
    return {each: path for each, path in found.items() if each in several}


def paths_on_top(graph: Any, weights: Weights) -> dict[str, str]:
    """Returns paths of weights that have not the name of their layer, since one inside has it.

    Args:
        graph: a functional model, whose own layers have names of their own.
        weights: of it.

    Returns:
        Path by the name in the trace: "dense/kernel" of "dense#2.kernel". Without the user's own
        layers, which tell the paths of their weights.
    """
    names = {id(variable): name for name, variable in weights.variables.items()}
    return {
        names[id(variable)]: f"{layer.name}/{below(layer, variable)}"
        for layer in (graph.layers if is_graph(graph) else ())
        if not is_graph(layer) and not is_custom(layer)
        for variable in layer.variables
        if "#" in names.get(id(variable), "")
    }


def below(layer: Any, variable: Any, name: str = "") -> str:
    """Returns the path of a variable below a layer.

    Args:
        layer: has the variable.
        variable: of the layer, or of one inside of it.
        name: that the layer had when the variable was made; "": that of today.
    """
    parts, name = path_of(variable).split("/"), name or layer.name
    if name in parts:
        return "/".join(parts[parts.index(name) + 1 :])
    # The layers of a functional model had their weights before it had them.
    for inner in layer.layers if is_graph(layer) else ():
        if any(each is variable for each in inner.variables):
            return f"{inner.name}/{below(inner, variable)}"
    return parts[-1]
