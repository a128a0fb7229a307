"""What every recurrent layer keeps from call to call, and takes at the start."""

import pytest
import torch
from layer_pairs import BAR, difference, keras_layer, signed

from torch_impl.layers import GRU, LSTM, ConvLSTM1D
from torch_impl.weights import assign


def run(theirs, ours, x, **options):
    return difference(ours(torch.tensor(x)).detach().numpy(), theirs(x, **options).numpy())


def stateful_pair(kind, ours_kind, **options):
    theirs = keras_layer(kind, 4, stateful=True, **options)
    theirs.build((2, 5, 3))
    ours = ours_kind(3, 4, stateful=True, **options).double()
    assign(ours, {w.path.partition("/")[2]: w.numpy() for w in theirs.weights})
    return theirs, ours


def test_given_states_come_before_kept_ones():
    theirs, ours = stateful_pair("GRU", GRU)
    x, state = signed((2, 5, 3)), signed((2, 4), 9)
    run(theirs, ours, x)
    found = ours(torch.tensor(x), torch.tensor(state)).detach().numpy()
    assert difference(found, theirs(x, initial_state=state).numpy()) <= BAR
    assert run(theirs, ours, x) <= BAR


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
