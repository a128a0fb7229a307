"""Small Keras models around the layers of settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers

from benchmarks.public_layers.setting import Given, Setting


def bare(setting: Setting) -> keras.Model:
    """Returns a model whose outputs are those of the layer.

    A dense layer of the same size is in front of it, so that gradients go through the layer.
    """
    inputs, made = around(setting)
    return keras.Model(inputs, made)


def checkable(settings: Sequence[Setting]) -> keras.Model:
    """Returns a compiled model of one or more branches: `bare`, and one dense layer behind all."""
    given, flat = [], []
    for setting in settings:
        inputs, made = around(setting)
        given += inputs
        # In eval mode a RandomCrop leaves images at their size.
        kind = layers.GlobalAveragePooling2D if setting.layer == "RandomCrop" else layers.Flatten
        flat += [kind(name=f"{setting.name}_flat{number}")(y) for number, y in enumerate(made)]
    y = flat[0] if len(flat) == 1 else layers.Concatenate(name="joined")(flat)
    model = keras.Model(given, layers.Dense(2, name="head")(y))
    model.compile(keras.optimizers.SGD(0.05), loss="mse")
    return model


def around(setting: Setting) -> tuple[list[Any], list[Any]]:
    """Returns the inputs of the layer's branch, and the outputs of the layer."""
    inputs = [_input(given) for given in setting.given]
    tensors = [
        _front(x, given, f"{setting.name}_{{}}{number}")
        for number, (x, given) in enumerate(zip(inputs, setting.given, strict=True))
    ]
    return inputs, inputs if setting.layer == "InputLayer" else setting.call(tensors)


def _input(given: Given) -> Any:
    return keras.Input(given.shape, dtype=None if given.high is None else "int64")


def _front(x: Any, given: Given, name: str) -> Any:
    if given.high is not None:
        return x
    if given.is_masked:
        x = layers.Masking(name=name.format("masking"))(x)
    return layers.Dense(given.shape[-1], name=name.format("front"))(x)
