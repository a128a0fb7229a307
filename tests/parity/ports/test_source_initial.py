"""A written module tells which of its parts draw from a seed that no draw of Keras's gives."""

from rows import each_row
from torch import nn

from parity.ports.weights import Draw, unseeded
from torch_impl import layers
from torch_impl.initializers import Zeros


def net_of(layer):
    return nn.ModuleDict({"noise": layer, "dense": nn.Linear(2, 2)})


DRAWING = [
    layers.Dropout(0.5),
    layers.GaussianNoise(0.1),
    layers.RandomFlip(),
    layers.LSTM(2, 2, recurrent_dropout=0.5),
]
QUIET = [layers.Dropout(0), layers.RandomFlip(seed=7), layers.Dropout(0.5, seed=7), nn.Dropout(0.5)]


@each_row("layer", DRAWING)
def test_a_layer_that_draws_is_told_unless_a_draw_is_its_seed(layer):
    net = net_of(layer)
    (path,) = unseeded(net, [Draw("dense.bias", None, Zeros())])
    assert path.partition(".")[0] == "noise"
    assert unseeded(net, [Draw(path, 0, None)]) == []


@each_row("layer", QUIET, ids=range(len(QUIET)))
def test_a_layer_that_draws_nothing_or_has_a_seed_of_its_own_is_not(layer):
    assert unseeded(net_of(layer), []) == []
