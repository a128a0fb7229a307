"""Sentiment of padded reviews: an embedding that masks, and two bidirectional LSTMs."""

import keras
from keras import layers

from keras_impl import Input, Reference

MAX_FEATURES, MAXLEN = 25, 9


def build():
    inputs = keras.Input(shape=(MAXLEN,), dtype="int32", name="tokens")
    x = layers.Embedding(MAX_FEATURES, 8, mask_zero=True)(inputs)
    x = layers.Bidirectional(layers.LSTM(6, return_sequences=True))(x)
    x = layers.Bidirectional(layers.LSTM(6))(x)
    x = layers.Dense(10, activation="relu")(x)
    x = layers.Dropout(0.3)(x)
    outputs = layers.Dense(1, activation="sigmoid")(x)
    model = keras.Model(inputs, outputs)
    model.compile(
        optimizer=keras.optimizers.RMSprop(2e-3),
        loss="binary_crossentropy",
        metrics=["accuracy"],
    )
    return Reference(model, inputs={"tokens": Input(padding="post")})
