"""A long series in windows: stateful GRUs that go on where the last batch ended."""

import keras
from keras import layers

BATCH, STEPS, FEATURES = 4, 6, 3


def build():
    model = keras.Sequential(
        [
            keras.Input(batch_shape=(BATCH, STEPS, FEATURES)),
            layers.GRU(8, return_sequences=True, stateful=True, name="first"),
            layers.GRU(5, stateful=True, name="second"),
            layers.Dense(6, activation="tanh", name="hidden"),
            layers.Dense(2, name="forecast"),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.SGD(0.02, momentum=0.9, nesterov=True),
        loss=keras.losses.LogCosh(),
    )
    return model
