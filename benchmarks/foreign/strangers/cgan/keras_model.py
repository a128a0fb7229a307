"""Conditional GAN of small images, after the example of keras.io, with noise on the labels."""

import keras
from keras import layers, ops

from keras_impl import Reference

from .data import samples

NUM_CLASSES, IMAGE_SIZE, LATENT_DIM = 4, 8, 6


def make_discriminator():
    return keras.Sequential(
        [
            keras.Input((IMAGE_SIZE, IMAGE_SIZE, 1 + NUM_CLASSES)),
            layers.Conv2D(8, (3, 3), strides=(2, 2), padding="same"),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Conv2D(12, (3, 3), strides=(2, 2), padding="same"),
            layers.LeakyReLU(negative_slope=0.2),
            layers.GlobalMaxPooling2D(),
            layers.Dense(1),
        ],
        name="discriminator",
    )


def make_generator():
    return keras.Sequential(
        [
            keras.Input((LATENT_DIM + NUM_CLASSES,)),
            layers.Dense(2 * 2 * (LATENT_DIM + NUM_CLASSES)),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Reshape((2, 2, LATENT_DIM + NUM_CLASSES)),
            layers.Conv2DTranspose(8, (4, 4), strides=(2, 2), padding="same"),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Conv2DTranspose(6, (4, 4), strides=(2, 2), padding="same"),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Conv2D(1, (5, 5), padding="same", activation="sigmoid"),
        ],
        name="generator",
    )


class ConditionalGAN(keras.Model):
    def __init__(self, discriminator, generator, latent_dim):
        super().__init__()
        self.discriminator = discriminator
        self.generator = generator
        self.latent_dim = latent_dim
        self.seed_generator = keras.random.SeedGenerator(1337)
        self.gen_loss_tracker = keras.metrics.Mean(name="generator_loss")
        self.disc_loss_tracker = keras.metrics.Mean(name="discriminator_loss")

    @property
    def metrics(self):
        return [self.gen_loss_tracker, self.disc_loss_tracker]

    def compile(self, d_optimizer, g_optimizer, loss_fn):
        super().compile()
        self.d_optimizer = d_optimizer
        self.g_optimizer = g_optimizer
        self.loss_fn = loss_fn

    def train_step(self, data):
        import tensorflow as tf

        real_images, one_hot_labels = data
        image_labels = one_hot_labels[:, None, None, :]
        image_labels = ops.tile(image_labels, [1, IMAGE_SIZE, IMAGE_SIZE, 1])
        batch_size = ops.shape(real_images)[0]

        noise = keras.random.normal((batch_size, self.latent_dim), seed=self.seed_generator)
        generated = self.generator(ops.concatenate([noise, one_hot_labels], axis=1))
        fake = ops.concatenate([generated, image_labels], -1)
        real = ops.concatenate([real_images, image_labels], -1)
        combined = ops.concatenate([fake, real], axis=0)
        labels = ops.concatenate([ops.ones((batch_size, 1)), ops.zeros((batch_size, 1))], axis=0)
        labels += 0.05 * keras.random.uniform((2 * batch_size, 1), seed=self.seed_generator)

        with tf.GradientTape() as tape:
            predictions = self.discriminator(combined)
            d_loss = self.loss_fn(labels, predictions)
        grads = tape.gradient(d_loss, self.discriminator.trainable_weights)
        self.d_optimizer.apply_gradients(zip(grads, self.discriminator.trainable_weights))

        noise = keras.random.normal((batch_size, self.latent_dim), seed=self.seed_generator)
        vectors = ops.concatenate([noise, one_hot_labels], axis=1)
        misleading_labels = ops.zeros((batch_size, 1))
        with tf.GradientTape() as tape:
            fake_images = self.generator(vectors)
            predictions = self.discriminator(ops.concatenate([fake_images, image_labels], -1))
            g_loss = self.loss_fn(misleading_labels, predictions)
        grads = tape.gradient(g_loss, self.generator.trainable_weights)
        self.g_optimizer.apply_gradients(zip(grads, self.generator.trainable_weights))

        self.gen_loss_tracker.update_state(g_loss)
        self.disc_loss_tracker.update_state(d_loss)
        return {"g_loss": self.gen_loss_tracker.result(), "d_loss": self.disc_loss_tracker.result()}


def build():
    model = ConditionalGAN(make_discriminator(), make_generator(), LATENT_DIM)
    model.compile(
        d_optimizer=keras.optimizers.Adam(learning_rate=0.0003, beta_1=0.5),
        g_optimizer=keras.optimizers.Adam(learning_rate=0.0002, beta_1=0.5),
        loss_fn=keras.losses.BinaryCrossentropy(from_logits=True),
    )
    x, y = samples()
    return Reference(model, x=x, y=y)
