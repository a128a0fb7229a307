"""PixelCNN: convolutions with masked kernels, and residual blocks."""

import keras
import numpy as np
from keras import layers, ops

n_residual_blocks, filters = 2, 4


@keras.saving.register_keras_serializable(package="pixelcnn")
class PixelConvLayer(layers.Layer):
    def __init__(self, mask_type, filters, kernel_size, activation=None, padding="same", **kwargs):
        super().__init__(**kwargs)
        self.mask_type = mask_type
        self.conv = layers.Conv2D(filters, kernel_size, activation=activation, padding=padding)

    def build(self, input_shape):
        # Build the conv2d layer to initialize kernel variables
        self.conv.build(input_shape)
        # Use the initialized kernel to create the mask
        kernel_shape = ops.shape(self.conv.kernel)
        self.mask = np.zeros(shape=kernel_shape)
        self.mask[: kernel_shape[0] // 2, ...] = 1.0
        self.mask[kernel_shape[0] // 2, : kernel_shape[1] // 2, ...] = 1.0
        if self.mask_type == "B":
            self.mask[kernel_shape[0] // 2, kernel_shape[1] // 2, ...] = 1.0

    def call(self, inputs):
        self.conv.kernel.assign(self.conv.kernel * self.mask)
        return self.conv(inputs)

    def get_config(self):
        conv = self.conv
        return {
            **super().get_config(),
            "mask_type": self.mask_type,
            "filters": conv.filters,
            "kernel_size": conv.kernel_size,
            "activation": keras.activations.serialize(conv.activation),
        }


@keras.saving.register_keras_serializable(package="pixelcnn")
class ResidualBlock(keras.layers.Layer):
    def __init__(self, filters, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.conv1 = layers.Conv2D(filters=filters, kernel_size=1, activation="relu")
        self.pixel_conv = PixelConvLayer(
            mask_type="B", filters=filters // 2, kernel_size=3, activation="relu", padding="same"
        )
        self.conv2 = layers.Conv2D(filters=filters, kernel_size=1, activation="relu")

    def call(self, inputs):
        x = self.conv1(inputs)
        x = self.pixel_conv(x)
        x = self.conv2(x)
        return keras.layers.add([inputs, x])

    def get_config(self):
        return {**super().get_config(), "filters": self.filters}


def build():
    inputs = keras.Input(shape=(9, 7, 1), batch_size=None, name="images")
    x = PixelConvLayer(
        mask_type="A", filters=filters, kernel_size=5, activation="relu", padding="same"
    )(inputs)
    for _ in range(n_residual_blocks):
        x = ResidualBlock(filters=filters)(x)
    for _ in range(2):
        x = PixelConvLayer(
            mask_type="B",
            filters=filters,
            kernel_size=1,
            activation="relu",
            padding="valid",
        )(x)
    out = keras.layers.Conv2D(
        filters=1, kernel_size=1, strides=1, activation="sigmoid", padding="valid"
    )(x)
    pixel_cnn = keras.Model(inputs, out)
    adam = keras.optimizers.Adam(learning_rate=0.0005)
    pixel_cnn.compile(optimizer=adam, loss="binary_crossentropy")
    return pixel_cnn
