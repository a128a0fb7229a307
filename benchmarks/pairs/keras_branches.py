"""Keras models with branches, and models for sequences."""

from __future__ import annotations

import keras
from keras import layers as L

from benchmarks.pairs.keras_base import IMAGE, classified, stack


def residual() -> keras.Model:
    """A residual block with a projection."""
    inputs = keras.Input(IMAGE)
    x = L.Conv2D(4, 3, padding="same", activation="relu")(inputs)
    short = L.Conv2D(6, 1, name="projection")(x)
    y = L.Conv2D(6, 3, padding="same", name="inner")(x)
    y = L.BatchNormalization()(y)
    return classified(inputs, L.ReLU()(L.Add()([short, y])))


def branches() -> keras.Model:
    """Two parallel branches, then a gate."""
    inputs = keras.Input(IMAGE)
    a = L.Conv2D(3, 3, padding="same", activation="relu")(inputs)
    b = L.Conv2D(4, 1, activation="tanh")(inputs)
    x = L.Concatenate()([a, b])
    gate = L.Conv2D(7, 1, activation="sigmoid")(x)
    return classified(inputs, L.Multiply()([x, gate]))


def shared() -> keras.Model:
    """One layer that is called twice."""
    inputs = keras.Input((7,))
    layer = L.Dense(7, activation="tanh")
    return classified(inputs, layer(layer(inputs)))


def frames() -> keras.Model:
    """Two normalisations for each frame of a clip, which Keras calls frame by frame."""
    parts = [L.Dense(6), L.BatchNormalization(), L.ReLU(), L.Dense(4), L.BatchNormalization()]
    net = keras.Sequential([L.Input((4,)), *parts], name="net")
    return stack((3, 4), L.TimeDistributed(net))


def gru_clipped() -> keras.Model:
    """A GRU whose gradients are clipped by the norm of each variable."""
    model = stack((6, 4), L.GRU(5))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.05, clipnorm=0.3), loss)
    return model


globals().update(
    # Tokens, averaged.
    embedding=lambda: stack((9,), L.Embedding(11, 6), L.GlobalAveragePooling1D()),
    # Tokens, convolved.
    embedding_conv=lambda: stack((9,), L.Embedding(11, 6), L.Conv1D(4, 3, activation="relu")),
    lstm=lambda: stack((6, 4), L.LSTM(5)),  # The last state of an LSTM.
    # All states of an LSTM, then another one.
    lstm_sequence=lambda: stack((6, 4), L.LSTM(5, return_sequences=True), L.LSTM(3)),
    gru=lambda: stack((6, 4), L.GRU(5)),  # The last state of a GRU.
    # A GRU that resets before its product, which torch does not have.
    gru_before=lambda: stack((6, 4), L.GRU(5, reset_after=False)),
    simple_rnn=lambda: stack((6, 4), L.SimpleRNN(5)),  # The last state of a plain recurrent layer.
    bidirectional=lambda: stack((6, 4), L.Bidirectional(L.LSTM(3))),  # An LSTM in both directions.
)
