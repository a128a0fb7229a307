"""A training whose steps are too large: what rounding changes doubles every few of them."""

import keras
import numpy as np

from keras_impl import Reference

draw = np.random.default_rng(8)
X = np.tile(draw.normal(size=(64, 6)), (4, 1))
Y = np.sin(2 * X[:, :2]) + X[:, 2:4] * X[:, 4:]
RATE, EPOCHS = 0.14, 15  # of 16 steps


def build(epochs=EPOCHS):
    model = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(24, activation="tanh"),
            keras.layers.Dense(24, activation="tanh"),
            keras.layers.Dense(2),
        ]
    )
    model.compile(keras.optimizers.SGD(RATE, momentum=0.9), "mse")
    validation = (X[:20] * 1.1, Y[:20])
    return Reference(model, x=X, y=Y, validation_data=validation, batch_size=16, epochs=epochs)
