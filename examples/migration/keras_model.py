"""The Keras program that is migrated: a small classifier of colour images, as it is in use."""

import keras
from keras import layers, regularizers

from keras_impl import Reference

INPUT_SHAPE = (32, 32, 3)
NUM_CLASSES = 10
L2 = 1e-4


def block(x, filters, strides):
    """Convolution, normalisation, activation."""
    x = layers.Conv2D(
        filters,
        3,
        strides=strides,
        padding="same",
        use_bias=False,
        kernel_regularizer=regularizers.L2(L2),
    )(x)
    x = layers.BatchNormalization()(x)
    return layers.ReLU()(x)


def build():
    """Returns the compiled model, and the callbacks that `fit` is given."""
    inputs = keras.Input(INPUT_SHAPE)
    x = block(inputs, 8, strides=1)
    x = block(x, 16, strides=2)
    x = block(x, 24, strides=2)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.3)(x)
    outputs = layers.Dense(
        NUM_CLASSES, activation="softmax", kernel_regularizer=regularizers.L2(L2)
    )(x)
    model = keras.Model(inputs, outputs)
    model.compile(
        optimizer=keras.optimizers.Adam(1e-3),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return Reference(
        model, callbacks=[keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=3)]
    )
