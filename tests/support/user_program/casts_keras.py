"""A small program with a layer of its own that computes in float32, as people write RMS norms."""

import keras
import numpy as np
from keras import layers, ops

from keras_impl import Reference

draw = np.random.default_rng(0)
x = draw.normal(size=(48, 6))
y = (x[:, 0] > 0).astype("int64") + (x[:, 1] > 0.5)


class Norm(layers.Layer):
    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), initializer="ones", name="scale")

    def call(self, x):
        y = ops.cast(x, "float32")
        y = y * ops.rsqrt(ops.mean(ops.square(y), -1, keepdims=True) + 1e-6)
        return ops.cast(y, x.dtype) * self.scale


def build():
    net = [keras.Input((6,)), layers.Dense(8, activation="tanh"), Norm(), layers.Dense(3)]
    model = keras.Sequential(net)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.05), loss)
    return Reference(model, x=x, y=y, batch_size=16, epochs=2)
