"""Keras models whose `train_step` keeps something beside what it trains.

A mean teacher has statistics of its data, clipped gradients, and an average of its weights. A
centred encoder has a vector that no network holds.
"""

from functools import partial

import keras
import numpy as np
import tensorflow as tf
from keras import layers as L
from keras import ops

from keras_impl import Input, Reference


def images():
    """The images of which the statistics are those of the normaliser: one channel."""
    return 3 + 2 * np.random.default_rng(0).random((24, 5, 6, 1))


def network():
    return keras.Sequential(
        [
            keras.Input((5, 6, 1)),
            *(L.Conv2D(3, 3), L.BatchNormalization(), L.ReLU()),
            *(L.Flatten(), L.Dropout(0.3), L.Dense(2)),
        ]
    )


class MeanTeacher(keras.Model):
    def __init__(self):
        super().__init__()
        self.normalizer = L.Normalization()
        self.student, self.teacher = network(), network()

    def clipped(self, gradients):
        return [tf.clip_by_norm(gradient, 0.05) for gradient in gradients]

    def train_step(self, data):
        x, y = data
        x = self.normalizer(x)
        taught = self.teacher(x, training=False)
        with tf.GradientTape() as tape:
            told = self.student(x, training=True)
            error = ops.mean(ops.square(y - told))
            gap = ops.mean(ops.square(told - taught))
            loss = error + 0.5 * gap
        weights = self.student.trainable_weights
        self.optimizer.apply_gradients(
            zip(self.clipped(tape.gradient(loss, weights)), weights, strict=True)
        )
        for slow, fast in zip(self.teacher.weights, self.student.weights, strict=True):
            slow.assign(0.9 * slow + 0.1 * fast)
        return {"loss": loss, "gap": gap}


class ClippedTogether(MeanTeacher):
    def clipped(self, gradients):
        return tf.clip_by_global_norm(gradients, 0.5)[0]


def mean_teacher(kind=MeanTeacher):
    model = kind()
    model.normalizer.adapt(images())
    model.compile(optimizer=keras.optimizers.SGD(0.1))
    return Reference(model, x=images(), y=np.random.default_rng(1).normal(size=(24, 2)))


together = partial(mean_teacher, ClippedTogether)


class Centred(keras.Model):
    def __init__(self):
        super().__init__()
        self.encoder = keras.Sequential([keras.Input((4,)), L.Dense(3)])
        self.center = self.add_weight(
            shape=(3,), initializer="zeros", trainable=False, name="center"
        )

    def train_step(self, x):
        with tf.GradientTape() as tape:
            made = self.encoder(x)
            loss = ops.mean(ops.square(made - self.center - 1))
        weights = self.encoder.trainable_weights
        self.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        self.center.assign(0.8 * self.center + 0.2 * ops.mean(made, axis=0))
        return {"loss": loss}


def centred():
    model = Centred()
    model.compile(optimizer=keras.optimizers.SGD(0.1))
    return Reference(model, inputs=Input((4,)))
