"""The generator of a GauGAN: residual blocks with spatially adaptive normalisation."""

import keras
import tensorflow as tf
from keras import layers


class SPADE(layers.Layer):
    def __init__(self, filters, epsilon=1e-5, **kwargs):
        super().__init__(**kwargs)
        self.epsilon = epsilon
        self.conv = layers.Conv2D(6, 3, padding="same", activation="relu")
        self.conv_gamma = layers.Conv2D(filters, 3, padding="same")
        self.conv_beta = layers.Conv2D(filters, 3, padding="same")

    def build(self, input_shape):
        self.resize_shape = input_shape[1:3]

    def call(self, input_tensor, raw_mask):
        mask = tf.image.resize(raw_mask, self.resize_shape, method="nearest")
        x = self.conv(mask)
        gamma = self.conv_gamma(x)
        beta = self.conv_beta(x)
        mean, var = tf.nn.moments(input_tensor, axes=(0, 1, 2), keepdims=True)
        std = tf.sqrt(var + self.epsilon)
        normalized = (input_tensor - mean) / std
        return gamma * normalized + beta


class ResBlock(layers.Layer):
    def __init__(self, filters, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters

    def build(self, input_shape):
        input_filter = input_shape[-1]
        self.spade_1 = SPADE(input_filter)
        self.spade_2 = SPADE(self.filters)
        self.conv_1 = layers.Conv2D(self.filters, 3, padding="same")
        self.conv_2 = layers.Conv2D(self.filters, 3, padding="same")
        self.learned_skip = False
        if self.filters != input_filter:
            self.learned_skip = True
            self.spade_3 = SPADE(input_filter)
            self.conv_3 = layers.Conv2D(self.filters, 3, padding="same")

    def call(self, input_tensor, mask):
        x = self.spade_1(input_tensor, mask)
        x = self.conv_1(keras.ops.leaky_relu(x, 0.2))
        x = self.spade_2(x, mask)
        x = self.conv_2(keras.ops.leaky_relu(x, 0.2))
        skip = input_tensor
        if self.learned_skip:
            skip = self.spade_3(input_tensor, mask)
            skip = self.conv_3(keras.ops.leaky_relu(skip, 0.2))
        return skip + x


def build_generator(mask_shape, latent_dim=5):
    latent = keras.Input(shape=(latent_dim,), name="latent")
    mask = keras.Input(shape=mask_shape, name="mask")
    x = layers.Dense(3 * 2 * 4)(latent)
    x = layers.Reshape((3, 2, 4))(x)
    x = ResBlock(filters=4)(x, mask)
    x = layers.UpSampling2D((2, 2))(x)
    x = ResBlock(filters=3)(x, mask)
    x = layers.UpSampling2D((2, 2))(x)
    x = keras.ops.leaky_relu(x, 0.2)
    output_image = keras.ops.tanh(layers.Conv2D(3, 4, padding="same")(x))
    return keras.Model([latent, mask], output_image, name="generator")


def build():
    model = build_generator((12, 8, 3))
    model.compile(optimizer=keras.optimizers.Adam(1e-4, beta_1=0.0, beta_2=0.999), loss="mae")
    return model
