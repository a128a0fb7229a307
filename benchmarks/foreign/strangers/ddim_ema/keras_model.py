"""Denoising diffusion of short vectors with an EMA of the network, after the DDIM example of keras.io."""

import math

import keras
import numpy as np
from keras import layers, ops

from keras_impl import Reference

from .data import samples

DIM, EMBEDDING_DIMS, EMA = 5, 8, 0.99
MIN_SIGNAL_RATE, MAX_SIGNAL_RATE = 0.02, 0.95


@keras.saving.register_keras_serializable()
def sinusoidal_embedding(x):
    frequencies = np.exp(np.linspace(np.log(1.0), np.log(50.0), EMBEDDING_DIMS // 2))
    angular_speeds = ops.cast(2.0 * math.pi * frequencies, x.dtype)
    return ops.concatenate([ops.sin(angular_speeds * x), ops.cos(angular_speeds * x)], axis=-1)


def get_network():
    noisy = keras.Input(shape=(DIM,))
    noise_variances = keras.Input(shape=(1,))
    e = layers.Lambda(sinusoidal_embedding, output_shape=(EMBEDDING_DIMS,))(noise_variances)
    x = layers.Dense(16)(noisy)
    x = layers.Concatenate()([x, e])
    for _ in range(2):
        residual = layers.Dense(16)(x)
        x = layers.BatchNormalization(center=False, scale=False)(x)
        x = layers.Dense(16, activation="swish")(x)
        x = layers.Dense(16)(x)
        x = layers.Add()([x, residual])
    x = layers.Dense(DIM, kernel_initializer="zeros")(x)
    return keras.Model([noisy, noise_variances], x, name="denoiser")


class DiffusionModel(keras.Model):
    def __init__(self):
        super().__init__()
        self.normalizer = layers.Normalization()
        self.network = get_network()
        self.ema_network = keras.models.clone_model(self.network)
        self.ema_network.set_weights(self.network.get_weights())
        self.seed_generator = keras.random.SeedGenerator(7)

    def compile(self, **kwargs):
        super().compile(**kwargs)
        self.noise_loss_tracker = keras.metrics.Mean(name="n_loss")

    @property
    def metrics(self):
        return [self.noise_loss_tracker]

    def diffusion_schedule(self, diffusion_times):
        start_angle = math.acos(MAX_SIGNAL_RATE)
        end_angle = math.acos(MIN_SIGNAL_RATE)
        angles = start_angle + diffusion_times * (end_angle - start_angle)
        return ops.sin(angles), ops.cos(angles)

    def denoise(self, noisy, noise_rates, signal_rates, training):
        network = self.network if training else self.ema_network
        pred_noises = network([noisy, noise_rates**2], training=training)
        return pred_noises, (noisy - noise_rates * pred_noises) / signal_rates

    def train_step(self, x):
        import tensorflow as tf

        x = self.normalizer(x, training=True)
        batch = ops.shape(x)[0]
        noises = keras.random.normal(shape=(batch, DIM), seed=self.seed_generator)
        times = keras.random.uniform(
            shape=(batch, 1), minval=0.0, maxval=1.0, seed=self.seed_generator
        )
        noise_rates, signal_rates = self.diffusion_schedule(times)
        noisy = signal_rates * x + noise_rates * noises
        with tf.GradientTape() as tape:
            pred_noises, _ = self.denoise(noisy, noise_rates, signal_rates, training=True)
            noise_loss = keras.losses.mean_absolute_error(noises, pred_noises)
        gradients = tape.gradient(noise_loss, self.network.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.network.trainable_weights))
        self.noise_loss_tracker.update_state(noise_loss)
        for weight, ema_weight in zip(self.network.weights, self.ema_network.weights):
            ema_weight.assign(EMA * ema_weight + (1 - EMA) * weight)
        return {"n_loss": self.noise_loss_tracker.result()}


def build():
    model = DiffusionModel()
    x = samples()
    model.normalizer.adapt(x)
    model.compile(optimizer=keras.optimizers.AdamW(learning_rate=1e-3, weight_decay=1e-2))
    return Reference(model, x=x)
