"""BigTransfer-like: group normalisation and standardised weights."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable(package="bit")
class StandardizedConv2D(layers.Conv2D):
    def build(self, input_shape):
        super().build(input_shape)

    def call(self, inputs):
        mean = ops.mean(self.kernel, axis=(0, 1, 2), keepdims=True)
        variance = ops.var(self.kernel, axis=(0, 1, 2), keepdims=True)
        kernel = (self.kernel - mean) / ops.sqrt(variance + 1e-10)
        outputs = ops.conv(
            inputs,
            kernel,
            strides=list(self.strides),
            padding=self.padding,
            dilation_rate=self.dilation_rate,
        )
        if self.use_bias:
            outputs = outputs + self.bias
        return outputs


def unit(x, filters, stride):
    shortcut = x
    x = layers.GroupNormalization(groups=2, epsilon=1e-5)(x)
    x = layers.ReLU()(x)
    if stride > 1 or shortcut.shape[-1] != filters:
        shortcut = StandardizedConv2D(filters, 1, strides=stride, use_bias=False)(x)
    x = StandardizedConv2D(filters, 3, strides=stride, padding="same", use_bias=False)(x)
    x = layers.GroupNormalization(groups=2, epsilon=1e-5)(x)
    x = layers.ReLU()(x)
    x = StandardizedConv2D(filters, 3, padding="same", use_bias=False)(x)
    return layers.add([shortcut, x])


def build():
    inputs = keras.Input((18, 14, 3))
    x = layers.ZeroPadding2D(1)(inputs)
    x = StandardizedConv2D(6, 5, strides=2, use_bias=False)(x)
    x = layers.ZeroPadding2D(1)(x)
    x = layers.MaxPooling2D(3, strides=1)(x)
    x = unit(x, 6, 1)
    x = unit(x, 8, 2)
    x = layers.GroupNormalization(groups=2, epsilon=1e-5)(x)
    x = layers.ReLU()(x)
    x = layers.GlobalAveragePooling2D()(x)
    outputs = layers.Dense(5, kernel_initializer="zeros")(x)
    model = keras.Model(inputs, outputs)
    model.compile(
        optimizer=keras.optimizers.SGD(
            learning_rate=keras.optimizers.schedules.PiecewiseConstantDecay(
                boundaries=[2, 4], values=[0.03, 0.003, 0.0003]
            ),
            momentum=0.9,
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model
