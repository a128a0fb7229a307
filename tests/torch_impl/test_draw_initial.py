"""Initial weights of any module, drawn from one seed in the order of a Keras program."""

from collections import OrderedDict

import keras
import numpy as np
import pytest
import torch
from covering import one_test
from torch import nn

from torch_impl.initial_weights import default_of, draw_initial, keras_order
from torch_impl.initializers import (
    Constant,
    GlorotUniform,
    HeNormal,
    Orthogonal,
    RandomUniform,
    UnitForgetBias,
    Zeros,
)
from torch_impl.layers import GRU, LSTM, Bidirectional, Dropout, RandomFlip
from torch_impl.seeds import KerasSeeds


def net_by_hand():
    """Its order is that of Keras's layers."""
    layers = {"conv": nn.Conv2d(3, 4, 3), "dropout": Dropout(0.5), "lstm": LSTM(4, 5)}
    return nn.Sequential(OrderedDict(layers, flip=RandomFlip(seed=3)))


SETTINGS = {"initializers": {"conv.kernel": HeNormal()}, "skipped": (1,)}


def keras_layers():
    keras.utils.set_random_seed(7)
    conv = keras.layers.Conv2D(4, 3, kernel_initializer="he_normal")
    keras.layers.Dropout(0.1)  # which the model leaves out
    dropout = keras.layers.Dropout(0.5)
    lstm = keras.layers.LSTM(5)
    conv.build((None, 8, 8, 3))
    lstm.build((None, 6, 4))
    return conv, dropout, lstm


def test_the_weights_are_those_of_keras():
    conv, dropout, lstm = keras_layers()
    net = net_by_hand()
    draw_initial(net, KerasSeeds(7), **SETTINGS)
    for ours, theirs in (
        (net.conv.weight.permute(2, 3, 1, 0), conv.kernel),
        (net.conv.bias, conv.bias),
        (net.lstm.weight_ih_l0.T, lstm.cell.kernel),
        (net.lstm.bias_ih_l0, lstm.cell.bias),
    ):
        assert np.array_equal(ours.detach(), theirs)
    assert net.dropout.seed == int(np.asarray(dropout.seed_generator.state)[0])
    # Orthogonal rows come from a QR decomposition, in which two libraries round differently.
    difference = net.lstm.weight_hh_l0.detach().T.numpy() - np.asarray(lstm.cell.recurrent_kernel)
    assert np.abs(difference).max() <= 1e-6


def test_each_weight_has_the_default_of_keras_in_the_order_of_the_layers():
    layers = {
        "table": nn.Embedding(7, 3),
        "both": Bidirectional(GRU(3, 4), GRU(3, 4, go_backwards=True)),
        "head": nn.Linear(8, 2),
        "norm": nn.LayerNorm(2),
    }
    assert list(keras_order(nn.Sequential(OrderedDict(layers)))) == [
        "table.embeddings",
        *(
            f"both.{direction}_gru.gru_cell/{weight}"
            for direction in ("forward", "backward")
            for weight in ("kernel", "recurrent_kernel", "bias")
        ),
        "head.kernel",
        "head.bias",
    ]
    defaults = {
        "a.gru_cell/recurrent_kernel": Orthogonal(),
        "table.embeddings": RandomUniform(),
        "a.lstm_cell/bias": UnitForgetBias(),
        **{"a.gru_cell/bias": Zeros(), "bias": Zeros()},
        "dense.kernel": GlorotUniform(),
        "norm.gamma": None,
    }
    assert {name: default_of(name) for name in defaults} == defaults


def test_the_order_may_be_another_than_that_of_the_modules():
    """Of names in an order, no others are set."""
    ours, theirs = net_by_hand(), net_by_hand()
    begun = ours.conv.bias.clone()
    draw_initial(ours, KerasSeeds(7), order=["dropout", "conv.kernel"])
    draw_initial(theirs, KerasSeeds(7), skipped=(0,))
    assert ours.dropout.seed == KerasSeeds(7).next_layer_seed()
    assert torch.equal(ours.conv.weight, theirs.conv.weight)
    assert torch.equal(ours.conv.bias, begun)


def test_a_pattern_is_of_all_weights_of_a_kind_and_a_later_entry_replaces_it():
    net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 4), nn.LayerNorm(4))
    draw_initial(
        net,
        KerasSeeds(7),
        {"*.kernel": Constant(2.0), "1.kernel": Constant(3.0), "2.gamma": Constant(0.5)},
    )
    filled = ((net[0].weight, 2), (net[1].weight, 3), (net[2].weight, 0.5), (net[1].bias, 0))
    assert all((weight == number).all() for weight, number in filled)


@one_test
@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"initializers": {"conv.gamma": Zeros()}}, ValueError, "expected one of .*'kernel'"),
        ({"initializers": {"none.kernel": Zeros()}}, ValueError, "expected one of"),
        (
            {"initializers": {"*.gamma": Zeros()}},
            ValueError,
            "'\\*.gamma' fits none of conv.kernel",
        ),
        ({"order": ["conv"]}, ValueError, "expected a layer with a seed"),
        ({"order": ["flip"]}, ValueError, "has a seed of its own"),
        ({"order": ["none"]}, AttributeError, "none"),
    ],
    ids=str,
)
def test_a_draw_that_nothing_takes_is_an_error(given, error, message):
    with pytest.raises(error, match=message):
        draw_initial(net_by_hand(), KerasSeeds(0), **given)
