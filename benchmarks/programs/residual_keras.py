"""A small residual network on noisy 10 x 10 images of four kinds."""

import keras
import numpy as np
from keras import layers, regularizers

from keras_impl import Reference

NUM_CLASSES = 4
L2 = 5e-4


def make_data(count=400, seed=11):
    rng = np.random.default_rng(seed)
    patterns = rng.normal(size=(NUM_CLASSES, 10, 10, 2))
    y = rng.integers(0, NUM_CLASSES, count)
    x = 0.45 * patterns[y] + rng.normal(size=(count, 10, 10, 2))
    redrawn = rng.random(count) < 0.1
    y = np.where(redrawn, rng.integers(0, NUM_CLASSES, count), y)
    return x.astype("float32"), y.astype("int64")


x, y = make_data()


def conv(filters, size=3, strides=1):
    return layers.Conv2D(
        filters,
        size,
        strides=strides,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        kernel_regularizer=regularizers.L2(L2),
    )


def residual_block(x, filters, strides):
    shortcut = x
    out = conv(filters, strides=strides)(x)
    out = layers.BatchNormalization(momentum=0.9)(out)
    out = layers.ReLU()(out)
    out = conv(filters)(out)
    out = layers.BatchNormalization(momentum=0.9)(out)
    if strides != 1 or x.shape[-1] != filters:
        shortcut = conv(filters, size=1, strides=strides)(x)
        shortcut = layers.BatchNormalization(momentum=0.9)(shortcut)
    return layers.ReLU()(layers.Add()([out, shortcut]))


def build():
    inputs = keras.Input((10, 10, 2))
    h = conv(6)(inputs)
    h = layers.BatchNormalization(momentum=0.9)(h)
    h = layers.ReLU()(h)
    h = residual_block(h, 6, strides=1)
    h = layers.SpatialDropout2D(0.15)(h)
    h = residual_block(h, 10, strides=2)
    h = layers.GlobalAveragePooling2D()(h)
    h = layers.Dropout(0.3)(h)
    outputs = layers.Dense(NUM_CLASSES, kernel_regularizer=regularizers.L2(L2))(h)
    model = keras.Model(inputs, outputs)
    model.compile(
        optimizer=keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True, clipnorm=1.0),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return Reference(
        model,
        x=x,
        y=y,
        validation_split=0.2,
        batch_size=20,
        epochs=16,
        callbacks=[
            keras.callbacks.ReduceLROnPlateau(
                monitor="val_loss", factor=0.5, patience=2, min_delta=1e-3, min_lr=1e-4
            )
        ],
    )
