"""The twin of a recurrent layer is the layer, whatever its settings and wherever its states go."""

import keras
import numpy as np
import pytest
from keras import layers as L
from rows import each_row
from test_twin_layers import BAR, assert_twin, computed, difference, twin_of, values

SEQUENCE = (4, 3)


pytestmark = pytest.mark.usefixtures("float64")


def pair(layer, shape=SEQUENCE, **options):
    inputs = L.Input(**(options or {"shape": shape}))
    model = keras.Model(inputs, layer(inputs))
    return model, twin_of(model)


def assert_same(model, twin, seed, training, size=3):
    x = values((size, *model.inputs[0].shape[1:]), seed)
    assert difference(computed(twin.train(training), x), model(x, training=training).numpy()) <= BAR


@each_row("seed", [0, 2**31 - 1])
@each_row("wrap", [lambda layer: layer, L.Bidirectional], ids=["one", "both"])
def test_masks_are_keras_masks_call_after_call(wrap, seed):
    """The backward layer has the seed of the forward one, and so the same masks."""
    model, twin = pair(wrap(L.GRU(4, dropout=0.4, recurrent_dropout=0.3, seed=seed)))
    for number, training in enumerate((True, False, True, True)):
        assert_same(model, twin, number, training)


@each_row(
    "make, shape",
    [
        (lambda: L.LSTM(4, stateful=True, return_sequences=True), SEQUENCE),
        (lambda: L.Bidirectional(L.GRU(4, stateful=True, dropout=0.3, seed=1)), SEQUENCE),
        (lambda: L.RNN(L.SimpleRNNCell(4), stateful=True), SEQUENCE),
        (lambda: L.ConvLSTM2D(3, 2, stateful=True), (2, 5, 4, 2)),
    ],
    ids=["lstm", "both_ways", "cell", "images"],
)
def test_a_stateful_twin_goes_on_where_the_batch_before_ended(make, shape):
    model, twin = pair(make(), batch_shape=(2, *shape))
    for number, training in enumerate((True, True, False, True)):
        assert_same(model, twin, number, training, size=2)
    for layer in (model.layers[1], next(twin.children())):
        getattr(layer, "reset_state", getattr(layer, "reset_states", None))()
    assert_same(model, twin, 9, True, size=2)


@each_row(
    "make, shape",
    [
        (
            lambda: L.GRU(
                4, activation=L.LeakyReLU(0.1), recurrent_activation=L.ReLU(max_value=1.0)
            ),
            SEQUENCE,
        ),
        (
            lambda: L.TimeDistributed(L.Bidirectional(L.LSTM(4, dropout=0.5, seed=2))),
            (3, 5, 2),
        ),
    ],
    ids=["layers as activations", "masks of each step"],
)
def test_layers_inside_of_a_layer_are_those_of_keras(make, shape):
    assert_twin(pair(make(), shape)[0], [shape])


def encoder_decoder():
    source, target = L.Input((5, 3)), L.Input((4, 2))
    _, h, c = L.LSTM(6, return_state=True)(source)
    decoded = L.LSTM(6, return_sequences=True)(target, initial_state=[h, c])
    _, there, back = L.Bidirectional(L.GRU(3, return_state=True))(source)
    both = L.Bidirectional(L.GRU(3))(target, initial_state=[there, back])
    states = keras.tree.flatten(L.RNN([L.LSTMCell(6), L.GRUCell(6)], return_state=True)(source))
    again = L.RNN([L.LSTMCell(6), L.GRUCell(6)])(target, initial_state=[states[1:3], states[3]])
    return keras.Model([source, target], [decoded, both, again, L.GRU(6)(target, h), *states])


def states_of_images():
    source = L.Input((3, 5, 4, 2))
    y, h, c = L.ConvLSTM2D(
        3, (2, 3), padding="same", dropout=0.3, recurrent_dropout=0.2, seed=8, return_state=True
    )(source)
    decoded = L.ConvLSTM2D(3, 3, padding="same", return_sequences=True)(
        source, initial_state=[h, c]
    )
    both = L.Bidirectional(L.ConvLSTM2D(2, 2, return_sequences=True))(decoded)
    return keras.Model(source, [y, decoded, both])


@pytest.mark.long
@pytest.mark.parametrize(
    ("make", "shapes"),
    [(encoder_decoder, [(5, 3), (4, 2)]), (states_of_images, [(3, 5, 4, 2)])],
    ids=["encoder_decoder", "images"],
)
def test_states_go_where_keras_lets_them_go(make, shapes):
    assert_twin(make(), shapes)


def test_keras_forgets_the_seed_of_a_simple_rnn():
    """Its config has none: the twin takes 0, as for every dropout without a seed."""
    model, twin = pair(L.SimpleRNN(4, dropout=0.5, seed=3))
    x = values((8, *SEQUENCE), 1)
    expected = model(x, training=True).numpy()
    assert np.abs(computed(twin.train(), x) - expected).max() > 1e-3
    (layer,) = twin.children()
    layer.dropouts.seed, layer.dropouts.num_calls = 3, 0
    assert difference(computed(twin, x), expected) <= BAR
