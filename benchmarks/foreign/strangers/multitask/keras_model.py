"""One trunk, three tasks: classes, a regression and a flag, with weights of losses and of samples."""

import keras
import numpy as np
from keras import layers, regularizers

from keras_impl import Reference


def build():
    inputs = keras.Input((12,), name="features")
    x = layers.Dense(16, activation="elu", kernel_regularizer=regularizers.L2(1e-2))(inputs)
    x = layers.BatchNormalization(momentum=0.9)(x)
    x = layers.Dense(12, activation="swish", kernel_regularizer=regularizers.L2(1e-2))(x)
    x = layers.Dropout(0.2)(x)
    kind = layers.Dense(4, activation="softmax", name="kind")(x)
    size = layers.Dense(2, activation="softplus", name="size")(
        layers.Dense(8, activation="selu")(x)
    )
    flag = layers.Dense(1, activation="sigmoid", name="flag")(x)
    model = keras.Model(inputs, {"kind": kind, "size": size, "flag": flag})
    model.compile(
        optimizer=keras.optimizers.Adam(2e-3),
        loss={
            "kind": "sparse_categorical_crossentropy",
            "size": keras.losses.MeanSquaredLogarithmicError(),
            "flag": "binary_crossentropy",
        },
        loss_weights={"kind": 1.0, "size": 0.3, "flag": 0.5},
    )
    weights = np.random.default_rng(0).uniform(0.2, 2.0, size=64).astype("float32")
    return Reference(model, sample_weight=weights)
