"""Sequence to sequence learning for adding numbers, with RepeatVector."""

import keras
from keras import layers

chars, maxlen, digits = 12, 7, 4


def build():
    model = keras.Sequential()
    model.add(layers.Input((maxlen, chars)))
    model.add(layers.LSTM(9))
    model.add(layers.RepeatVector(digits))
    for _ in range(2):
        model.add(layers.LSTM(9, return_sequences=True))
    model.add(layers.Dense(chars, activation="softmax"))
    model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    return model
