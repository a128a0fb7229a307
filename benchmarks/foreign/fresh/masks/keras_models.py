"""Keras models with masks: through recurrent layers, attention, pools, losses and metrics."""

import keras
from keras import layers

from keras_impl import Reference


def compiled(inputs, outputs, loss, **settings):
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.SGD(0.05), loss, **settings)
    return model


def words(steps=10, count=20, width=6):
    tokens = keras.Input((steps,), dtype="int32", name="tokens")
    return tokens, layers.Embedding(count, width, mask_zero=True, name="words")(tokens)


def bag():
    tokens, x = words()
    x = layers.GlobalAveragePooling1D(name="mean")(x)
    return compiled(
        tokens,
        layers.Dense(3, activation="softmax", name="head")(x),
        "sparse_categorical_crossentropy",
    )


def sentiment():
    tokens, x = words(steps=9)
    x = layers.LSTM(5, name="memory")(x)
    return compiled(
        tokens, layers.Dense(1, activation="sigmoid", name="head")(x), "binary_crossentropy"
    )


def both_ways_mean():
    tokens, x = words(steps=8)
    x = layers.Bidirectional(layers.LSTM(4, return_sequences=True), name="both")(x)
    x = layers.GlobalAveragePooling1D(name="mean")(x)
    return compiled(tokens, layers.Dense(3, name="head")(x), "mse")


def both_ways_last():
    tokens, x = words(steps=8)
    x = layers.Bidirectional(layers.GRU(3), name="both")(x)
    return compiled(tokens, layers.Dense(2, name="head")(x), "mse")


def tagger():
    tokens, x = words(steps=9)
    x = layers.GRU(5, return_sequences=True, name="memory")(x)
    x = layers.Dense(4, activation="softmax", name="tags")(x)
    return compiled(tokens, x, "sparse_categorical_crossentropy", weighted_metrics=["accuracy"])


def sensor():
    series = keras.Input((10, 3), name="series")
    x = layers.Masking(-1.0, name="gaps")(series)
    x = layers.SimpleRNN(4, name="memory")(x)
    return compiled(series, layers.Dense(1, name="head")(x), "mse")


def forecast():
    series = keras.Input((7, 3), name="series")
    x = layers.Masking(0.0, name="gaps")(series)
    x = layers.GRU(4, return_sequences=True, name="memory")(x)
    return compiled(series, layers.Dense(2, name="head")(x), "mse", weighted_metrics=["mae"])


def two_floors():
    tokens, x = words(steps=8)
    x = layers.LSTM(5, return_sequences=True, name="lower")(x)
    x = layers.LSTM(4, name="upper")(x)
    return compiled(tokens, layers.Dense(2, name="head")(x), "mse")


def attentive():
    tokens, x = words(steps=9)
    x = layers.MultiHeadAttention(2, key_dim=3, name="attention")(x, x)
    x = layers.GlobalAveragePooling1D(name="mean")(x)
    return compiled(tokens, layers.Dense(2, name="head")(x), "mse")


def scored():
    """A learned weight for each step: a softmax over the steps that are there."""
    tokens = keras.Input((8,), dtype="int32", name="tokens")
    there = keras.ops.expand_dims(keras.ops.not_equal(tokens, 0), -1)
    x = layers.Embedding(20, 6, name="words")(tokens)
    share = layers.Softmax(axis=1, name="share")(layers.Dense(1, name="score")(x), mask=there)
    x = keras.ops.sum(x * share, axis=1)
    return compiled(tokens, layers.Dense(3, name="head")(x), "mse")


def question():
    """Two texts, each with its padding; the words of the one look at the words of the other."""
    first, q = words(steps=6)
    second = keras.Input((9,), dtype="int32", name="text")
    v = layers.Embedding(15, 6, mask_zero=True, name="text_words")(second)
    x = layers.Attention(name="look")([q, v])
    x = layers.GlobalAveragePooling1D(name="mean")(x)
    return compiled([first, second], layers.Dense(2, name="head")(x), "mse")


def weighted_tagger():
    """Weights of steps beside the mask."""
    tokens, x = words(steps=6)
    x = layers.LSTM(4, return_sequences=True, name="memory")(x)
    model = compiled(tokens, layers.Dense(1, name="value")(x), "mae")
    x, y = numbers(40, 6)
    return Reference(model, x=x, y=y, sample_weight=abs(y[..., 0]) + 0.5)


def numbers(count, steps):
    import numpy as np

    rng = np.random.default_rng(0)
    tokens = rng.integers(1, 20, (count, steps))
    tokens[np.arange(steps) >= rng.integers(2, steps + 1, (count, 1))] = 0
    return tokens.astype("int32"), rng.normal(size=(count, steps, 1)).astype("float32")
