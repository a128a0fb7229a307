"""Keras models whose tensors have sides of one length, so that no shape tells their layout."""

import keras
from keras import layers as L


def _chain(shape, *layers, loss="mean_squared_error"):
    return _compiled(keras.Sequential([keras.Input(shape), *layers]), loss)


def _compiled(model, loss="mean_squared_error"):
    model.compile(keras.optimizers.SGD(0.01), loss)
    return model


def _conv(units=6, **settings):
    return L.Conv2D(units, 3, padding="same", **settings)


def images():
    return _chain((6, 6, 6), _conv(activation="relu"), L.Dropout(0.5), L.Flatten(), L.Dense(3))


def first():
    return _chain((6, 6, 6), L.Dropout(0.5), _conv(4), L.Flatten(), L.Dense(3))


def outputs():
    return _chain((6, 6, 6), _conv(activation="relu"), L.Dropout(0.5), _conv())


def classes():
    last = _conv(activation="softmax")
    return _chain((6, 6, 6), _conv(), L.ReLU(), last, loss="sparse_categorical_crossentropy")


def volumes():
    layers = [L.Conv3D(4, 3, padding="same"), L.Dropout(0.4), L.Conv3D(4, 3, padding="same")]
    return _chain((4, 4, 4, 4), *layers, L.GlobalAveragePooling3D(), L.Dense(3))


def branches():
    given = keras.Input((6, 6, 6))
    x = L.add([L.Dropout(0.3)(_conv(activation="relu")(given)), given])
    x = L.concatenate([L.Dropout(0.2)(_conv()(x)), given])
    return _compiled(keras.Model(given, L.Dense(3)(L.Flatten()(L.Dropout(0.2)(x)))))


def signals():
    convs = [L.Conv1D(6, 3, padding="same", activation="relu"), L.Conv1D(6, 3, padding="same")]
    return _chain((6, 6), convs[0], L.Dropout(0.3), convs[1], L.Flatten(), L.Dense(3))


def tokens():
    x = given = keras.Input((6, 6))
    y = L.Dropout(0.4)(L.Dense(6, activation="relu")(L.Permute((2, 1))(x)))
    x = L.add([x, L.Permute((2, 1))(y)])
    x = L.add([x, L.Dropout(0.4)(L.Dense(6)(x))])
    return _compiled(keras.Model(given, L.Dense(2)(L.Flatten()(x))))


def steps():
    """As many steps as units, and as samples in a batch of the check."""
    gru = L.GRU(4, return_sequences=True)
    return _chain((4, 4), L.Dropout(0.3), gru, L.Dropout(0.4), L.Dense(4))


def decoder():
    dense = L.Dense(64, activation="relu")
    last = L.Conv2D(4, 3, padding="same")
    return _chain((5,), dense, L.Reshape((4, 4, 4)), L.Dropout(0.3), last)
