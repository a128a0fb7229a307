"""The next two values of a series of two channels, from its last 20 values."""

import keras
import numpy as np
from keras import layers

from keras_impl import Reference

LENGTH = 20


def make_data(count, seed):
    rng = np.random.default_rng(seed)
    time = np.arange(LENGTH + 2)
    phase = rng.uniform(0, 2 * np.pi, (count, 1))
    period = rng.uniform(6, 14, (count, 1))
    wave = np.sin(2 * np.pi * time / period + phase)
    other = np.cos(2 * np.pi * time / period + 0.5 * phase)
    series = np.stack([wave, other], -1) + 0.25 * rng.normal(size=(count, LENGTH + 2, 2))
    return series[:, :LENGTH].astype("float32"), series[:, LENGTH:, 0].astype("float32")


x_train, y_train = make_data(260, seed=31)
x_val, y_val = make_data(100, seed=32)


def build():
    inputs = keras.Input((LENGTH, 2))
    h = layers.Conv1D(8, 3, padding="causal", activation="relu")(inputs)
    h = layers.Conv1D(8, 3, padding="causal", dilation_rate=2, activation="relu")(h)
    h = layers.Conv1D(6, 4, strides=2, padding="same", activation="relu")(h)
    h = layers.Flatten()(h)
    h = layers.Dense(12, activation="relu")(h)
    outputs = layers.Dense(2)(h)
    model = keras.Model(inputs, outputs)
    model.compile(
        optimizer=keras.optimizers.Adadelta(learning_rate=1.0),
        loss="mse",
        metrics=["mae", "mse"],
    )
    return Reference(
        model,
        x=x_train,
        y=y_train,
        validation_data=(x_val, y_val),
        batch_size=13,
        epochs=32,
        callbacks=[
            keras.callbacks.EarlyStopping(
                monitor="val_loss", min_delta=0.005, patience=4, restore_best_weights=True
            )
        ],
    )
