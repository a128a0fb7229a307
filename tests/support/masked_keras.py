"""Keras models that use masks of sequences."""

import keras

L = keras.layers
WORDS, STEPS = 12, 7


def _compiled(model, loss="sparse_categorical_crossentropy", **settings):
    model.compile(keras.optimizers.SGD(0.1), loss, **settings)
    return model


def _text(*layers, **settings):
    given = [L.Input((STEPS,), dtype="int32"), L.Embedding(WORDS, 6, mask_zero=True)]
    return _compiled(keras.Sequential([*given, *layers]), **settings)


def classifier():
    return _text(L.LSTM(5), L.Dense(3, activation="softmax"))


def stacked():
    layers = L.GRU(5, return_sequences=True), L.GRU(5), L.Dense(3, activation="softmax")
    return _text(*layers)


def tagger():
    layers = L.GRU(5, return_sequences=True), L.Dense(4, activation="softmax")
    return _text(*layers, weighted_metrics=["accuracy"])


def mean():
    return _text(L.GlobalAveragePooling1D(), L.Dense(3, activation="softmax"))


def both_ways():
    return _text(L.Bidirectional(L.LSTM(4)), L.Dense(3, activation="softmax"))


def maximum():
    return _text(L.GlobalMaxPooling1D(), L.Dense(3, activation="softmax"))


def attention():
    x = L.Input((STEPS,), dtype="int32")
    e = L.Embedding(WORDS, 6, mask_zero=True)(x)
    y = L.GlobalAveragePooling1D()(L.Attention()([e, e]))
    return _compiled(keras.Model(x, L.Dense(3, activation="softmax")(y)))


def forecaster():
    layers = [L.Input((STEPS, 3)), L.Masking(0.0), L.LSTM(5, return_sequences=True), L.Dense(2)]
    return _compiled(keras.Sequential(layers), "mse")


def normalised():
    return _text(L.BatchNormalization(), L.Dense(4, activation="softmax"))


def two_heads():
    """A tag of each step, which carries the mask, and one class, which carries none."""
    x = L.Input((STEPS,), dtype="int32")
    y = L.GRU(5, return_sequences=True)(L.Embedding(WORDS, 6, mask_zero=True)(x))
    tags = L.Dense(4, activation="softmax", name="tags")(y)
    kind = L.Dense(3, activation="softmax", name="kind")(L.GlobalAveragePooling1D()(y))
    loss = "sparse_categorical_crossentropy"
    model = keras.Model(x, {"tags": tags, "kind": kind})
    return _compiled(model, {"tags": loss, "kind": loss}, weighted_metrics={"tags": ["accuracy"]})
