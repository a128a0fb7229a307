"""Whole small Keras programs: blocks, several inputs, maps as outputs, the user's own models."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers as L
from keras import losses, optimizers

from benchmarks.pairs.keras_base import IMAGE, classified
from keras_impl import Reference


def resnet_stem() -> keras.Model:
    """A layer for zero padding, then a valid convolution, as in Keras's ResNet50."""
    inputs = keras.Input(IMAGE)
    x = L.ZeroPadding2D(3)(inputs)
    x = L.Conv2D(4, 7, strides=2, use_bias=False)(x)
    x = L.BatchNormalization(epsilon=1.001e-5)(x)
    x = L.ReLU()(x)
    x = L.ZeroPadding2D(1)(x)
    return classified(inputs, L.MaxPooling2D(3, strides=2)(x))


def three_branches() -> keras.Model:
    """Three branches that one layer adds."""
    inputs = keras.Input(IMAGE)
    parts = [L.Conv2D(4, size, padding="same")(inputs) for size in (1, 3, 5)]
    return classified(inputs, L.ReLU()(L.Add()(parts)))


def squeeze_excite() -> keras.Model:
    """A gate for each channel."""
    inputs = keras.Input(IMAGE)
    x = L.Conv2D(6, 3, activation="relu")(inputs)
    gate = L.GlobalAveragePooling2D(keepdims=True)(x)
    gate = L.Conv2D(2, 1, activation="relu")(gate)
    gate = L.Conv2D(6, 1, activation="sigmoid")(gate)
    return classified(inputs, L.Multiply()([x, gate]))


def two_inputs() -> keras.Model:
    """An image and some numbers as inputs."""
    image, numbers = keras.Input((9, 7, 3)), keras.Input((4,))
    x = L.Flatten()(L.Conv2D(3, 3, activation="relu")(image))
    y = L.Dense(5, activation="tanh")(numbers)
    return classified([image, numbers], L.Concatenate()([x, y]))


def segmentation() -> keras.Model:
    """A class for every pixel."""
    inputs = keras.Input((8, 6, 3))
    x = L.Conv2D(4, 3, strides=2, padding="same", activation="relu")(inputs)
    x = L.Conv2DTranspose(4, 3, strides=2, padding="same", activation="relu")(x)
    model = keras.Model(inputs, L.Conv2D(3, 1, activation="softmax")(x))
    model.compile(optimizers.RMSprop(0.01), "sparse_categorical_crossentropy")
    return model


def autoencoder() -> keras.Model:
    """A map of numbers."""
    inputs = keras.Input((7, 5, 2))
    x = L.Conv2D(3, 3, activation="elu")(inputs)
    model = keras.Model(inputs, L.Conv2DTranspose(2, 3, activation="sigmoid")(x))
    model.compile(optimizers.Adam(0.01), "mse")
    return model


def nested() -> keras.Model:
    """A model inside a model."""
    base = keras.Sequential([keras.Input((9, 7, 3)), L.Conv2D(4, 3), L.BatchNormalization()])
    inputs = keras.Input((9, 7, 3))
    return classified(inputs, L.ReLU()(base(inputs)))


class _Own(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.conv = L.Conv2D(4, 3, activation="relu")
        self.pool = L.GlobalAveragePooling2D()
        self.head = L.Dense(5)

    def call(self, x: Any) -> Any:
        return self.head(self.pool(self.conv(x)))


def subclassed() -> Reference:
    """A model with the user's own class."""
    model = _Own()
    model.compile(optimizers.SGD(0.05), losses.SparseCategoricalCrossentropy(from_logits=True))
    return Reference(model, input_shapes=[(9, 7, 3)])


def operations() -> keras.Model:
    """Functions of keras.ops between the layers."""
    inputs = keras.Input((9, 7, 3))
    x = keras.ops.relu(L.Conv2D(4, 3)(inputs))
    return classified(inputs, keras.ops.mean(x, axis=(1, 2)))


def not_compiled() -> keras.Model:
    """A model that is used but not trained."""
    inputs = keras.Input((7,))
    return keras.Model(inputs, L.Dense(3)(L.Dense(5, activation="tanh")(inputs)))
