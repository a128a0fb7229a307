"""Convolutional LSTMs convolve, gate, drop and return as Keras's do."""

import keras
import numpy as np
import pytest
import torch
from covering import one_test
from layer_pairs import BAR, Pair, assert_same, difference, keras_layer, signed
from torch.nn import functional as F

from torch_impl.layers import Bidirectional, ConvLSTM1D, ConvLSTM2D, ConvLSTM3D
from torch_impl.weights import assign, read

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
    ours = OURS[rank](2, 3, **options)
    assert_same(Pair(theirs, ours, SHAPES[rank], *turned(rank)), num_steps=1)


@one_test
@pytest.mark.parametrize("merge_mode", ["concat", "sum"])
@pytest.mark.parametrize("whole", [True, False])
def test_both_directions_are_keras_ones(merge_mode, whole):
    layer = keras_layer("ConvLSTM2D", 3, 2, return_sequences=whole)
    theirs = keras.layers.Bidirectional(layer, merge_mode=merge_mode, dtype="float64")
    halves = [ConvLSTM2D(2, 3, 2, return_sequences=whole, go_backwards=b) for b in (False, True)]
    names = theirs.forward_layer.name, theirs.backward_layer.name
    ours = Bidirectional(*halves, merge_mode, names)
    assert_same(Pair(theirs, ours, SHAPES[2], *turned(2)), num_steps=1)


def test_states_are_taken_as_keras_takes_them():
    theirs = keras_layer("ConvLSTM2D", 3, 2, padding="same")
    pair = Pair(theirs, ConvLSTM2D(2, 3, 2, padding="same"), SHAPES[2], *turned(2))
    x, *states = signed((2, *SHAPES[2])), signed((2, 6, 5, 3), 1), signed((2, 6, 5, 3), 2)
    output = pair.ours(pair.turn(x), [pair.turn(state) for state in states])
    expected = theirs(x, initial_state=states).numpy()
    assert difference(pair.turn_back(output), expected) <= BAR


def by_hand(x, kernel, bias, order="ifgo"):
    """A port by hand: one convolution of cat([x, h]), gates in an order."""
    h = c = torch.zeros(len(x), 3, *x.shape[3:], dtype=x.dtype)
    for step in x.unbind(1):
        gates = F.conv2d(torch.cat([step, h], 1), kernel, bias, padding=1).chunk(4, 1)
        named = dict(zip(order, gates, strict=True))
        c = named["f"].sigmoid() * c + named["i"].sigmoid() * named["g"].tanh()
        h = named["o"].sigmoid() * c.tanh()
    return h


@one_test
@pytest.mark.parametrize(("order", "bar"), [("ifgo", BAR), ("ifog", None)])
def test_one_convolution_of_input_and_state_is_the_same_with_the_same_gates(order, bar):
    theirs = keras_layer("ConvLSTM2D", 3, 3, padding="same")
    ours = ConvLSTM2D(2, 3, 3, padding="same")
    pair = Pair(theirs, ours, SHAPES[2], *turned(2))
    kernel = torch.cat([ours.weight_ih, ours.weight_hh], dim=1)
    x = signed((2, *SHAPES[2]))
    found = pair.turn_back(by_hand(pair.turn(x), kernel, ours.bias_ih, order))
    error = difference(found, theirs(x).numpy())
    assert error <= BAR if bar else error > 0.05


def test_weights_have_keras_layout():
    ours = ConvLSTM2D(2, 3, (4, 5))
    assert {name: array.shape for name, array in read(ours).items()} == {
        "conv_lstm_cell/kernel": (4, 5, 2, 12),
        "conv_lstm_cell/recurrent_kernel": (4, 5, 3, 12),
        "conv_lstm_cell/bias": (12,),
    }
    kernel = np.arange(4 * 5 * 2 * 12.0).reshape(4, 5, 2, 12)
    assert assign(ours, {"kernel": kernel.astype("float32")}) == {"kernel"}
    assert ours.weight_ih[7, 1, 2, 3] == kernel[2, 3, 1, 7]


def test_an_unknown_padding_is_an_error():
    with pytest.raises(ValueError, match="padding='causal': expected one of"):
        ConvLSTM1D(2, 3, 2, padding="causal")
