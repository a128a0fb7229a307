"""A small mobile network: depthwise separable convolutions, squeeze and excite, hard swish."""

import keras
from keras import layers

CLASSES = 4


def normal(x):
    return layers.BatchNormalization(momentum=0.9)(x)


def squeeze_excite(x, filters, ratio=4):
    s = layers.GlobalAveragePooling2D(keepdims=True)(x)
    s = layers.Conv2D(filters // ratio, 1, activation="relu")(s)
    s = layers.Conv2D(filters, 1, activation="hard_sigmoid")(s)
    return layers.Multiply()([x, s])


def inverted_residual(x, expansion, filters):
    shortcut = x
    width = expansion * x.shape[-1]
    x = layers.Activation("hard_swish")(normal(layers.Conv2D(width, 1, use_bias=False)(x)))
    x = layers.DepthwiseConv2D(5, padding="same", use_bias=False)(x)
    x = layers.Activation("hard_swish")(normal(x))
    x = squeeze_excite(x, width)
    x = normal(layers.Conv2D(filters, 1, use_bias=False)(x))
    return layers.Add()([x, shortcut])


def build():
    inputs = keras.Input((15, 15, 3))
    x = layers.Conv2D(6, 3, strides=2, padding="same", use_bias=False)(inputs)
    x = layers.Activation("hard_swish")(normal(x))
    x = inverted_residual(x, 2, 6)
    x = layers.SpatialDropout2D(0.2)(x)
    x = layers.SeparableConv2D(10, 3, strides=2, padding="same", activation="relu6")(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(8)(x)
    x = layers.LeakyReLU()(x)
    outputs = layers.Dense(CLASSES, activation="softmax")(x)
    model = keras.Model(inputs, outputs)
    model.compile(
        optimizer=keras.optimizers.RMSprop(1e-3, rho=0.9, momentum=0.9, clipnorm=1.0),
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=0.1),
    )
    return model
