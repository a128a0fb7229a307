"""Generative adversarial networks in the style of keras.io: a conditional GAN and a CycleGAN."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from keras_impl import Reference

SIZE, CLASSES, LATENT = 8, 3, 6


class ConditionalGAN(keras.Model):
    def __init__(self, discriminator, generator):
        super().__init__()
        self.discriminator = discriminator
        self.generator = generator
        self.seed_generator = keras.random.SeedGenerator(1337)
        self.g_tracker = keras.metrics.Mean(name="g_loss")
        self.d_tracker = keras.metrics.Mean(name="d_loss")

    @property
    def metrics(self):
        return [self.g_tracker, self.d_tracker]

    def compile(self, d_optimizer, g_optimizer, loss_fn):
        super().compile()
        self.d_optimizer = d_optimizer
        self.g_optimizer = g_optimizer
        self.loss_fn = loss_fn

    def train_step(self, data):
        real, labels = data
        batch = ops.shape(real)[0]
        planes = ops.ones((1, SIZE, SIZE, 1), real.dtype) * labels[:, None, None, :]

        noise = keras.random.normal((batch, LATENT), seed=self.seed_generator)
        fake = self.generator(ops.concatenate([noise, labels], axis=1), training=True)
        combined = ops.concatenate(
            [ops.concatenate([fake, planes], -1), ops.concatenate([real, planes], -1)], axis=0
        )
        is_fake = ops.concatenate([ops.ones((batch, 1)), ops.zeros((batch, 1))], axis=0)
        is_fake += 0.05 * keras.random.uniform(ops.shape(is_fake), seed=self.seed_generator)
        with tf.GradientTape() as tape:
            d_loss = self.loss_fn(is_fake, self.discriminator(combined, training=True))
        grads = tape.gradient(d_loss, self.discriminator.trainable_weights)
        self.d_optimizer.apply_gradients(zip(grads, self.discriminator.trainable_weights))

        noise = keras.random.normal((batch, LATENT), seed=self.seed_generator)
        with tf.GradientTape() as tape:
            fake = self.generator(ops.concatenate([noise, labels], axis=1), training=True)
            judged = self.discriminator(ops.concatenate([fake, planes], -1), training=True)
            g_loss = self.loss_fn(ops.zeros((batch, 1)), judged)
        grads = tape.gradient(g_loss, self.generator.trainable_weights)
        self.g_optimizer.apply_gradients(zip(grads, self.generator.trainable_weights))

        self.g_tracker.update_state(g_loss)
        self.d_tracker.update_state(d_loss)
        return {"g_loss": self.g_tracker.result(), "d_loss": self.d_tracker.result()}


def cond_gan():
    discriminator = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 1 + CLASSES)),
            layers.Conv2D(6, 4, strides=2, padding="same"),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Conv2D(8, 4, strides=2, padding="same"),
            layers.LeakyReLU(negative_slope=0.2),
            layers.GlobalMaxPooling2D(),
            layers.Dense(1),
        ],
        name="discriminator",
    )
    generator = keras.Sequential(
        [
            keras.Input((LATENT + CLASSES,)),
            layers.Dense(2 * 2 * 8),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Reshape((2, 2, 8)),
            layers.Conv2DTranspose(6, 4, strides=2, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Conv2DTranspose(4, 4, strides=2, padding="same"),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Conv2D(1, 5, padding="same", activation="sigmoid"),
        ],
        name="generator",
    )
    model = ConditionalGAN(discriminator, generator)
    model.compile(
        d_optimizer=keras.optimizers.Adam(learning_rate=0.0003, beta_1=0.5),
        g_optimizer=keras.optimizers.Adam(learning_rate=0.0005, beta_1=0.5),
        loss_fn=keras.losses.BinaryCrossentropy(from_logits=True),
    )
    rng = np.random.default_rng(0)
    labels = np.eye(CLASSES)[rng.integers(CLASSES, size=32)]
    return Reference(model, x=rng.random((32, SIZE, SIZE, 1)), y=labels)


class CycleGan(keras.Model):
    def __init__(self, gen_g, gen_f, disc_x, disc_y, lambda_cycle=10.0, lambda_identity=0.5):
        super().__init__()
        self.gen_g, self.gen_f = gen_g, gen_f
        self.disc_x, self.disc_y = disc_x, disc_y
        self.lambda_cycle, self.lambda_identity = lambda_cycle, lambda_identity

    def compile(self, g_optimizer, f_optimizer, x_optimizer, y_optimizer):
        super().compile()
        self.g_optimizer, self.f_optimizer = g_optimizer, f_optimizer
        self.x_optimizer, self.y_optimizer = x_optimizer, y_optimizer
        self.mse, self.mae = keras.losses.MeanSquaredError(), keras.losses.MeanAbsoluteError()

    def disc_loss(self, real, fake):
        return 0.5 * (self.mse(ops.ones_like(real), real) + self.mse(ops.zeros_like(fake), fake))

    def train_step(self, batch_data):
        real_x, real_y = batch_data
        with tf.GradientTape(persistent=True) as tape:
            fake_y = self.gen_g(real_x, training=True)
            fake_x = self.gen_f(real_y, training=True)
            cycled_x = self.gen_f(fake_y, training=True)
            cycled_y = self.gen_g(fake_x, training=True)
            same_x = self.gen_f(real_x, training=True)
            same_y = self.gen_g(real_y, training=True)

            disc_real_x = self.disc_x(real_x, training=True)
            disc_fake_x = self.disc_x(fake_x, training=True)
            disc_real_y = self.disc_y(real_y, training=True)
            disc_fake_y = self.disc_y(fake_y, training=True)

            g_adv = self.mse(ops.ones_like(disc_fake_y), disc_fake_y)
            f_adv = self.mse(ops.ones_like(disc_fake_x), disc_fake_x)
            g_cycle = self.mae(real_y, cycled_y) * self.lambda_cycle
            f_cycle = self.mae(real_x, cycled_x) * self.lambda_cycle
            weight = self.lambda_cycle * self.lambda_identity
            total_g = g_adv + g_cycle + self.mae(real_y, same_y) * weight
            total_f = f_adv + f_cycle + self.mae(real_x, same_x) * weight
            x_loss = self.disc_loss(disc_real_x, disc_fake_x)
            y_loss = self.disc_loss(disc_real_y, disc_fake_y)
        for loss, network, optimizer in (
            (total_g, self.gen_g, self.g_optimizer),
            (total_f, self.gen_f, self.f_optimizer),
            (x_loss, self.disc_x, self.x_optimizer),
            (y_loss, self.disc_y, self.y_optimizer),
        ):
            grads = tape.gradient(loss, network.trainable_variables)
            optimizer.apply_gradients(zip(grads, network.trainable_variables))
        return {"G_loss": total_g, "F_loss": total_f, "D_X_loss": x_loss, "D_Y_loss": y_loss}


def cycle_generator(name):
    inputs = keras.Input((SIZE, SIZE, 2))
    x = layers.Conv2D(6, 3, padding="same", use_bias=False)(inputs)
    x = layers.Activation("relu")(layers.GroupNormalization(groups=-1)(x))
    y = layers.Conv2D(6, 3, padding="same", use_bias=False)(x)
    y = layers.Activation("relu")(layers.GroupNormalization(groups=-1)(y))
    outputs = layers.Conv2D(2, 3, padding="same", activation="tanh")(layers.add([x, y]))
    return keras.Model(inputs, outputs, name=name)


def cycle_discriminator(name):
    inputs = keras.Input((SIZE, SIZE, 2))
    x = layers.LeakyReLU(negative_slope=0.2)(layers.Conv2D(5, 4, 2, padding="same")(inputs))
    x = layers.LeakyReLU(negative_slope=0.2)(layers.Conv2D(7, 4, 2, padding="same")(x))
    return keras.Model(inputs, layers.Conv2D(1, 3, padding="same")(x), name=name)


def cycle():
    model = CycleGan(
        cycle_generator("gen_g"),
        cycle_generator("gen_f"),
        cycle_discriminator("disc_x"),
        cycle_discriminator("disc_y"),
    )
    model.compile(*(keras.optimizers.Adam(2e-4, beta_1=0.5) for _ in range(4)))
    rng = np.random.default_rng(0)
    x, y = (rng.uniform(-1, 1, (32, SIZE, SIZE, 2)) for _ in range(2))
    return Reference(model, x=x, y=y)
