"""Involutional neural networks."""

import keras
from keras import layers


@keras.saving.register_keras_serializable(package="inv")
class Involution(keras.layers.Layer):
    def __init__(self, channel, group_number, kernel_size, stride, reduction_ratio, **kwargs):
        super().__init__(**kwargs)
        self.channel = channel
        self.group_number = group_number
        self.kernel_size = kernel_size
        self.stride = stride
        self.reduction_ratio = reduction_ratio

    def build(self, input_shape):
        (_, height, width, num_channels) = input_shape
        height = height // self.stride
        width = width // self.stride
        self.stride_layer = (
            keras.layers.AveragePooling2D(
                pool_size=self.stride, strides=self.stride, padding="same"
            )
            if self.stride > 1
            else keras.layers.Identity()
        )
        self.kernel_gen = keras.Sequential(
            [
                keras.layers.Conv2D(
                    filters=self.channel // self.reduction_ratio, kernel_size=1, name="reduce"
                ),
                keras.layers.BatchNormalization(name="norm"),
                keras.layers.ReLU(),
                keras.layers.Conv2D(
                    filters=self.kernel_size * self.kernel_size * self.group_number,
                    kernel_size=1,
                    name="span",
                ),
            ],
            name="kernel_gen",
        )
        self.kernel_reshape = keras.layers.Reshape(
            target_shape=(
                height,
                width,
                self.kernel_size * self.kernel_size,
                1,
                self.group_number,
            )
        )
        self.input_patches_reshape = keras.layers.Reshape(
            target_shape=(
                height,
                width,
                self.kernel_size * self.kernel_size,
                num_channels // self.group_number,
                self.group_number,
            )
        )
        self.output_reshape = keras.layers.Reshape(target_shape=(height, width, num_channels))

    def call(self, x):
        kernel_input = self.stride_layer(x)
        kernel = self.kernel_gen(kernel_input)
        kernel = self.kernel_reshape(kernel)
        input_patches = keras.ops.image.extract_patches(
            images=x,
            size=self.kernel_size,
            strides=self.stride,
            padding="same",
        )
        input_patches = self.input_patches_reshape(input_patches)
        output = keras.ops.multiply(kernel, input_patches)
        output = keras.ops.sum(output, axis=3)
        return self.output_reshape(output)

    def get_config(self):
        config = super().get_config()
        config.update(
            {
                "channel": self.channel,
                "group_number": self.group_number,
                "kernel_size": self.kernel_size,
                "stride": self.stride,
                "reduction_ratio": self.reduction_ratio,
            }
        )
        return config


def build():
    inputs = keras.Input(shape=(10, 8, 4))
    x = Involution(4, group_number=2, kernel_size=3, stride=1, reduction_ratio=2, name="inv_1")(
        inputs
    )
    x = keras.layers.ReLU(name="relu_1")(x)
    x = keras.layers.MaxPooling2D((2, 2), name="pool")(x)
    x = Involution(4, group_number=1, kernel_size=3, stride=1, reduction_ratio=2, name="inv_2")(x)
    x = keras.layers.ReLU(name="relu_2")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(12, activation="relu", name="hidden")(x)
    outputs = layers.Dense(5, name="logits")(x)
    model = keras.Model(inputs, outputs, name="inv_model")
    model.compile(
        optimizer="adam",
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model
