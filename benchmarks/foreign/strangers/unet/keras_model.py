"""A small U-Net with cross entropy and soft Dice."""

import keras
from keras import layers, ops

from keras_impl import Reference

from .data import samples

CLASSES = 3


def double_conv(x, filters):
    for _ in range(2):
        x = layers.Conv2D(
            filters, 3, padding="same", use_bias=False, kernel_initializer="he_normal"
        )(x)
        x = layers.BatchNormalization()(x)
        x = layers.Activation("relu")(x)
    return x


def dice_ce(y_true, y_pred):
    labels = ops.cast(y_true, "int32")
    ce = ops.mean(keras.losses.sparse_categorical_crossentropy(labels, y_pred, from_logits=True))
    truth = ops.one_hot(labels, CLASSES, dtype=y_pred.dtype)
    probabilities = ops.softmax(y_pred, axis=-1)
    intersection = ops.sum(truth * probabilities, axis=(1, 2))
    total = ops.sum(truth, axis=(1, 2)) + ops.sum(probabilities, axis=(1, 2))
    dice = (2.0 * intersection + 1.0) / (total + 1.0)
    return ce + 1.0 - ops.mean(dice)


def build():
    inputs = keras.Input((16, 16, 2))
    skip1 = double_conv(inputs, 4)
    x = layers.MaxPooling2D(2)(skip1)
    skip2 = double_conv(x, 6)
    x = layers.MaxPooling2D(2)(skip2)
    x = double_conv(x, 8)
    x = layers.Dropout(0.3)(x)
    x = layers.Conv2DTranspose(6, 2, strides=2, padding="same")(x)
    x = double_conv(layers.Concatenate()([x, skip2]), 6)
    x = layers.Conv2DTranspose(4, 3, strides=2, padding="same")(x)
    x = double_conv(layers.Concatenate()([x, skip1]), 4)
    outputs = layers.Conv2D(CLASSES, 1)(x)
    model = keras.Model(inputs, outputs)
    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss=dice_ce)
    x, y = samples()
    return Reference(model, x=x, y=y)
