"""A small Keras model with an optimizer, and gradients for its steps."""

import keras
import numpy as np
import tensorflow as tf

from parity.halves.keras import versions


def model_with(make, **settings):
    versions.use_dtype("float64")  # first, so that the optimizer keeps its rate in float64
    keras.utils.set_random_seed(7)
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(3, activation="tanh"), keras.layers.Dense(2)]
    )
    model.compile(optimizer=make(), loss="mse", **settings)
    return model


def gradients_of(model, num_steps=6):
    generator = np.random.default_rng(3)
    sizes = 10.0 ** np.arange(-num_steps, 0)
    return [
        [tf.constant(generator.normal(size=v.shape) * size) for v in model.trainable_variables]
        for size in sizes
    ]
