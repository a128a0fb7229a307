"""The weights of a Keras model by name.

A Sequential, functional, nested or subclassed model goes in. Names and values of its weights come
out.
"""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np

from keras_impl.reference import Reference
from parity.data.samples import Samples
from parity.halves.keras import versions
from parity.halves.keras.casts import in_float64
from parity.halves.keras.check.structure import as_fed


def named_variables(model: keras.Model) -> dict[str, keras.Variable]:
    """Returns all weights by name: "conv1.kernel", or "outer.inner/kernel" for a nested layer.

    A name consists of the name of the called layer and the variable's path below it. A weight that
    a model, or a layer with inner layers, holds itself has the name of its holder: "block.scale".
    """
    named: dict[str, keras.Variable] = {}
    seen = set()

    def add(variable: keras.Variable, holder: str, below: str) -> None:
        if id(variable) in seen:
            return
        seen.add(id(variable))
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
        for variable in versions.own_weights(holder):
            add(variable, holder.name, versions.path_of(variable).rsplit("/", 1)[-1])
    for variable in model.weights:  # held in a way that Keras does not tell
        holder_name, _, below = versions.path_of(variable).rpartition("/")
        add(variable, holder_name.rpartition("/")[2] or model.name, below)
    return named


def leaves(model: keras.Model) -> list[keras.Layer]:
    """Returns the layers that are called as a whole, containers resolved, in order."""
    found: list[keras.Layer] = []
    for layer in model._flatten_layers(include_self=False, recursive=False):
        is_own = versions.is_kerass_own(layer) and not isinstance(layer, keras.Model)
        inner = list(layer._flatten_layers(include_self=False, recursive=False))
        if inner and not is_own:
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
