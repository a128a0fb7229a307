"""Convolutional LSTMs convolve, gate, drop and return as Keras's do."""

import keras
import pytest
import torch
from covering import one_test
from layer_pairs import BAR, Pair, assert_same, difference, keras_layer, signed

from torch_impl.layers import Bidirectional, ConvLSTM1D, ConvLSTM2D, ConvLSTM3D

CASES = {
    "1d": (1, {"kernel_size": 3}),
    "1d_same": (1, {"kernel_size": 4, "padding": "same", "strides": 2, "return_sequences": True}),
    "2d": (2, {"kernel_size": (2, 3), "return_sequences": True}),
    "2d_same": (2, {"kernel_size": (3, 2), "padding": "same", "return_state": True}),
    "2d_strided": (2, {"kernel_size": 2, "strides": (1, 2), "go_backwards": True}),
    "2d_dilated": (2, {"kernel_size": 2, "dilation_rate": (2, 1), "padding": "same"}),
    "2d_activations": (
        2,
        {"kernel_size": 2, "activation": "relu", "recurrent_activation": "hard_sigmoid"},
    ),
    "2d_without_bias": (2, {"kernel_size": 2, "use_bias": False, "return_sequences": True}),
    "2d_dropout": (2, {"kernel_size": 2, "dropout": 0.4, "seed": 3}),
    "2d_both_dropouts": (
        2,
        {"kernel_size": 3, "padding": "same", "dropout": 0.4, "recurrent_dropout": 0.3, "seed": 3},
    ),
    "3d": (3, {"kernel_size": (1, 2, 2), "padding": "same", "return_sequences": True}),
}
SHAPES = {1: (3, 6, 2), 2: (3, 6, 5, 2), 3: (2, 3, 4, 5, 2)}
OURS = {1: ConvLSTM1D, 2: ConvLSTM2D, 3: ConvLSTM3D}


def turned(rank):
    """The ways of sequences and states from Keras's layout to torch's, and back."""

    def there(array):
        tensor = torch.tensor(array)
        return tensor.movedim(-1, 2 if tensor.ndim == rank + 3 else 1)

    def back(tensor):
        return tensor.detach().movedim(2 if tensor.ndim == rank + 3 else 1, -1).numpy()

    return there, back


@one_test
@pytest.mark.parametrize(("rank", "options"), CASES.values(), ids=CASES)
def test_a_convolutional_lstm_is_keras_one(rank, options):
    theirs = keras_layer(f"ConvLSTM{rank}D", 3, **options)
    assert_same(Pair(theirs, OURS[rank](2, 3, **options), SHAPES[rank], *turned(rank)))


@one_test
@pytest.mark.parametrize(("merge_mode", "whole"), [("concat", True), ("sum", False)])
def test_both_directions_are_keras_ones(merge_mode, whole):
    layer = keras_layer("ConvLSTM2D", 3, 2, return_sequences=whole)
    theirs = keras.layers.Bidirectional(layer, merge_mode=merge_mode, dtype="float64")
    halves = [ConvLSTM2D(2, 3, 2, return_sequences=whole, go_backwards=b) for b in (False, True)]
    names = theirs.forward_layer.name, theirs.backward_layer.name
    assert_same(Pair(theirs, Bidirectional(*halves, merge_mode, names), SHAPES[2], *turned(2)))


def test_states_are_taken_as_keras_takes_them():
    theirs = keras_layer("ConvLSTM2D", 3, 2, padding="same")
    pair = Pair(theirs, ConvLSTM2D(2, 3, 2, padding="same"), SHAPES[2], *turned(2))
    x, *states = signed((2, *SHAPES[2])), signed((2, 6, 5, 3), 1), signed((2, 6, 5, 3), 2)
    output = pair.ours(pair.turn(x), [pair.turn(state) for state in states])
    assert difference(pair.turn_back(output), theirs(x, initial_state=states).numpy()) <= BAR


def test_an_unknown_padding_is_an_error():
    with pytest.raises(ValueError, match="padding='causal': expected one of"):
        ConvLSTM1D(2, 3, 2, padding="causal")
