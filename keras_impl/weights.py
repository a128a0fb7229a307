"""Weights, gradients and optimizer state in the portable layout, which is Keras's own.

Layers are named by kind and order, "conv1.kernel", "dense2.bias", so that names do not depend on
how many models were built before.
"""

from __future__ import annotations

from collections.abc import Iterator

import keras
import numpy as np

KINDS = {
    "Conv2D": "conv",
    "MaxPooling2D": "pool",
    "Dropout": "dropout",
    "Flatten": "flatten",
    "Dense": "dense",
}


def named_layers(model: keras.Model) -> Iterator[tuple[str, keras.Layer]]:
    """Yields (portable name, layer) in order; the only Flatten has no number."""
    counts: dict[str, int] = {}
    for layer in model.layers:
        kind = KINDS[type(layer).__name__]
        counts[kind] = counts.get(kind, 0) + 1
        yield kind if kind == "flatten" else f"{kind}{counts[kind]}", layer


def named_variables(model: keras.Model) -> Iterator[tuple[str, keras.Variable]]:
    """Yields (portable name, trainable variable): layer by layer, kernel before bias."""
    for layer_name, layer in named_layers(model):
        for variable in layer.trainable_variables:
            yield f"{layer_name}.{variable.name}", variable


def get_weights(model: keras.Model) -> dict[str, np.ndarray]:
    """Returns all weights by name."""
    return {name: variable.numpy() for name, variable in named_variables(model)}


def set_weights(model: keras.Model, weights: dict[str, np.ndarray]) -> None:
    """Sets all weights.

    Raises:
        ValueError: names or shapes are not those of the model.
    """
    variables = dict(named_variables(model))
    if variables.keys() != weights.keys():
        raise ValueError(f"weights {sorted(weights)}: expected {sorted(variables)}")
    for name, variable in variables.items():
        variable.assign(weights[name])
