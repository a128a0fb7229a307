"""What the probes need of a Keras model: its weights by name, its inputs, and batches to feed it.

A Sequential, functional, nested or subclassed model goes in. Names and values of its weights and
the shapes of its inputs come out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_impl.harness import versions
from keras_impl.harness.casts import in_float64
from keras_impl.harness.factories import Reference
from parity.data.samples import Samples
from parity.errors import InputError

# Layers that make numbers of texts.
_OF_TEXTS = ("StringLookup", "TextVectorization", "Hashing", "HashedCrossing")


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
    return {
        name: variable.numpy()
        for name, variable in named_variables(model).items()
        if versions.is_weight(variable)
    }


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


def signature(reference: Reference) -> list[dict[str, Any]]:
    """Returns the model's inputs.

    Each has its name, the shape of a sample, and the number of its tokens or None; also whether
    tokens of 0 pad a sequence, and the number of whole values that a pixel may have, or None.
    """
    model = reference.model
    _refuse_texts(model)
    if reference.input_shapes:
        return [
            {"name": f"input{number}", "shape": list(shape), "tokens": None}
            for number, shape in enumerate(reference.input_shapes)
        ]
    inputs = getattr(model, "inputs", None)
    if not inputs:
        raise InputError(
            "the Keras model does not know the shape of its input; build it, start it with "
            "keras.Input, or return keras_impl.Reference(model, input_shapes=[...])"
        )
    embeddings = [
        layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.Embedding)
    ]
    return [
        {
            "name": tensor.name,
            "shape": list(tensor.shape[1:]),
            "tokens": min((layer.input_dim for layer in embeddings), default=None)
            if _feeds_embedding(tensor, embeddings)
            else None,
            "padded": any(layer.mask_zero for layer in embeddings),
            "levels": _levels(tensor),
        }
        for tensor in inputs
    ]


def _refuse_texts(model: keras.Model) -> None:
    """Refuses a model that is fed texts, which a port cannot be given."""
    inputs = getattr(model, "inputs", None) or []
    if not any("string" in str(getattr(x.dtype, "name", x.dtype)) for x in inputs):
        return
    layers = [layer for layer in model._flatten_layers() if type(layer).__name__ in _OF_TEXTS]
    told = ", ".join(f"{layer.name} ({type(layer).__name__})" for layer in layers)
    raise InputError(
        f"the Keras model is fed texts{f', which {told} takes' if told else ''}: cut it there, and "
        "let the factory return the rest, which starts with keras.Input(..., dtype='int64') or "
        "numbers; the texts are then prepared once, for both halves"
    )


def _levels(tensor: Any) -> int | None:
    """Returns how many values an input of whole numbers takes: pixels of an image."""
    name = str(getattr(tensor.dtype, "name", tensor.dtype))
    return None if "int" not in name else 128 if name == "int8" else 256


def _feeds_embedding(tensor: Any, embeddings: list[Any]) -> bool:
    for layer in embeddings:
        for node in layer._inbound_nodes:
            if any(argument is tensor for argument in versions.tensors_of(node)):
                return True
    # A nested model has its own tensor; a Sequential has only one input.
    return bool(embeddings) and len(tensor.shape) <= 2


def kept_batch(model: keras.Model) -> int | None:
    """Returns the only batch size that a model with a stateful layer takes; None for any size."""
    stateful = [each for each in model._flatten_layers() if getattr(each, "stateful", False)]
    sizes = [tensor.shape[0] for tensor in getattr(model, "inputs", None) or []]
    return next((size for size in sizes if size is not None), None) if stateful else None


def forget_states(model: keras.Model) -> None:
    """Sets the states that layers keep from batch to batch to zero, as before the first one."""
    for layer in model._flatten_layers():
        if getattr(layer, "stateful", False):
            for variable in tf.nest.flatten(getattr(layer, "states", None) or []):
                variable.assign(tf.zeros_like(variable))


def build(reference: Reference, samples: Samples) -> None:
    """Creates the variables of a model that has not been called yet."""
    if not reference.model.built:
        with in_float64():
            reference.model(as_fed(samples.inputs("eval", 1)), training=False)


def as_fed(inputs: list[np.ndarray]) -> Any:
    """Returns the arrays of a batch in the form in which a model takes them."""
    tensors = [tf.constant(value) for value in inputs]
    return tensors[0] if len(tensors) == 1 else tensors
