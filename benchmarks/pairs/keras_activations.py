"""Keras models around activations, dropout and scaling."""

from __future__ import annotations

import keras
from keras import layers as L

from benchmarks.pairs.factories import factories
from benchmarks.pairs.keras_base import IMAGE, stack


def activations() -> keras.Model:
    """Others."""
    names = ("selu", "softplus", "sigmoid", "softsign", "hard_sigmoid", "mish", "relu6")
    return stack((7,), *(L.Dense(6, activation=name) for name in names))


def normalized() -> keras.Model:
    """Known mean and variance inside of the model."""
    norm = L.Normalization(mean=[0.2, -0.1, 0.4], variance=[1.5, 0.7, 2.0])
    return stack(IMAGE, norm, L.Conv2D(4, 3, activation="relu"))


globals().update(
    factories(
        leaky=(
            "LeakyReLU, whose default slope is 0.3.",
            lambda: stack((7,), L.Dense(6), L.LeakyReLU(), L.Dense(6), L.ELU()),
        ),
        gelu=(
            "Keras's gelu is the exact one.",
            lambda: stack((7,), L.Dense(6, activation="gelu"), L.Dense(6, activation="silu")),
        ),
        softmax_axis=(
            "A softmax over the channels of an image.",
            lambda: stack((5, 6, 3), L.Conv2D(5, 3), L.Softmax(), L.Conv2D(4, 2)),
        ),
        dropout=(
            "Dropout of features, with a ReLU before.",
            lambda: stack(
                (7,), L.Dense(12, activation="relu"), L.Dropout(0.3), L.Dense(6), L.Dropout(0.5)
            ),
        ),
        spatial_dropout=(
            "Dropout of whole channels.",
            lambda: stack(
                IMAGE, L.Conv2D(8, 3, activation="relu"), L.SpatialDropout2D(0.4), L.Conv2D(4, 3)
            ),
        ),
        rescaled=(
            "Bytes to [0, 1] inside of the model.",
            lambda: stack(IMAGE, L.Rescaling(1 / 255), L.Conv2D(4, 3, activation="relu")),
        ),
    )
)
