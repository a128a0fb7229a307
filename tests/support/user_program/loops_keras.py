"""Programs whose ports have training loops of their own."""

import keras
import numpy as np
from keras import layers as L

from keras_impl import Reference

draw = np.random.default_rng(5)
X = draw.normal(size=(90, 6)).astype("float32")
Y = (X[:, 0] > 0) * 1 + (X[:, 1] > 1)
BATCH = 16  # six batches an epoch, the last one smaller


def normalised():
    inputs = keras.Input((6,))
    x = L.BatchNormalization()(L.Dense(8)(inputs))
    x = L.Dropout(0.2)(L.ReLU()(x))
    rate = keras.optimizers.schedules.ExponentialDecay(0.01, 5, 0.8)
    return program(inputs, x, keras.optimizers.Adam(rate), validation_data=(X[:40], Y[:40]))


def summed():
    """Gradients of two batches are added up, over the ends of epochs, and clipped together."""
    inputs = keras.Input((6,))
    x = L.Dense(8, activation="tanh")(inputs)
    optimizer = keras.optimizers.SGD(0.125, momentum=0.5, gradient_accumulation_steps=2)
    return program(inputs, x, optimizer)


def averaged():
    """The averages of the weights stand in their place at the end; the rate is cut on the way."""
    inputs = keras.Input((6,))
    x = L.Dense(8, activation="tanh")(inputs)
    optimizer = keras.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.75)
    return program(inputs, x, optimizer, callbacks=[cut()])


def cut_with_momentum():
    inputs = keras.Input((6,))
    x = L.Dense(8, activation="tanh")(inputs)
    return program(inputs, x, keras.optimizers.SGD(0.125, momentum=0.5), callbacks=[cut()])


def cut():
    """Behind each epoch but the first, since no loss is smaller by half a nat."""
    return keras.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=0.5)


def program(inputs, x, optimizer, **fit):
    model = keras.Model(inputs, L.Dense(3)(x))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"])
    return Reference(model, x=X, y=Y, batch_size=BATCH, epochs=3, **fit)
