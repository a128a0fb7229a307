"""Dropout inside of recurrent layers: the masks are Keras's, bit for bit, call after call."""

import keras
import numpy as np
import pytest
import torch
from covering import one_test
from layer_pairs import BAR, as_they_are, difference, keras_layer, signed
from torch import nn

from torch_impl.layers import GRU, LSTM, RecurrentDropout, SimpleRNN
from torch_impl.weights import assign

KINDS = {"LSTM": LSTM, "GRU": GRU, "SimpleRNN": SimpleRNN}
SEEDS = (0, 42, 2**31 - 1)
BATCH, STEPS, FEATURES, UNITS = 3, 5, 4, 6


def keras_masks(kind, dtype, **options):
    """The masks of a Keras cell's next call, [inputs, states], a list of arrays each."""
    cell = getattr(keras.layers, f"{kind}Cell")(UNITS, dtype=dtype, **options)

    def call():
        cell.reset_dropout_mask()
        cell.reset_recurrent_dropout_mask()
        found = (
            cell.get_dropout_mask(np.ones((BATCH, FEATURES), dtype)),
            cell.get_recurrent_dropout_mask(np.ones((BATCH, UNITS), dtype)),
        )
        return [
            [] if m is None else [np.asarray(part) for part in (m if isinstance(m, list) else [m])]
            for m in found
        ]

    return call


@one_test
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "rates", [(0.4, 0.0), (0.0, 0.3), (0.4, 0.3), (0.5, 1.0)], ids=lambda rates: f"{rates}"
)
@pytest.mark.parametrize("kind", KINDS)
def test_masks_are_keras_masks_bit_for_bit(kind, rates, dtype, seed):
    expected = keras_masks(kind, dtype, dropout=rates[0], recurrent_dropout=rates[1], seed=seed)
    num_masks = 1 if kind == "SimpleRNN" or not rates[1] else {"LSTM": 4, "GRU": 3}[kind]
    ours = RecurrentDropout(*rates, seed, num_masks)
    like = [torch.ones(BATCH, n, dtype=getattr(torch, dtype)) for n in (FEATURES, UNITS)]
    for _ in range(3):
        for found, theirs in zip(ours.draw(*like), expected(), strict=True):
            assert len(found) == len(theirs)
            for mask, array in zip(found, theirs, strict=True):
                np.testing.assert_array_equal(mask.numpy(), array)


@one_test
@pytest.mark.parametrize("implementation", [1, 2])
def test_an_implementation_of_1_draws_a_mask_for_each_gate(implementation):
    options = {"dropout": 0.4, "seed": 3, "implementation": implementation}
    cell = keras.layers.LSTMCell(UNITS, dtype="float64", **options)
    ours = LSTM(FEATURES, UNITS, **options).double()
    x = signed((BATCH, STEPS, FEATURES))
    theirs = keras.layers.RNN(cell, dtype="float64")
    theirs.build(x.shape)
    assign(ours, {w.path.partition("/")[2]: w.numpy() for w in theirs.weights})
    for _ in range(2):
        output = ours(torch.tensor(x)).detach().numpy()
        assert difference(output, theirs(x, training=True).numpy()) <= BAR
    assert ours.dropouts.num_calls == (8 if implementation == 1 else 2)


def pair(kind, **options):
    theirs = keras_layer(kind, UNITS, **options)
    theirs.build((None, STEPS, FEATURES))
    ours = KINDS[kind](FEATURES, UNITS, **options).double()
    assign(ours, {w.path.partition("/")[2]: w.numpy() for w in theirs.weights})
    return theirs, ours


@one_test
@pytest.mark.parametrize("kind", KINDS)
def test_a_rate_of_1_drops_all_inputs_of_a_simple_rnn_and_nothing_of_the_others(kind):
    theirs, ours = pair(kind, dropout=1.0, return_sequences=True)
    x = signed((BATCH, STEPS, FEATURES))
    output = ours(as_they_are(x)).detach().numpy()
    assert difference(output, theirs(x, training=True).numpy()) <= BAR
    assert (not output.any()) == (kind == "SimpleRNN")


def test_the_state_of_the_masks_is_part_of_the_state_dict():
    ours = LSTM(FEATURES, UNITS, dropout=0.5, seed=7)
    x = torch.randn(BATCH, STEPS, FEATURES)
    ours(x)
    state = ours.state_dict()
    expected = ours(x)
    other = LSTM(FEATURES, UNITS, dropout=0.5)
    other.load_state_dict(state)
    assert torch.equal(other(x), expected)
    # A layer without dropout has the entries of torch's layer alone.
    assert LSTM(FEATURES, UNITS).state_dict().keys() == nn.LSTM(FEATURES, UNITS).state_dict().keys()


def test_a_layer_may_keep_the_masks_of_float32_in_float64():
    expected = RecurrentDropout(0.4, 0.3, 12, 3)
    ours = RecurrentDropout(0.4, 0.3, 12, 3)
    ours.mask_dtype = torch.float32
    like = torch.ones(BATCH, FEATURES)
    both = zip(ours.draw(like.double(), like.double()), expected.draw(like, like), strict=True)
    for found, theirs in both:
        for mask, other in zip(found, theirs, strict=True):
            assert mask.dtype == torch.float64
            assert torch.equal(mask != 0, other != 0)


@one_test
@pytest.mark.parametrize("rates", [(-0.1, 0), (0, 1.5), (float("nan"), 0)])
def test_a_rate_outside_of_0_and_1_is_an_error(rates):
    with pytest.raises(ValueError, match=r"dropout=.*: expected a number in \[0, 1\]"):
        RecurrentDropout(*rates)
