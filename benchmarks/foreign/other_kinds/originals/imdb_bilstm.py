"""Bidirectional LSTM on reviews."""

import keras
from keras import layers

max_features = 50


def build():
    inputs = keras.Input(shape=(None,), dtype="int32")
    x = layers.Embedding(max_features, 12)(inputs)
    x = layers.Bidirectional(layers.LSTM(6, return_sequences=True))(x)
    x = layers.Bidirectional(layers.LSTM(6))(x)
    outputs = layers.Dense(1, activation="sigmoid")(x)
    model = keras.Model(inputs, outputs)
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    return model
