"""Programs of a user: three outputs with losses of their own, and a step of the user's own."""

import keras
import numpy as np
import tensorflow as tf

from keras_impl import Reference

layers = keras.layers
draw = np.random.default_rng(0)
N = 43
x = draw.normal(size=(N, 5))
y = (draw.integers(0, 4, N), draw.normal(size=(N, 4)), draw.integers(0, 2, (N, 1)) * 1.0)
VAL = (x[:11], tuple(part[:11] for part in y))


def build():
    inputs = keras.Input((5,))
    h = layers.Dropout(0.3)(layers.Dense(7, activation="tanh", name="h")(inputs))
    model = keras.Model(
        inputs,
        [
            layers.Dense(4, activation="softmax", name="a")(
                layers.Dense(6, activation="tanh", name="deep")(h)
            ),
            layers.Dense(4, name="b")(h),
            layers.Dense(1, activation="sigmoid", name="c")(h),
        ],
    )
    model.compile(
        keras.optimizers.SGD(0.1),
        loss={"a": "sparse_categorical_crossentropy", "b": "mse", "c": "binary_crossentropy"},
        loss_weights={"a": 0.5, "b": 1.5, "c": 1.0},
        metrics={"a": ["accuracy"], "c": ["accuracy"]},
    )
    return Reference(model, x=x, y=y, validation_data=VAL, epochs=2, batch_size=10)


class Stepping(keras.Model):
    def train_step(self, data):
        given, wanted = data
        with tf.GradientTape() as tape:
            output = self(given, training=True)
            loss = tf.reduce_mean((wanted - output) ** 2) + 0.1 * tf.reduce_mean(tf.abs(output))
        weights = self.trainable_variables
        self.optimizer.apply(tape.gradient(loss, weights), weights)
        self._loss_tracker.update_state(loss, sample_weight=tf.shape(given)[0])
        return {"loss": self._loss_tracker.result()}


def stepping():
    inputs = keras.Input((5,))
    model = Stepping(inputs, layers.Dense(4, name="b")(inputs))
    model.compile(keras.optimizers.SGD(0.1), "mse")
    return Reference(model, x=x, y=y[1], epochs=2, batch_size=10)
