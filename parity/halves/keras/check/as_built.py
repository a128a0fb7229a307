"""Weights that a check leaves as the factory made them, since a port may have its own of them.

A model goes in; names come out. Other weights that are constant get other values in a check, which
are carried into the port. What a port computes by itself, such as the statistics by which it
normalises its data, has the values of the program alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import keras
import numpy as np

from keras_impl.reference import Reference
from parity.halves.keras import versions
from parity.halves.keras.check.model import named_weights
from parity.halves.keras.check.parts import parts_in, whole_of


def kept_as_built(reference: Reference) -> list[str]:
    """Returns the names of the weights of a model that keep the values of its factory.

    These are the statistics of a `Normalization` that has seen data; and, of a model with a
    `train_step` of its own, what no optimizer can move, and no network holds.
    """
    kept = {id(variable) for variable in _statistics(reference.model)}
    whole = whole_of(reference).model
    if whole is not reference.model:
        kept |= {id(variable) for variable in _constants(whole)}
    return [name for name, each in named_weights(reference.model).items() if id(each) in kept]


def _statistics(model: keras.Model) -> Iterator[keras.Variable]:
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.Normalization) and layer.weights:
            mean, variance = (np.asarray(each) for each in layer.weights[:2])
            if mean.any() or (variance != 1).any():
                yield from layer.weights


def _constants(model: keras.Model) -> Iterator[keras.Variable]:
    for layer in parts_in(model).values():
        if not isinstance(layer, keras.Model) and not layer.trainable_variables:
            yield from layer.weights
    trained = {id(variable) for variable in model.trainable_variables}
    yield from (each for each in versions.own_weights(model) if id(each) not in trained)
