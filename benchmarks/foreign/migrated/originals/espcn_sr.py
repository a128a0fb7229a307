"""Super-resolution by sub-pixel convolution (ESPCN), with a bilinear skip and a Charbonnier loss."""

import keras
import tensorflow as tf
from keras import layers, ops

UPSCALE = 2


class DepthToSpace(layers.Layer):
    def __init__(self, block_size, **kwargs):
        super().__init__(**kwargs)
        self.block_size = block_size

    def call(self, x):
        return tf.nn.depth_to_space(x, self.block_size)

    def compute_output_shape(self, shape):
        n, h, w, c = shape
        return (n, h * self.block_size, w * self.block_size, c // self.block_size**2)


def charbonnier(y_true, y_pred, eps=1e-3):
    y_true = ops.cast(y_true, y_pred.dtype)
    return ops.mean(ops.sqrt(ops.square(y_true - y_pred) + eps**2), axis=(1, 2, 3))


def build(channels=3):
    low = keras.Input((8, 8, channels), name="low")
    conv_args = {"activation": "tanh", "kernel_initializer": "orthogonal", "padding": "same"}
    x = layers.Conv2D(8, 5, **conv_args, name="feature")(low)
    x = layers.Conv2D(8, 3, dilation_rate=2, **conv_args, name="map_1")(x)
    x = layers.Conv2D(6, 3, **conv_args, name="map_2")(x)
    x = layers.Conv2D(
        channels * UPSCALE**2, 3, kernel_initializer="orthogonal", padding="same", name="to_pixels"
    )(x)
    x = DepthToSpace(UPSCALE, name="shuffle")(x)
    skip = layers.UpSampling2D(UPSCALE, interpolation="bilinear", name="bilinear")(low)
    high = layers.Add(name="high")([x, skip])
    model = keras.Model(low, high, name="espcn")
    schedule = keras.optimizers.schedules.PolynomialDecay(
        5e-3, decay_steps=6, end_learning_rate=1e-4, power=2.0
    )
    model.compile(optimizer=keras.optimizers.Adam(schedule), loss=charbonnier)
    return model
