"""Image super-resolution with an efficient sub-pixel CNN."""

import keras
import tensorflow as tf
from keras import layers


class DepthToSpace(layers.Layer):
    def __init__(self, block_size, **kwargs):
        super().__init__(**kwargs)
        self.block_size = block_size

    def build(self, input_shape):
        super().build(input_shape)

    def call(self, inputs):
        batch, height, width, depth = keras.ops.shape(inputs)
        depth = depth // (self.block_size**2)
        x = keras.ops.reshape(
            inputs, [batch, height, width, self.block_size, self.block_size, depth]
        )
        x = keras.ops.transpose(x, [0, 1, 3, 2, 4, 5])
        return keras.ops.reshape(
            x, [batch, height * self.block_size, width * self.block_size, depth]
        )

    def get_config(self):
        config = super().get_config()
        config.update({"block_size": self.block_size})
        return config


class TFDepthToSpace(layers.Layer):
    def call(self, x):
        return tf.nn.depth_to_space(x, 2)


def get_model(upscale_factor=3, channels=2):
    conv_args = {
        "activation": "relu",
        "kernel_initializer": "orthogonal",
        "padding": "same",
    }
    inputs = keras.Input(shape=(7, 9, channels))
    x = layers.Conv2D(12, 5, **conv_args)(inputs)
    x = layers.Conv2D(8, 3, **conv_args)(x)
    x = layers.Conv2D(channels * 4, 3, **conv_args)(x)
    x = TFDepthToSpace()(x)
    x = layers.Conv2D(channels * (upscale_factor**2), 3, **conv_args)(x)
    outputs = DepthToSpace(upscale_factor)(x)
    return keras.Model(inputs, outputs)


def build():
    model = get_model()
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate=0.001),
        loss=keras.losses.MeanSquaredError(),
    )
    return model
