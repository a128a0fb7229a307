"""The masks inside of Keras's recurrent layers are told as dropouts, and the layer takes them."""

import keras
import numpy as np
from rows import each_row

from parity.halves.keras.calls import recorded_calls

L = keras.layers
X = np.random.default_rng(0).normal(size=(3, 5, 2)).astype("float32")
EPS = 1e-6


def told(make, training=True, x=X):
    """The calls of a layer of the same masks, and what the layer gives without being watched."""
    expected = make()(x, training=training).numpy()
    layer = make()
    layer.build(x.shape)
    other = make()
    other.build(x.shape)
    other.set_weights(layer.get_weights())
    expected = other(x, training=training).numpy()
    with recorded_calls(x, mask_tries=1) as calls:
        output = layer(x, training=training)
    np.testing.assert_allclose(output.numpy(), expected, rtol=0, atol=EPS)
    return layer, calls


def test_one_mask_for_all_gates_is_a_dropout_of_the_input():
    layer, calls = told(lambda: L.LSTM(4, dropout=0.5, seed=3, name="memory"))
    assert [call.name for call in calls] == ["memory.dropout", "memory"]
    assert calls[0].config == {"rate": 0.5, "noise_shape": [None, 1, None]}
    assert calls[0].mask.shape == X.shape
    assert (calls[0].mask == calls[0].mask[:, :1]).all()
    np.testing.assert_array_equal(calls[0].output, np.where(calls[0].mask, X * 2, 0))
    assert calls[1].sources == [0]
    assert calls[1].config["dropout"] == 0.0
    assert layer.dropout == 0.5
    assert not calls.drew


@each_row(
    "make, names",
    [
        (
            lambda: L.LSTM(4, recurrent_dropout=0.5, seed=3),
            [f"recurrent_dropout.{g}" for g in "ifco"],
        ),
        (
            lambda: L.GRU(4, dropout=0.3, recurrent_dropout=0.5, seed=3),
            [f"{kind}.{g}" for kind in ("dropout", "recurrent_dropout") for g in "zrh"],
        ),
        (
            lambda: L.SimpleRNN(4, dropout=0.3, recurrent_dropout=0.5, seed=3),
            ["dropout", "recurrent_dropout"],
        ),
    ],
    ids=["lstm", "gru", "simple_rnn"],
)
def test_masks_of_states_and_of_gates_are_dropouts_of_ones(make, names):
    layer, calls = told(make)
    assert [call.name for call in calls[:-1]] == [f"{layer.name}.{name}" for name in names]
    for call in calls[:-1]:
        if call.config.get("noise_shape") is None:
            assert (np.asarray(call.inputs[0]) == 1).all()
            assert ((np.asarray(call.output) != 0) == call.mask).all()


def test_both_directions_have_masks_of_their_own_without_a_seed_and_the_same_with_one():
    _, with_seed = told(lambda: L.Bidirectional(L.LSTM(4, dropout=0.5, seed=3), name="both"))
    assert [call.name for call in with_seed] == ["both.dropout", "both"]
    layer = L.Bidirectional(L.LSTM(4, dropout=0.5, name="lstm"), name="both")
    with recorded_calls(X) as calls:
        layer(X, training=True)
    assert [call.name for call in calls][:2] == [
        "both.forward_lstm.dropout",
        "both.backward_lstm.dropout",
    ]
    assert (calls[0].mask != calls[1].mask).any()


def test_in_eval_mode_nothing_is_dropped_and_the_masks_are_counted():
    layer, calls = told(lambda: L.GRU(4, dropout=0.5, seed=3), training=False)
    assert calls[0].mask is None
    np.testing.assert_array_equal(calls[0].output, X)
    assert layer.cell.seed_generator.state.numpy().tolist() == [3, 1]


def test_a_rate_of_1_drops_nothing_of_cells_with_gates():
    assert [call.kind for call in told(lambda: L.LSTM(4, dropout=1.0))[1]] == ["lstm"]
    _, calls = told(lambda: L.SimpleRNN(4, dropout=1.0))
    assert not calls[0].mask.any()
