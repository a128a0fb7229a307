"""The small Keras network for testing losses, optimizers and schedules."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers as L
from keras import optimizers


def mlp(optimizer: Any = None, loss: Any = "mse", *, num: int = 3, **keywords: Any) -> keras.Model:
    """Two layers; squared error and SGD by default."""
    inputs = keras.Input((7,))
    x = L.Dense(5, activation="tanh", **keywords)(inputs)
    model = keras.Model(inputs, L.Dense(num)(x))
    model.compile(optimizer or optimizers.SGD(0.05), loss)
    return model


def activated(activation: str, num: int, loss: Any) -> keras.Model:
    """Two layers; the last one has an activation."""
    inputs = keras.Input((7,))
    x = L.Dense(num, activation=activation)(L.Dense(5, activation="tanh")(inputs))
    model = keras.Model(inputs, x)
    model.compile(optimizers.SGD(0.05), loss)
    return model
