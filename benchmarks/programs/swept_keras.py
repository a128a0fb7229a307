"""A price from twelve features, the samples in the order of their price."""

import keras
import numpy as np
from keras import layers

from keras_impl import Reference


def make_data(count, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 12))
    y = (
        np.tanh(x[:, 0] * 1.5)
        + 0.7 * x[:, 1] * x[:, 2]
        + 0.5 * x[:, 3]
        + 0.1 * rng.normal(size=count)
    )
    order = np.argsort(y)  # as an export from a table may be
    return x[order].astype("float32"), y[order, None].astype("float32")


x, y = make_data(320, seed=61)
x_val, y_val = make_data(200, seed=62)


def build():
    model = keras.Sequential(
        [
            keras.Input((12,)),
            layers.Dense(32, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(16, activation="relu"),
            layers.Dense(1),
        ]
    )
    model.compile(optimizer=keras.optimizers.SGD(0.1), loss="mse")
    return Reference(model, x=x, y=y, validation_data=(x_val, y_val), batch_size=16, epochs=12)
