"""Keras models around activations, dropout and scaling."""

from __future__ import annotations

import keras
from keras import layers as L

from benchmarks.pairs.keras_base import IMAGE, stack


def activations() -> keras.Model:
    """Several other activations."""
    names = ("selu", "softplus", "sigmoid", "softsign", "hard_sigmoid", "mish", "relu6")
    return stack((7,), *(L.Dense(6, activation=name) for name in names))


def normalized() -> keras.Model:
    """A normalisation with known mean and variance in the model."""
    norm = L.Normalization(mean=[0.2, -0.1, 0.4], variance=[1.5, 0.7, 2.0])
    return stack(IMAGE, norm, L.Conv2D(4, 3, activation="relu"))


globals().update(
    # LeakyReLU, whose default slope is 0.3.
    leaky=lambda: stack((7,), L.Dense(6), L.LeakyReLU(), L.Dense(6), L.ELU()),
    # Keras's gelu is the exact one.
    gelu=lambda: stack((7,), L.Dense(6, activation="gelu"), L.Dense(6, activation="silu")),
    # A softmax over the channels of an image.
    softmax_axis=lambda: stack((5, 6, 3), L.Conv2D(5, 3), L.Softmax(), L.Conv2D(4, 2)),
    # Dropout of features after a ReLU.
    dropout=lambda: stack(
        (7,), L.Dense(12, activation="relu"), L.Dropout(0.3), L.Dense(6), L.Dropout(0.5)
    ),
    # Dropout of whole channels.
    spatial_dropout=lambda: stack(
        IMAGE, L.Conv2D(8, 3, activation="relu"), L.SpatialDropout2D(0.4), L.Conv2D(4, 3)
    ),
    # Bytes are rescaled to [0, 1] in the model.
    rescaled=lambda: stack(IMAGE, L.Rescaling(1 / 255), L.Conv2D(4, 3, activation="relu")),
)
