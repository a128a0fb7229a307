"""An RNN of several cells is told as a layer for each, and gives what it gives without that."""

import keras
import numpy as np
from rows import each_row

from parity.halves.keras.calls import recorded_calls

L = keras.layers
X = np.random.default_rng(0).normal(size=(3, 5, 2)).astype("float32")


@each_row("options", [{}, {"return_sequences": True}, {"return_state": True, "go_backwards": True}])
def test_the_layers_together_are_the_layer(options):
    layer = L.RNN([L.LSTMCell(4), L.GRUCell(3), L.SimpleRNNCell(2)], name="memory", **options)
    expected = layer(X)
    with recorded_calls(X) as calls:
        output = layer(X)
    assert [call.kind for call in calls] == ["lstm", "gru", "simple_rnn"]
    assert calls[1].name == f"memory.{layer.cell.cells[1].name}"
    assert [call.sources for call in calls] == [[-1], [0], [1]]
    assert calls[0].config["units"] == 4
    for ours, theirs in zip(keras.tree.flatten(output), keras.tree.flatten(expected), strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=0, atol=1e-6)


def test_first_states_go_to_their_cells():
    layer = L.RNN([L.LSTMCell(4), L.GRUCell(3)])
    states = [
        [np.ones((3, 4), "float32"), -np.ones((3, 4), "float32")],
        [np.ones((3, 3), "float32")],
    ]
    expected = layer(X, initial_state=states).numpy()
    with recorded_calls(X):
        output = layer(X, initial_state=states)
    np.testing.assert_allclose(output.numpy(), expected, rtol=0, atol=1e-6)
