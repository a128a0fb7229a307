"""Small Keras models with a `train_step` of their own, in the style of the examples on keras.io."""

import math

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from benchmarks.foreign.own_steps.data import diffusion_images
from benchmarks.foreign.own_steps.gans_keras import cond_gan, cycle
from keras_impl import Reference

SIZE, CLASSES = 8, 3


class Sampling(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seed_generator = keras.random.SeedGenerator(1337)

    def call(self, inputs):
        mean, log_var = inputs
        epsilon = keras.random.normal(ops.shape(mean), seed=self.seed_generator)
        return mean + ops.exp(0.5 * log_var) * epsilon


class BetaVAE(keras.Model):
    def __init__(self, encoder, decoder, beta=4.0, **kwargs):
        super().__init__(**kwargs)
        self.encoder, self.decoder, self.beta = encoder, decoder, beta
        self.trackers = [keras.metrics.Mean(name=n) for n in ("loss", "reconstruction", "kl")]

    @property
    def metrics(self):
        return self.trackers

    def train_step(self, data):
        with tf.GradientTape() as tape:
            mean, log_var, z = self.encoder(data)
            decoded = self.decoder(z)
            reconstruction = ops.mean(
                ops.sum(keras.losses.binary_crossentropy(data, decoded), axis=(1, 2))
            )
            kl = -0.5 * (1 + log_var - ops.square(mean) - ops.exp(log_var))
            kl = ops.mean(ops.sum(kl, axis=1))
            loss = reconstruction + self.beta * kl
        grads = tape.gradient(loss, self.trainable_weights)
        grads, _ = tf.clip_by_global_norm(grads, 1.0)
        self.optimizer.apply_gradients(zip(grads, self.trainable_weights))
        for tracker, value in zip(self.trackers, (loss, reconstruction, kl)):
            tracker.update_state(value)
        return {tracker.name: tracker.result() for tracker in self.trackers}


def vae():
    inputs = keras.Input((SIZE, SIZE, 1))
    x = layers.Conv2D(5, 4, 2, padding="same", activation="relu")(inputs)
    x = layers.Dense(10, activation="relu")(layers.Flatten()(x))
    mean, log_var = layers.Dense(3, name="z_mean")(x), layers.Dense(3, name="z_log_var")(x)
    encoder = keras.Model(inputs, [mean, log_var, Sampling()([mean, log_var])], name="encoder")
    latent = keras.Input((3,))
    x = layers.Dense(4 * 4 * 5, activation="relu")(latent)
    x = layers.Reshape((4, 4, 5))(x)
    x = layers.Conv2DTranspose(1, 4, 2, padding="same", activation="sigmoid")(x)
    model = BetaVAE(encoder, keras.Model(latent, x, name="decoder"))
    model.compile(optimizer=keras.optimizers.Adam(1e-3))
    return Reference(model, x=np.random.default_rng(0).random((32, SIZE, SIZE, 1)))


@keras.saving.register_keras_serializable()
def sinusoidal_embedding(x):
    speeds = 2.0 * math.pi * ops.exp(ops.linspace(0.0, math.log(100.0), 4))
    angles = ops.cast(speeds, x.dtype) * x
    return ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=3)


class DiffusionModel(keras.Model):
    def __init__(self):
        super().__init__()
        self.normalizer = layers.Normalization()
        self.network = diffusion_network()
        self.ema_network = keras.models.clone_model(self.network)

    def compile(self, **kwargs):
        super().compile(**kwargs)
        self.noise_tracker = keras.metrics.Mean(name="n_loss")
        self.image_tracker = keras.metrics.Mean(name="i_loss")

    @property
    def metrics(self):
        return [self.noise_tracker, self.image_tracker]

    def diffusion_schedule(self, times):
        start, end = ops.arccos(0.95), ops.arccos(0.02)
        angles = ops.cast(start, times.dtype) + times * ops.cast(end - start, times.dtype)
        return ops.sin(angles), ops.cos(angles)

    def train_step(self, images):
        images = self.normalizer(images, training=True)
        noises = keras.random.normal(ops.shape(images))
        times = keras.random.uniform((ops.shape(images)[0], 1, 1, 1))
        noise_rates, signal_rates = self.diffusion_schedule(times)
        noisy = signal_rates * images + noise_rates * noises
        with tf.GradientTape() as tape:
            pred_noises = self.network([noisy, noise_rates**2], training=True)
            pred_images = (noisy - noise_rates * pred_noises) / signal_rates
            noise_loss = self.loss(noises, pred_noises)
            image_loss = self.loss(images, pred_images)
        gradients = tape.gradient(noise_loss, self.network.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.network.trainable_weights))
        self.noise_tracker.update_state(noise_loss)
        self.image_tracker.update_state(image_loss)
        for weight, ema_weight in zip(self.network.weights, self.ema_network.weights):
            ema_weight.assign(0.99 * ema_weight + 0.01 * weight)
        return {m.name: m.result() for m in self.metrics}


def diffusion_network():
    noisy, variances = keras.Input((4, 4, 3)), keras.Input((1, 1, 1))
    e = layers.Lambda(sinusoidal_embedding, output_shape=(1, 1, 8))(variances)
    e = layers.UpSampling2D(size=4, interpolation="nearest")(e)
    x = layers.Conv2D(6, kernel_size=1)(noisy)
    x = layers.Concatenate()([x, e])
    y = layers.BatchNormalization(center=False, scale=False)(x)
    y = layers.Conv2D(14, 3, padding="same", activation="swish")(y)
    y = layers.Conv2D(14, 3, padding="same")(y)
    x = layers.Conv2D(3, kernel_size=1, kernel_initializer="zeros")(layers.Add()([x, y]))
    return keras.Model([noisy, variances], x)


def diffusion():
    model = DiffusionModel()
    model.normalizer.adapt(diffusion_images())
    model.compile(
        optimizer=keras.optimizers.AdamW(learning_rate=1e-3, weight_decay=1e-4),
        loss=keras.losses.mean_absolute_error,
    )
    return Reference(model, x=diffusion_images())


class BYOL(keras.Model):
    def __init__(self, tau=0.95, drops_in_target=True):
        super().__init__()
        self.drops_in_target = drops_in_target
        self.online, self.target = byol_encoder("online"), byol_encoder("target")
        self.target.set_weights(self.online.get_weights())
        self.target.trainable = False
        self.predictor = keras.Sequential(
            [keras.Input((4,)), layers.Dense(8, activation="relu"), layers.Dense(4)]
        )
        self.tau = tau

    def view(self, x):
        return x + 0.1 * keras.random.normal(ops.shape(x))

    def regression(self, p, z):
        return 2 - 2 * ops.sum(ops.normalize(p, axis=-1) * ops.normalize(z, axis=-1), axis=-1)

    def train_step(self, x):
        one, two = self.view(x), self.view(x)
        z_one = self.target(one, training=self.drops_in_target)
        z_two = self.target(two, training=self.drops_in_target)
        with tf.GradientTape() as tape:
            p_one = self.predictor(self.online(one, training=True), training=True)
            p_two = self.predictor(self.online(two, training=True), training=True)
            loss = ops.mean(self.regression(p_one, z_two) + self.regression(p_two, z_one))
        weights = self.online.trainable_weights + self.predictor.trainable_weights
        self.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights))
        for w, t in zip(self.online.trainable_weights, self.target.non_trainable_weights):
            t.assign(self.tau * t + (1 - self.tau) * w)
        return {"loss": loss}


def byol_encoder(name):
    return keras.Sequential(
        [
            keras.Input((10,)),
            layers.Dense(12, activation="gelu"),
            layers.LayerNormalization(),
            layers.Dropout(0.2),
            layers.Dense(4),
        ],
        name=name,
    )


def byol(**options):
    model = BYOL(**options)
    model.compile(optimizer=keras.optimizers.Adam(2e-3))
    return Reference(model, x=np.random.default_rng(0).normal(size=(32, 10)))


def byol_frozen():
    """The teacher without dropout."""
    return byol(drops_in_target=False)


class AdversarialTraining(keras.Model):
    def train_step(self, data):
        x, y = data
        y = ops.one_hot(y, CLASSES)
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = self.compute_loss(x, y, self(x, training=False))
        attacked = ops.clip(x + 0.05 * ops.sign(tape.gradient(loss, x)), 0.0, 1.0)
        with tf.GradientTape() as tape:
            clean = self.compute_loss(x, y, self(x, training=True))
            hard = self.compute_loss(attacked, y, self(attacked, training=True))
            loss = 0.7 * clean + 0.3 * hard
        grads = tape.gradient(loss, self.trainable_variables)
        grads = [tf.clip_by_norm(g, 0.2) for g in grads]
        self.optimizer.apply_gradients(zip(grads, self.trainable_variables))
        return {"loss": loss, "clean": clean, "hard": hard}


def fgsm():
    inputs = keras.Input((SIZE, SIZE, 1))
    x = layers.Conv2D(5, 3, activation="relu")(inputs)
    x = layers.Dropout(0.25)(layers.MaxPooling2D()(x))
    model = AdversarialTraining(inputs, layers.Dense(CLASSES)(layers.Flatten()(x)))
    model.compile(
        optimizer=keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1),
    )
    rng = np.random.default_rng(0)
    return Reference(model, x=rng.random((32, SIZE, SIZE, 1)), y=rng.integers(CLASSES, size=32))


class Accumulating(keras.Model):
    def __init__(self, n_gradients, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.n_gradients = n_gradients
        self.n_step = tf.Variable(0, dtype=tf.int32, trainable=False)
        self.sums = [
            tf.Variable(ops.zeros_like(v), trainable=False) for v in self.trainable_weights
        ]

    def train_step(self, data):
        x, y = data
        self.n_step.assign_add(1)
        with tf.GradientTape() as tape:
            loss = self.compute_loss(x, y, self(x, training=True))
        for total, grad in zip(self.sums, tape.gradient(loss, self.trainable_variables)):
            total.assign_add(grad / self.n_gradients)
        tf.cond(self.n_step == self.n_gradients, self.apply_sums, lambda: None)
        return {"loss": loss}

    def apply_sums(self):
        self.optimizer.apply_gradients(zip(self.sums, self.trainable_variables))
        self.n_step.assign(0)
        for total in self.sums:
            total.assign(tf.zeros_like(total))


def accumulate():
    inputs = keras.Input((7,))
    x = layers.Dense(9, activation="tanh")(inputs)
    model = Accumulating(2, inputs, layers.Dense(2)(x))
    model.compile(optimizer=keras.optimizers.Adam(1e-2), loss=keras.losses.Huber(delta=0.5))
    rng = np.random.default_rng(0)
    return Reference(model, x=rng.normal(size=(32, 7)), y=rng.normal(size=(32, 2)))
