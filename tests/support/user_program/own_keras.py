"""Programs whose train_step is the user's own: a GAN and an autoencoder, whole trainings."""

import dataclasses
import sys
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[1]))  # the models of the tests of single steps

import keras
import steps_keras
import tensorflow as tf
from keras import layers as L
from keras import ops

from keras_impl import Reference

draw = np.random.default_rng(3)
IMAGES = draw.random((22, 6, 8, 2))


class SmallGan(keras.Model):
    """Its networks have no constant that Keras keeps in float32."""

    def __init__(self):
        super().__init__()
        self.critic = keras.Sequential(
            [keras.Input((4,)), L.Dense(5, activation="tanh"), L.Dropout(0.3), L.Dense(1)]
        )
        self.maker = keras.Sequential(
            [keras.Input((3,)), L.Dense(6, activation="tanh"), L.BatchNormalization(), L.Dense(4)]
        )
        self.mean = keras.metrics.Mean(name="critic_loss")

    def compile(self, c_optimizer, m_optimizer):
        super().compile()
        self.c_optimizer, self.m_optimizer = c_optimizer, m_optimizer

    @property
    def metrics(self):
        return [self.mean]

    def train_step(self, real):
        num = tf.shape(real)[0]
        made = self.maker(tf.random.normal((num, 3)), training=True)
        with tf.GradientTape() as tape:
            told, true = self.critic(made, training=True), self.critic(real, training=True)
            c_loss = ops.mean(ops.square(told + 1)) + ops.mean(ops.square(true - 1))
        steps_keras._apply(self.c_optimizer, tape, c_loss, self.critic.trainable_weights)
        noise = tf.random.normal((num, 3))
        with tf.GradientTape() as tape:
            told = self.critic(self.maker(noise, training=True), training=True)
            m_loss = ops.mean(ops.square(told - 1))
        steps_keras._apply(self.m_optimizer, tape, m_loss, self.maker.trainable_weights)
        self.mean.update_state(c_loss)
        return {"critic_loss": self.mean.result(), "maker_loss": m_loss}


def small_gan():
    model = SmallGan()
    sgd = keras.optimizers.SGD
    model.compile(sgd(0.05, momentum=0.5), sgd(0.1))
    return Reference(model, x=draw.normal(size=(30, 4)), epochs=2, batch_size=8)


def gan():
    return dataclasses.replace(steps_keras.gan(), inputs=None, x=IMAGES, epochs=2, batch_size=8)


def autoencoder():
    found = steps_keras.autoencoder()
    return dataclasses.replace(found, inputs=None, x=IMAGES[..., :1], epochs=2, batch_size=8)


def plain():
    found = steps_keras.plain()
    x, y = draw.normal(size=(21, 7)), draw.normal(size=(21, 3))
    return steps_keras.Reference(found, x=x, y=y, epochs=2, batch_size=8)
