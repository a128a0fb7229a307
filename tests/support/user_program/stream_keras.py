"""Programs on streams whose length Keras does not know."""

from functools import partial

import keras
import numpy as np
import tensorflow as tf

from keras_impl import Reference

draw = np.random.default_rng(6)
X = draw.normal(size=(44, 5)).astype("float32")
Y = (X @ draw.normal(size=(5, 1))).astype("float32")
SIZE, EPOCHS = 8, 4


def batches():
    for start in range(0, len(X), SIZE):
        yield X[start : start + SIZE], Y[start : start + SIZE]


def build(optimizer=None, is_known=False):
    model = keras.Sequential(
        [
            keras.Input((5,)),
            keras.layers.Dense(6, activation="tanh"),
            keras.layers.Dropout(0.25),
            keras.layers.Dense(1),
        ]
    )
    model.compile(optimizer or keras.optimizers.Adam(0.01), "mse")
    shapes = (tf.TensorSpec((None, 5), tf.float32), tf.TensorSpec((None, 1), tf.float32))
    stream = tf.data.Dataset.from_generator(batches, output_signature=shapes)
    if is_known:
        stream = stream.apply(tf.data.experimental.assert_cardinality(6))
    return Reference(model, x=stream, epochs=EPOCHS, validation_data=(X[:10], Y[:10]))


known = partial(build, is_known=True)


def decayed(is_known=False):
    return build(keras.optimizers.AdamW(0.01, weight_decay=0.1), is_known)


def nadam():
    return build(keras.optimizers.Nadam(0.01))


def scheduled():
    schedule = keras.optimizers.schedules.ExponentialDecay(0.02, 3, 0.9)
    return build(keras.optimizers.SGD(schedule, momentum=0.9))


def generator():
    """A generator ends once, with its first epoch."""
    reference = decayed()
    return Reference(
        reference.model, x=batches(), epochs=1, validation_data=reference.validation_data
    )
