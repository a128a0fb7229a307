"""Models that call a BatchNormalization several times in a pass."""

import keras
from keras import layers as L


def compiled(inputs, output):
    model = keras.Model(inputs, output)
    model.compile("adam", "mse")
    return model


def frames():
    """Two normalisations for each frame of a clip."""
    net = [L.Dense(6), L.BatchNormalization(), L.ReLU(), L.Dense(4), L.BatchNormalization()]
    clip = L.Input((3, 5))
    x = L.TimeDistributed(keras.Sequential([L.Input((5,)), *net], name="net"))(clip)
    return compiled(clip, L.Dense(2)(L.GlobalAveragePooling1D()(x)))


def towers():
    """One normalisation for two inputs."""
    net = keras.Sequential([L.Input((5,)), L.Dense(6), L.BatchNormalization(), L.ReLU()])
    a, b = L.Input((5,), name="a"), L.Input((5,), name="b")
    return compiled([a, b], L.Dense(1)(L.Concatenate()([net(a), net(b)])))
