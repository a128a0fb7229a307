"""What every recurrent layer keeps from call to call, and takes at the start."""

import keras
import pytest
import torch
from covering import one_test
from layer_pairs import BAR, difference, keras_layer, signed

from torch_impl.layers import GRU, LSTM, Bidirectional, ConvLSTM1D
from torch_impl.weights import assign


def run(theirs, ours, x, **options):
    return difference(ours(torch.tensor(x)).detach().numpy(), theirs(x, **options).numpy())


def stateful_pair(kind, ours_kind, **options):
    theirs = keras_layer(kind, 4, stateful=True, **options)
    theirs.build((2, 5, 3))
    ours = ours_kind(3, 4, stateful=True, **options).double()
    assign(ours, {w.path.partition("/")[2]: w.numpy() for w in theirs.weights})
    return theirs, ours


@one_test
@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
@pytest.mark.parametrize("options", [{}, {"go_backwards": True, "recurrent_dropout": 0.3}], ids=str)
def test_a_stateful_layer_goes_on_where_the_call_before_ended(kind, options):
    theirs, ours = stateful_pair(kind, {"LSTM": LSTM, "GRU": GRU}[kind], seed=3, **options)
    for number, training in enumerate((True, False, True)):
        ours.train(training)
        assert run(theirs, ours, signed((2, 5, 3), number), training=training) <= BAR
    theirs.reset_state()
    ours.reset_states()
    assert ours.states is None
    assert run(theirs, ours, signed((2, 5, 3)), training=True) <= BAR


def test_given_states_come_before_kept_ones():
    theirs, ours = stateful_pair("GRU", GRU)
    x, state = signed((2, 5, 3)), signed((2, 4), 9)
    run(theirs, ours, x)
    found = ours(torch.tensor(x), torch.tensor(state)).detach().numpy()
    assert difference(found, theirs(x, initial_state=state).numpy()) <= BAR
    assert run(theirs, ours, x) <= BAR


def test_both_directions_keep_their_states():
    theirs = keras.layers.Bidirectional(keras_layer("GRU", 4, stateful=True), dtype="float64")
    theirs.build((2, 5, 3))
    ours = Bidirectional(GRU(3, 4, stateful=True), GRU(3, 4, stateful=True, go_backwards=True))
    assign(ours.double(), {w.path: w.numpy() for w in theirs.weights})
    for number in range(2):
        assert run(theirs, ours, signed((2, 5, 3), number)) <= BAR
    theirs.reset_state()
    ours.reset_states()
    assert run(theirs, ours, signed((2, 5, 3))) <= BAR


def test_no_gradient_goes_into_the_call_before():
    ours = LSTM(3, 4, stateful=True)
    first = torch.randn(2, 5, 3, requires_grad=True)
    ours(first)
    ours(torch.randn(2, 5, 3)).sum().backward()
    assert first.grad is None


def test_states_that_do_not_fit_are_an_error():
    ours = LSTM(3, 4, stateful=True)
    with pytest.raises(ValueError, match="initial_state of 1 tensors: expected 2"):
        ours(torch.ones(2, 5, 3), torch.ones(2, 4))
    ours(torch.ones(2, 5, 3))
    with pytest.raises(ValueError, match="batch of 3 samples: expected 2, as in the call before"):
        ours(torch.ones(3, 5, 3))
    ours.reset_states()
    assert ours(torch.ones(3, 5, 3)).shape == (3, 4)
    images = ConvLSTM1D(2, 3, 2, stateful=True)
    images(torch.ones(2, 4, 2, 5))
    assert [tuple(state.shape) for state in images.states] == [(2, 3, 4), (2, 3, 4)]
