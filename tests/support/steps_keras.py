"""Keras models with a `train_step` of their own: a plain one, GANs, an autoencoder, a student."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers as L
from keras import ops

from keras_impl import Input, Reference


def _leaky():
    return L.LeakyReLU(negative_slope=0.2)


def _apply(optimizer, tape, loss, weights):
    gradients = tape.gradient(loss, weights)
    optimizer.apply_gradients(zip(gradients, weights, strict=True))


class Plain(keras.Model):
    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            output = self(x, training=True)
            loss = self.compute_loss(y=y, y_pred=output)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        return {"loss": loss, "mae": ops.mean(ops.abs(y - output))}


def plain():
    x = keras.Input((7,))
    output = L.Dense(3)(L.Dropout(0.3)(L.Dense(6, activation="tanh")(x)))
    model = Plain(x, output)
    model.compile("adam", "mse")
    return model


class Gan(keras.Model):
    def __init__(self, discriminator, generator):
        super().__init__()
        self.discriminator, self.generator = discriminator, generator
        self.seed_generator = keras.random.SeedGenerator(1337)
        self.means = [keras.metrics.Mean(name=name) for name in ("d_loss", "g_loss")]

    def compile(self, d_optimizer, g_optimizer, loss):
        super().compile()
        self.d_optimizer, self.g_optimizer, self.loss_of_labels = d_optimizer, g_optimizer, loss

    @property
    def metrics(self):
        return self.means

    def train_step(self, real):
        num = ops.shape(real)[0]
        made = self.generator(keras.random.normal((num, 5), seed=self.seed_generator))
        both = ops.concatenate([made, real], axis=0)
        labels = ops.concatenate([ops.ones((num, 1)), ops.zeros((num, 1))], axis=0)
        labels += 0.05 * tf.random.uniform(tf.shape(labels))
        with tf.GradientTape() as tape:
            d_loss = self.loss_of_labels(labels, self.discriminator(both))
        _apply(self.d_optimizer, tape, d_loss, self.discriminator.trainable_weights)
        noise = keras.random.normal((num, 5), seed=self.seed_generator)
        with tf.GradientTape() as tape:
            told = self.discriminator(self.generator(noise))
            g_loss = self.loss_of_labels(ops.zeros((num, 1)), told)
        _apply(self.g_optimizer, tape, g_loss, self.generator.trainable_weights)
        for mean, loss in zip(self.means, (d_loss, g_loss), strict=True):
            mean.update_state(loss)
        return {mean.name: mean.result() for mean in self.means}


def gan():
    judge = [
        L.Conv2D(4, 4, strides=2, padding="same"),
        *(_leaky(), L.Flatten(), L.Dropout(0.2), L.Dense(1, activation="sigmoid")),
    ]
    maker = [
        *(L.Dense(3 * 4 * 2), L.Reshape((3, 4, 2))),
        *(L.Conv2DTranspose(3, 4, strides=2, padding="same"), _leaky()),
        L.Conv2D(2, 5, padding="same", activation="tanh"),
    ]
    model = Gan(
        keras.Sequential([keras.Input((6, 8, 2)), *judge], name="discriminator"),
        keras.Sequential([keras.Input((5,)), *maker], name="generator"),
    )
    adam = keras.optimizers.Adam
    model.compile(adam(1e-3), adam(2e-3, beta_1=0.5), keras.losses.BinaryCrossentropy())
    return Reference(model, inputs=Input((6, 8, 2)))


class Sampling(L.Layer):
    def __init__(self, **keywords):
        super().__init__(**keywords)
        self.seed_generator = keras.random.SeedGenerator(7)

    def call(self, inputs):
        mean, log_variance = inputs
        noise = keras.random.normal(ops.shape(mean), seed=self.seed_generator)
        return mean + ops.exp(0.5 * log_variance) * noise


class Autoencoder(keras.Model):
    def __init__(self, encoder, decoder):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def train_step(self, x):
        with tf.GradientTape() as tape:
            mean, log_variance, z = self.encoder(x)
            wrong = keras.losses.binary_crossentropy(x, self.decoder(z))
            reconstruction = ops.mean(ops.sum(wrong, axis=(1, 2)))
            kl = 1 + log_variance - ops.square(mean) - ops.exp(log_variance)
            kl = ops.mean(ops.sum(-0.5 * kl, axis=1))
            loss = reconstruction + kl
        _apply(self.optimizer, tape, loss, self.trainable_weights)
        return {"loss": loss, "reconstruction_loss": reconstruction, "kl_loss": kl}


def autoencoder():
    x = keras.Input((6, 8, 1))
    inside = L.Conv2D(3, 3, activation="relu", strides=2, padding="same")(x)
    inside = L.Dense(7, activation="relu")(L.Flatten()(inside))
    mean, log_variance = L.Dense(2, name="mean")(inside), L.Dense(2, name="log_variance")(inside)
    encoder = keras.Model(x, [mean, log_variance, Sampling()([mean, log_variance])])
    z = keras.Input((2,))
    inside = L.Reshape((3, 4, 2))(L.Dense(3 * 4 * 2, activation="relu")(z))
    inside = L.Conv2DTranspose(3, 3, activation="relu", strides=2, padding="same")(inside)
    output = L.Conv2DTranspose(1, 3, activation="sigmoid", padding="same")(inside)
    model = Autoencoder(encoder, keras.Model(z, output))
    model.compile(optimizer="adam")
    return Reference(model, inputs=Input((6, 8, 1), range=(0, 1)))


class Distiller(keras.Model):
    def __init__(self, student, teacher):
        super().__init__()
        self.teacher, self.student = teacher, student
        self.hard = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self.soft = keras.losses.KLDivergence()

    def call(self, x):
        return self.student(x)

    def train_step(self, data):
        x, y = data
        taught = ops.softmax(self.teacher(x, training=False) / 4, axis=1)
        with tf.GradientTape() as tape:
            told = self.student(x, training=True)
            hard, soft = self.hard(y, told), self.soft(taught, ops.softmax(told / 4, axis=1))
            loss = 0.1 * hard + 0.9 * soft * 4**2
        _apply(self.optimizer, tape, loss, self.student.trainable_variables)
        return {"student_loss": hard, "distillation_loss": soft}


def distiller():
    def net(width):
        layers = [L.Conv2D(width, 3, strides=2), L.BatchNormalization(), _leaky(), L.Flatten()]
        return keras.Sequential([keras.Input((9, 7, 2)), *layers, L.Dropout(0.3), L.Dense(4)])

    model = Distiller(net(2), net(5))
    model.compile(optimizer=keras.optimizers.Adam(1e-3))
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(20, 9, 7, 2)), draw.integers(0, 4, 20)
    return Reference(model, x=x, y=y)
