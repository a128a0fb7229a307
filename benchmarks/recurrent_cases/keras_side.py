"""Keras models with recurrent layers whose settings torch's modules do not have."""

from __future__ import annotations

from typing import Any

from benchmarks.held_out.keras_side import keras, keras_sequential, layers

SIGNALS, IMAGES = (6, 3), (4, 7, 6, 2)


def _compiled(model: Any) -> Any:
    model.compile(keras.optimizers.Adam(2e-3), "mse")
    return model


def _sequence(*parts: Any, shape: tuple[int, ...] = SIGNALS) -> Any:
    return _compiled(keras_sequential(keras.Input(shape), *parts, layers.Dense(2, name="targets")))


def dropped() -> Any:
    """Inputs are dropped, the same ones in all time steps."""
    return _sequence(layers.LSTM(5, dropout=0.4, name="memory"))


def dropped_gru() -> Any:
    """The same in front of a GRU that gives all steps, behind a dense layer."""
    return _sequence(
        layers.Dense(4, activation="tanh", name="features"),
        layers.GRU(5, dropout=0.3, return_sequences=True, name="memory"),
        layers.GlobalAveragePooling1D(),
    )


def recurrent_dropped() -> Any:
    """Inputs and states are dropped, for each gate by another mask."""
    return _sequence(layers.LSTM(5, dropout=0.2, recurrent_dropout=0.3, name="memory"))


def states_dropped() -> Any:
    """States are dropped by one mask."""
    return _sequence(layers.SimpleRNN(5, recurrent_dropout=0.3, name="memory"))


def both_dropped() -> Any:
    """Both directions drop their inputs, each by a mask of its own."""
    return _sequence(layers.Bidirectional(layers.LSTM(4, dropout=0.4), name="memory"))


def encoder_decoder() -> Any:
    """The states of an LSTM are the first ones of another."""
    source, target = keras.Input((6, 3), name="source"), keras.Input((4, 2), name="target")
    _, h, c = layers.LSTM(5, return_state=True, name="encoder")(source)
    x = layers.LSTM(5, return_sequences=True, name="decoder")(target, initial_state=[h, c])
    return _compiled(keras.Model([source, target], layers.Dense(2, name="targets")(x)))


def encoder_decoder_gru() -> Any:
    """The same with GRUs, both directions in the encoder."""
    source, target = keras.Input((6, 3), name="source"), keras.Input((4, 2), name="target")
    encoder = layers.Bidirectional(layers.GRU(3, return_state=True), name="encoder")
    _, there, back = encoder(source)
    state = layers.Concatenate(name="state")([there, back])
    x = layers.GRU(6, return_sequences=True, name="decoder")(target, initial_state=state)
    return _compiled(keras.Model([source, target], layers.Dense(2, name="targets")(x)))


def state_used() -> Any:
    """The last c of an LSTM goes into a dense layer, beside its output."""
    given = keras.Input(SIGNALS)
    output, _, c = layers.LSTM(5, return_state=True, name="memory")(given)
    x = layers.Concatenate(name="both")([output, c])
    return _compiled(keras.Model(given, layers.Dense(2, name="targets")(x)))


def backwards() -> Any:
    """A GRU that reads from the end, and gives its outputs in that order."""
    return _sequence(
        layers.GRU(5, go_backwards=True, return_sequences=True, name="memory"),
        layers.LSTM(4, name="upper"),
    )


def both_summed() -> Any:
    """The outputs of both directions are added."""
    layer = layers.LSTM(4, return_sequences=True)
    return _sequence(
        layers.Bidirectional(layer, merge_mode="sum", name="memory"),
        layers.GlobalMaxPooling1D(),
    )


def cells() -> Any:
    """Two cells on top of one another in one RNN."""
    return _sequence(layers.RNN([layers.LSTMCell(5), layers.GRUCell(4)], name="memory"))


def one_cell() -> Any:
    """An LSTM by its cell."""
    return _sequence(layers.RNN(layers.LSTMCell(5), return_sequences=True, name="memory"))


def reset_before() -> Any:
    """A GRU of the first version of the paper, by its cell."""
    return _sequence(layers.GRU(5, reset_after=False, return_sequences=True, name="memory"))


def images() -> Any:
    """Convolutional LSTMs, one on top of the other."""
    return _sequence(
        layers.ConvLSTM2D(3, 3, padding="same", return_sequences=True, name="lower"),
        layers.ConvLSTM2D(2, 3, padding="same", recurrent_activation="hard_sigmoid", name="upper"),
        layers.GlobalAveragePooling2D(),
        shape=IMAGES,
    )


def valid_images() -> Any:
    """A convolutional LSTM without padding, with dropout."""
    return _sequence(
        layers.ConvLSTM2D(3, (3, 2), strides=2, dropout=0.3, name="memory"),
        layers.Flatten(),
        shape=IMAGES,
    )


def stateful() -> Any:
    """States are kept from batch to batch."""
    return _compiled(
        keras_sequential(
            keras.Input(batch_shape=(8, *SIGNALS)),
            layers.LSTM(5, stateful=True, name="memory"),
            layers.Dense(2, name="targets"),
        )
    )


def grus_by_hand() -> Any:
    """Two GRUs, which reset behind the product with the state, and before it."""
    return _sequence(
        layers.GRU(5, return_sequences=True, name="lower"),
        layers.GRU(4, reset_after=False, name="upper"),
    )


def lstms_by_hand() -> Any:
    """Two LSTMs, one on top of the other."""
    return _sequence(
        layers.LSTM(5, return_sequences=True, name="lower"), layers.LSTM(4, name="upper")
    )


def rnns_by_hand() -> Any:
    """Two simple recurrent layers, one on top of the other."""
    return _sequence(
        layers.SimpleRNN(5, return_sequences=True, name="lower"), layers.SimpleRNN(4, name="upper")
    )
