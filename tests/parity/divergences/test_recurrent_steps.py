"""The steps of recurrent layers in NumPy are those of torch_impl, which are Keras's."""

import numpy as np
import pytest
import torch

from parity.divergences.arithmetic import ACTIVATIONS
from parity.divergences.recurrent_steps import Cell, walked
from torch_impl import layers
from torch_impl.weights import read

X = np.random.default_rng(0).normal(size=(2, 4, 3))


def cell_of(module, kind, prefix, **config):
    weights = read(module)
    named = [weights[f"{prefix}/{name}"] for name in ("kernel", "recurrent_kernel", "bias")]
    return Cell(kind, tuple(named), ACTIVATIONS["tanh"], ACTIVATIONS["sigmoid"], config)


@pytest.mark.parametrize(
    ("kind", "make", "config"),
    [
        ("lstm", layers.LSTM, {}),
        ("gru", layers.GRU, {"reset_after": True}),
        ("gru", layers.GRU, {"reset_after": False}),
        ("simple_rnn", layers.SimpleRNN, {}),
    ],
)
def test_outputs_and_states_are_those_of_the_layer(kind, make, config):
    torch.manual_seed(0)
    module = make(3, 5, return_sequences=True, return_state=True, **config).double()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter)
    states = [np.random.default_rng(n).normal(size=(2, 5)) for n in range(module.num_states)]
    h, c = walked(cell_of(module, kind, f"{kind}_cell", **config), X, states)
    output, *last = module(torch.tensor(X), [torch.tensor(state) for state in states])
    np.testing.assert_allclose(h, output.detach(), rtol=0, atol=1e-12)
    np.testing.assert_allclose(c[:, -1], last[-1].detach(), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "options",
    [
        {"padding": "same", "strides": (2, 1)},
        {"padding": "valid"},
        {"padding": "valid", "dilation_rate": (1, 2)},
        {"padding": "valid", "strides": (2, 2)},
    ],
    ids=str,
)
def test_so_are_those_of_images(options):
    torch.manual_seed(0)
    module = layers.ConvLSTM2D(2, 3, (2, 3), return_sequences=True, **options).double()
    x = np.random.default_rng(0).normal(size=(2, 3, 6, 7, 2))
    config = {"strides": (1, 1), "dilation_rate": (1, 1), **options}
    h, _ = walked(cell_of(module, "conv_lstm", "conv_lstm_cell", **config), x)
    expected = module(torch.tensor(x).movedim(-1, 2)).movedim(2, -1)
    np.testing.assert_allclose(h, expected.detach(), rtol=0, atol=1e-12)


def test_gates_in_another_order_are_another_cell():
    module = layers.LSTM(3, 5, return_sequences=True).double()
    cell = cell_of(module, "lstm", "lstm_cell")
    other = cell.with_gates((0, 1, 3, 2))
    assert np.abs(walked(cell, X)[0] - walked(other, X)[0]).max() > 1e-3
    back = other.with_gates((0, 1, 3, 2))
    np.testing.assert_array_equal(walked(cell, X)[0], walked(back, X)[0])
