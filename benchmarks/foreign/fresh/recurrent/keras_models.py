"""Keras models with recurrent layers: cells, directions, states, orders, dropouts."""

import keras
from keras import layers


def compiled(inputs, outputs, loss="mse"):
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.SGD(0.05), loss)
    return model


def stacked():
    x = inputs = keras.Input((7, 3), name="series")
    x = layers.LSTM(5, return_sequences=True, name="lower")(x)
    x = layers.LSTM(5, name="upper")(x)
    return compiled(inputs, layers.Dense(2, name="head")(x))


def lstm():
    x = inputs = keras.Input((6, 3), name="series")
    return compiled(inputs, layers.Dense(2, name="head")(layers.LSTM(4, name="memory")(x)))


def gru():
    x = inputs = keras.Input((6, 3), name="series")
    return compiled(inputs, layers.Dense(2, name="head")(layers.GRU(5, name="memory")(x)))


def gru_before():
    x = inputs = keras.Input((6, 3), name="series")
    x = layers.GRU(5, reset_after=False, name="memory")(x)
    return compiled(inputs, layers.Dense(2, name="head")(x))


def summed():
    x = inputs = keras.Input((6, 3), name="series")
    x = layers.Bidirectional(layers.GRU(4, return_sequences=True), merge_mode="sum", name="both")(x)
    return compiled(inputs, layers.Dense(2, name="head")(x))


def product():
    x = inputs = keras.Input((6, 3), name="series")
    x = layers.Bidirectional(layers.LSTM(4), merge_mode="mul", name="both")(x)
    return compiled(inputs, layers.Dense(2, name="head")(x))


def backwards():
    """The outputs are in the order in which they come about: the last step first."""
    x = inputs = keras.Input((6, 3), name="series")
    x = layers.SimpleRNN(4, go_backwards=True, return_sequences=True, name="memory")(x)
    return compiled(inputs, layers.Dense(2, name="head")(layers.Flatten(name="flat")(x)))


def rectified():
    x = inputs = keras.Input((6, 3), name="series")
    x = layers.SimpleRNN(5, activation="relu", return_sequences=True, name="memory")(x)
    return compiled(inputs, layers.Dense(1, name="head")(x))


def translator():
    """The decoder begins with the states of the encoder."""
    source, target = keras.Input((6, 3), name="source"), keras.Input((5, 4), name="target")
    _, h, c = layers.LSTM(5, return_state=True, name="encoder")(source)
    x = layers.LSTM(5, return_sequences=True, name="decoder")(target, initial_state=[h, c])
    return compiled([source, target], layers.Dense(3, name="head")(x))


def states():
    """Output and both states, one beside the other."""
    x = inputs = keras.Input((6, 3), name="series")
    x, h, c = layers.LSTM(4, return_sequences=True, return_state=True, name="memory")(x)
    mean = layers.GlobalAveragePooling1D(name="mean")(x)
    x = layers.Concatenate(name="all")([mean, h, c])
    return compiled(inputs, layers.Dense(2, name="head")(x))


def film():
    x = inputs = keras.Input((4, 6, 5, 2), name="film")
    x = layers.ConvLSTM2D(3, 3, padding="same", name="memory")(x)
    return compiled(
        inputs, layers.Dense(2, name="head")(layers.GlobalAveragePooling2D(name="mean")(x))
    )


def cells():
    x = inputs = keras.Input((6, 3), name="series")
    cell = layers.StackedRNNCells([layers.LSTMCell(4), layers.GRUCell(5)])
    x = layers.RNN(cell, name="memory")(x)
    return compiled(inputs, layers.Dense(2, name="head")(x))


def dropped():
    x = inputs = keras.Input((6, 4), name="series")
    x = layers.LSTM(5, dropout=0.3, recurrent_dropout=0.25, name="memory")(x)
    return compiled(inputs, layers.Dense(2, name="head")(x))


def dropped_input():
    x = inputs = keras.Input((6, 4), name="series")
    x = layers.GRU(5, dropout=0.3, return_sequences=True, name="memory")(x)
    return compiled(inputs, layers.Dense(2, name="head")(x))


def stateful():
    x = inputs = keras.Input(batch_shape=(4, 6, 3), name="series")
    x = layers.GRU(5, stateful=True, name="memory")(x)
    return compiled(inputs, layers.Dense(2, name="head")(x))
