"""Networks in Keras."""

from __future__ import annotations

import keras
from keras import layers, ops


def lstm_classifier() -> keras.Model:
    """Two LSTMs on tokens."""
    m = keras.Sequential(
        [
            keras.Input((80,), dtype="int32", name="tokens"),
            layers.Embedding(20000, 128, name="embedding"),
            layers.LSTM(64, dropout=0.2, return_sequences=True, name="lstm_1"),
            layers.LSTM(64, name="lstm_2"),
            layers.Dropout(0.5, name="dropout"),
            layers.Dense(1, activation="sigmoid", name="classifier"),
        ]
    )
    m.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    return m


def masked_classifier() -> keras.Model:
    """LSTMs in both directions on tokens, of which zeros do not count."""
    m = keras.Sequential(
        [
            keras.Input((80,), dtype="int32", name="tokens"),
            layers.Embedding(20000, 128, mask_zero=True, name="embedding"),
            layers.Bidirectional(layers.LSTM(64, return_sequences=True), name="encoder"),
            layers.Bidirectional(layers.LSTM(32), name="summary"),
            layers.Dense(64, activation="relu", name="hidden"),
            layers.Dropout(0.5, name="dropout"),
            layers.Dense(5, activation="softmax", name="classifier"),
        ]
    )
    m.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return m


def bidirectional_classifier() -> keras.Model:
    """LSTMs in both directions on tokens of any number."""
    i = keras.Input((None,), dtype="int32")
    x = layers.Embedding(20000, 128)(i)
    x = layers.Bidirectional(layers.LSTM(64, return_sequences=True))(x)
    x = layers.Bidirectional(layers.LSTM(64))(x)
    o = layers.Dense(1, activation="sigmoid")(x)
    m = keras.Model(i, o)
    m.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    return m


def vision_transformer() -> keras.Model:
    """Eight blocks on patches of an image, whose positions are an array."""
    inputs = keras.Input((72, 72, 3))
    x = layers.Conv2D(64, 6, strides=6, name="patches")(inputs)
    x = layers.Reshape((144, 64))(x)
    positions = layers.Embedding(144, 64, name="position_embedding")(ops.arange(144))
    x = x + positions
    for _ in range(8):
        y = layers.LayerNormalization(epsilon=1e-6)(x)
        y = layers.MultiHeadAttention(num_heads=4, key_dim=64, dropout=0.1)(y, y)
        x = layers.Add()([x, y])
        y = layers.LayerNormalization(epsilon=1e-6)(x)
        y = layers.Dense(128, activation="gelu")(y)
        y = layers.Dropout(0.1)(y)
        y = layers.Dense(64, activation="gelu")(y)
        y = layers.Dropout(0.1)(y)
        x = layers.Add()([x, y])
    x = layers.LayerNormalization(epsilon=1e-6)(x)
    x = layers.Flatten()(x)
    x = layers.Dropout(0.5)(x)
    x = layers.Dense(256, activation="gelu")(x)
    x = layers.Dropout(0.5)(x)
    outputs = layers.Dense(100)(x)
    m = keras.Model(inputs, outputs)
    m.compile(
        keras.optimizers.AdamW(1e-3, weight_decay=1e-4),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return m
