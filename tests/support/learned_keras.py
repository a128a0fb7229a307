"""A Keras model with a trained layer in front of random layers of images."""

import keras

L = keras.layers


def turned():
    model = keras.Sequential(
        [
            L.Input((9, 8, 3)),
            L.Conv2D(3, 1, name="front"),
            L.RandomRotation(0.2, seed=3),
            L.RandomContrast(0.4, value_range=(-9, 9), seed=4),
            L.Conv2D(4, 3, name="behind"),
            L.GlobalAveragePooling2D(),
            L.Dense(2, name="head"),
        ]
    )
    model.compile(keras.optimizers.SGD(0.1), "mse")
    return model
