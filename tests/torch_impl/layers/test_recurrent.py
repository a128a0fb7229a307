"""Recurrent layers walk, gate and return as Keras's do, and stock modules take their weights."""

import keras
import numpy as np
import pytest
import torch
from covering import one_test
from layer_pairs import (
    BAR,
    Pair,
    as_they_are,
    assert_same,
    difference,
    keras_layer,
    own_names,
    signed,
)
from rows import each_row
from torch import nn

from torch_impl.layers import GRU, LSTM, Bidirectional, SimpleRNN
from torch_impl.weights import assign, read

KINDS = {"LSTM": LSTM, "GRU": GRU, "SimpleRNN": SimpleRNN}
SEQUENCES = (3, 3)  # short: eager Keras is slow here

CASES = {
    "lstm": ("LSTM", {}),
    "lstm_all": ("LSTM", {"return_sequences": True, "return_state": True}),
    "lstm_backwards": ("LSTM", {"return_sequences": True, "go_backwards": True}),
    "lstm_activations": (
        "LSTM",
        {"activation": "softsign", "recurrent_activation": "hard_sigmoid"},
    ),
    "lstm_without_bias": ("LSTM", {"use_bias": False, "return_state": True}),
    "lstm_slow_without_bias": ("LSTM", {"use_bias": False, "activation": "relu"}),
    "gru": ("GRU", {"return_sequences": True}),
    "gru_backwards": ("GRU", {"go_backwards": True, "return_state": True}),
    "gru_activations": ("GRU", {"activation": "relu", "recurrent_activation": "hard_sigmoid"}),
    "gru_reset_before": ("GRU", {"reset_after": False, "return_sequences": True}),
    "gru_without_bias": ("GRU", {"use_bias": False}),
    "gru_reset_before_without_bias": ("GRU", {"use_bias": False, "reset_after": False}),
    "rnn": ("SimpleRNN", {"return_sequences": True}),
    "rnn_relu": ("SimpleRNN", {"activation": "relu", "return_state": True}),
    "rnn_activation": ("SimpleRNN", {"activation": "softsign", "go_backwards": True}),
}


def back(tensor):
    return tensor.detach().numpy()


def recurrent_pair(theirs, ours, shape=SEQUENCES):
    return Pair(theirs, ours, shape, as_they_are, back)


@one_test
@pytest.mark.parametrize(("kind", "options"), CASES.values(), ids=CASES)
def test_a_recurrent_layer_is_keras_one(kind, options):
    assert_same(recurrent_pair(keras_layer(kind, 4, **options), KINDS[kind](3, 4, **options)))


@one_test
@pytest.mark.parametrize("options", [{}, {"activation": "relu"}], ids=["fused", "step_by_step"])
@pytest.mark.parametrize("kind", KINDS)
def test_states_are_taken_as_keras_takes_them(kind, options):
    theirs = keras_layer(kind, 4, **options)
    pair = recurrent_pair(theirs, KINDS[kind](3, 4, **options))
    x, *states = signed((2, 5, 3)), signed((2, 4), 1), signed((2, 4), 2)
    states = states[: 2 if kind == "LSTM" else 1]
    output = pair.ours(torch.tensor(x), [torch.tensor(state) for state in states])
    expected = theirs(x, initial_state=states if len(states) > 1 else states[0])
    assert difference(back(output), expected.numpy()) <= BAR


def both_ways(kind, merge_mode, options):
    theirs = keras.layers.Bidirectional(
        keras_layer(kind, 4, **options), merge_mode=merge_mode, dtype="float64"
    )
    parts = [KINDS[kind](3, 4, **options, go_backwards=way) for way in (False, True)]
    names = tuple(part.name for part in (theirs.forward_layer, theirs.backward_layer))
    return theirs, Bidirectional(*parts, merge_mode, names)


BOTH_WAYS = {
    "lstm": ("LSTM", "concat", {"return_sequences": True}),
    "last_output": ("GRU", "sum", {}),
    "states": ("LSTM", "mul", {"return_state": True}),
    "two_outputs": ("SimpleRNN", None, {"return_sequences": True, "return_state": True}),
    "mean": ("GRU", "ave", {"return_sequences": True}),
}


@one_test
@pytest.mark.parametrize(("kind", "mode", "options"), BOTH_WAYS.values(), ids=BOTH_WAYS)
def test_both_directions_are_keras_ones(kind, mode, options):
    assert_same(recurrent_pair(*both_ways(kind, mode, options)))


STOCK = {"LSTM": nn.LSTM, "GRU": nn.GRU, "SimpleRNN": nn.RNN}


@one_test
@pytest.mark.parametrize("use_bias", [True, False], ids=["bias", "without_bias"])
@pytest.mark.parametrize("kind", STOCK)
def test_a_stock_module_takes_and_gives_keras_weights(kind, use_bias):
    theirs = keras_layer(kind, 4, return_sequences=True, use_bias=use_bias)
    pair = recurrent_pair(theirs, KINDS[kind](3, 4, return_sequences=True, use_bias=use_bias))
    stock = STOCK[kind](3, 4, batch_first=True, bias=use_bias).double()
    arrays = {name: weight.numpy() for name, weight in own_names(theirs).items()}
    assert assign(stock, arrays) == set(arrays)
    x = torch.tensor(signed((2, 5, 3)))
    assert difference(back(stock(x)[0]), theirs(x.numpy()).numpy()) <= BAR
    found = read(stock)
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
    # The gradients too have Keras's layout: compared with those of our own layer, see above.
    for layer, output in ((stock, lambda: stock(x)[0]), (pair.ours, lambda: pair.ours(x))):
        layer.zero_grad()
        output().square().sum().backward()
    ours = read(pair.ours, gradient=True)
    for name, gradient in read(stock, gradient=True).items():
        assert difference(gradient, ours[name]) <= BAR


@one_test
@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_a_stock_module_of_both_directions_takes_keras_weights(kind):
    theirs, ours = both_ways(kind, "concat", {"return_sequences": True})
    recurrent_pair(theirs, ours)
    x = signed((2, 5, 3))
    stock = STOCK[kind](3, 4, batch_first=True, bidirectional=True).double()
    arrays = {weight.path: weight.numpy() for weight in theirs.weights}
    assert assign(stock, arrays) == set(arrays)
    assert difference(back(stock(torch.tensor(x))[0]), theirs(x).numpy()) <= BAR


def test_the_sum_of_two_biases_is_read_and_one_is_written():
    stock = nn.LSTM(3, 4)
    total = (stock.bias_ih_l0 + stock.bias_hh_l0).detach().numpy()
    np.testing.assert_array_equal(read(stock)["lstm_cell/bias"], total)
    assert assign(stock, {"bias": total}) == {"bias"}
    assert not stock.bias_hh_l0.any()
    np.testing.assert_array_equal(read(stock)["lstm_cell/bias"], total)


BACKWARDS = {"go_backwards": True}


@each_row(
    "make, message",
    [
        (lambda: read(nn.LSTM(3, 4, num_layers=2)), "expected one layer without projection"),
        (lambda: Bidirectional(GRU(3, 4), GRU(3, 4)), "expected one to go_backwards"),
        (
            lambda: Bidirectional(GRU(3, 4), GRU(3, 4, **BACKWARDS, return_state=True)),
            "return_state of the two layers differs",
        ),
        (
            lambda: Bidirectional(GRU(3, 4), GRU(3, 4, **BACKWARDS), "mean"),
            "merge_mode='mean': expected one of",
        ),
    ],
)
def test_several_layers_and_directions_that_do_not_fit_are_an_error(make, message):
    with pytest.raises(ValueError, match=message):
        make()
