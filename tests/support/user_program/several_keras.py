"""A program of two outputs, a kind and a size, which share a layer."""

import keras
import numpy as np

from keras_impl import Reference

layers = keras.layers
draw = np.random.default_rng(4)
N = 360
x = draw.normal(size=(N, 4)).astype("float32")
kind = (x[:, 0] + 0.5 * draw.normal(size=N) > 0) * 1.0
size = (x[:, 1] + 0.5 * x[:, 2] + 0.2 * draw.normal(size=N)).astype("float32")
TRAIN, VAL = slice(120, None), slice(120)


def rows(part):
    return x[part], {"kind": kind[part], "size": size[part, None]}


def build():
    inputs = keras.Input((4,))
    h = layers.Dense(16, name="h")(inputs)
    model = keras.Model(
        inputs,
        {
            "size": layers.Dense(1, name="of_size")(h),
            "kind": layers.Dense(1, activation="sigmoid", name="of_kind")(h),
        },
    )
    model.compile(
        keras.optimizers.SGD(0.2),
        loss={"kind": "binary_crossentropy", "size": "mse"},
        loss_weights={"kind": 1.0, "size": 0.25},
        metrics={"kind": ["accuracy"]},
    )
    given, wanted = rows(TRAIN)
    return Reference(model, x=given, y=wanted, validation_data=rows(VAL), epochs=20, batch_size=24)
