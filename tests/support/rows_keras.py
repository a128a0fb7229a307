"""A Keras model with a recurrent layer that drops, for each of three rows."""

import keras

L = keras.layers


def rows():
    memory = L.LSTM(4, dropout=0.3, recurrent_dropout=0.2, seed=2)
    model = keras.Sequential(
        [
            L.Input((3, 5, 6)),
            L.TimeDistributed(memory, name="each"),
            L.Flatten(),
            L.Dense(2, name="head"),
        ]
    )
    model.compile(keras.optimizers.SGD(0.1), "mse")
    return model
