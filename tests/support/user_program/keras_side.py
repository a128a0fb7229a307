"""A small program of a user: class weights, a plateau, early stopping that restores."""

import keras
import numpy as np
import tensorflow as tf

from keras_impl import Reference

draw = np.random.default_rng(8)
x = draw.normal(size=(70, 6))
y = (x[:, :3].argmax(1) + draw.integers(0, 2, 70)) % 3
x_val = draw.normal(size=(23, 6))
y_val = x_val[:, :3].argmax(1)
CLASS_WEIGHT = {0: 0.7, 1: 2.1}


def model():
    net = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(
                8, activation="tanh", kernel_regularizer=keras.regularizers.L2(0.01)
            ),
            keras.layers.Dropout(0.25),
            keras.layers.Dense(3),
        ]
    )
    net.compile(
        keras.optimizers.Adam(0.05),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return net


def callbacks():
    return [
        keras.callbacks.ReduceLROnPlateau(factor=0.3, patience=2),
        keras.callbacks.EarlyStopping(patience=5, restore_best_weights=True),
    ]


def build():
    return Reference(
        model(),
        x=x,
        y=y,
        validation_data=(x_val, y_val),
        class_weight=CLASS_WEIGHT,
        callbacks=callbacks(),
        batch_size=16,
        epochs=14,
    )


def plain():
    """The compiled model alone: the program says the rest."""
    return model()


def stream():
    """Batches whose number nobody knows before; the optimizer has momentum."""

    def given():
        for start in range(0, 70, 16):
            yield x[start : start + 16].astype("float32"), y[start : start + 16]

    shapes = (tf.TensorSpec((None, 6), tf.float32), tf.TensorSpec((None,), tf.int64))
    net = model()
    net.compile(
        keras.optimizers.SGD(0.05, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    batches = tf.data.Dataset.from_generator(given, output_signature=shapes)
    return Reference(net, x=batches, epochs=5, validation_data=(x_val, y_val))


def stairs():
    """A rate that falls after 42 steps, since `fit` multiplies by 1 / 41."""
    net = model()
    rate = keras.optimizers.schedules.ExponentialDecay(0.05, 41, 0.5, staircase=True)
    net.compile(
        keras.optimizers.SGD(rate), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    return Reference(net, x=x, y=y, batch_size=16, epochs=10)


def load():
    return (x, y), (x_val, y_val)


def batches():
    """The same samples as a generator gives them."""

    def endless():
        while True:
            for start in range(0, 64, 16):
                yield x[start : start + 16], y[start : start + 16]

    return Reference(
        model(), x=endless(), steps_per_epoch=4, epochs=3, validation_data=(x_val, y_val)
    )
