"""Segmentation with dilated convolutions (DeepLab); class 0 is 'not labelled' and does not count."""

import keras
from keras import layers

from keras_impl import Reference

from .data import samples

CLASSES = 4


def convolution_block(x, filters, kernel_size=3, dilation_rate=1):
    x = layers.Conv2D(
        filters,
        kernel_size,
        dilation_rate=dilation_rate,
        padding="same",
        use_bias=False,
        kernel_initializer=keras.initializers.HeNormal(),
    )(x)
    x = layers.BatchNormalization()(x)
    return layers.ReLU()(x)


def aspp(x):
    side = x.shape[1]
    pooled = layers.AveragePooling2D(pool_size=(side, side))(x)
    pooled = convolution_block(pooled, 4, kernel_size=1)
    pooled = layers.UpSampling2D(size=(side, side), interpolation="bilinear")(pooled)
    branches = [pooled, convolution_block(x, 4, kernel_size=1)]
    branches += [convolution_block(x, 4, dilation_rate=rate) for rate in (2, 3)]
    x = layers.Concatenate()(branches)
    return convolution_block(x, 6, kernel_size=1)


def build():
    inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(6, 5, strides=2, padding="same", activation="relu")(inputs)
    x = aspp(x)
    x = layers.Dropout(0.2)(x)
    x = layers.UpSampling2D(size=(2, 2), interpolation="bilinear")(x)
    outputs = layers.Conv2D(CLASSES, 1)(x)
    model = keras.Model(inputs, outputs)
    model.compile(
        optimizer=keras.optimizers.Adam(1e-3, amsgrad=True),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=0),
    )
    x, y = samples()
    return Reference(model, x=x, y=y)
