"""Builds the Keras models of this package: a classifier around some layers."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers as L

IMAGE = (None, None, 3)
SEQUENCE = (None, 4)


def classified(inputs: Any, x: Any) -> keras.Model:
    """Averages the output to a vector, and compiles a classifier with logits."""
    if len(x.shape) == 4:
        x = L.GlobalAveragePooling2D()(x)
    elif len(x.shape) == 3:
        x = L.GlobalAveragePooling1D()(x)
    model = keras.Model(inputs, L.Dense(5)(x))
    model.compile(
        keras.optimizers.SGD(0.05), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    return model


def stack(shape: tuple[int | None, ...], *layers: Any) -> keras.Model:
    """A stack of layers, then a classifier."""
    inputs = x = keras.Input(shape)
    for layer in layers:
        x = layer(x)
    return classified(inputs, x)
