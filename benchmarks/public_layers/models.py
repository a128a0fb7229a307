"""Small Keras models around the layer of a setting."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from benchmarks.public_layers.setting import Given, Setting


def bare(setting: Setting) -> keras.Model:
    """Returns a model whose outputs are those of the layer.

    A dense layer of the same size is in front of it, so that gradients go through the layer.
    """
    inputs = [_input(given) for given in setting.given]
    pairs = zip(inputs, setting.given, strict=True)
    tensors = [_front(x, given, number) for number, (x, given) in enumerate(pairs)]
    made = inputs if setting.layer == "InputLayer" else setting.call(tensors)
    return keras.Model(inputs, made)


def checkable(setting: Setting) -> keras.Model:
    """Returns a compiled model: the bare one, and a dense layer behind all of its outputs."""
    model = bare(setting)
    flat = [layers.Flatten(name=f"flat{n}")(y) for n, y in enumerate(model.outputs)]
    y = flat[0] if len(flat) == 1 else layers.Concatenate(name="joined")(flat)
    whole = keras.Model(model.inputs, layers.Dense(2, name="head")(y))
    whole.compile(keras.optimizers.SGD(0.05), loss="mse")
    return whole


def _input(given: Given) -> Any:
    return keras.Input(given.shape, dtype=None if given.high is None else "int64")


def _front(x: Any, given: Given, number: int) -> Any:
    if given.high is not None:
        return x
    if given.is_masked:
        x = layers.Masking(name=f"masking{number}")(x)
    if given.scale != 1:
        x = layers.Rescaling(given.scale, name=f"scaled{number}")(x)
    return layers.Dense(given.shape[-1], name=f"front{number}")(x)
