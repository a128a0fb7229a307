"""Next-frame prediction with convolutional LSTMs, after the example of keras.io."""

import keras
from keras import layers

from keras_impl import Reference

from .data import samples


def build():
    inp = keras.Input(shape=(4, 6, 6, 1))
    x = layers.ConvLSTM2D(
        filters=3, kernel_size=(5, 5), padding="same", return_sequences=True, activation="relu"
    )(inp)
    x = layers.BatchNormalization()(x)
    x = layers.ConvLSTM2D(filters=4, kernel_size=(3, 3), padding="same", return_sequences=True)(x)
    x = layers.Conv3D(filters=1, kernel_size=(3, 3, 3), activation="sigmoid", padding="same")(x)
    model = keras.Model(inp, x)
    model.compile(
        loss=keras.losses.BinaryCrossentropy(),
        optimizer=keras.optimizers.Adam(3e-3),
    )
    x, y = samples()
    return Reference(model, x=x, y=y)
