"""What a dropout of a port drops together is seen in its own masks, in the order of Keras's axes.

All sides of the tensors are of one length, so that no shape tells where the channels are.
"""

import keras
import pytest
import torch.nn.functional as F
from both_halves import recorded
from rows import each_row
from small_nets import Net
from torch import nn

from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.halves.torch.port.random_masks import dropped_axes
from torch_impl import Port, layers

L = keras.layers
CHANNELS, VALUES, ROWS = [1, 2], [], [2, 3]


def model(kind):
    def make():
        keras.utils.set_random_seed(1)
        inputs = keras.Input((8, 8, 8))
        x = kind(0.5, name="drop")(L.Conv2D(8, 3, padding="same")(inputs))
        made = keras.Model(inputs, L.Dense(2)(L.GlobalAveragePooling2D()(x)))
        made.compile("sgd", "mse")
        return made

    return make


def net_of(drop, is_last):
    """A dropout on images with channels first, or last."""

    def run(net, x):
        x = net.conv(x)
        x = net.drop(x.movedim(1, -1) if is_last else x)
        return net.out(x.mean((1, 2) if is_last else (2, 3)))

    return Net(run, conv=nn.Conv2d(8, 8, 3, padding=1), out=nn.Linear(8, 2), drop=drop)


def function_of(function):
    """A dropout that is a function."""
    return Net(lambda net, x: function(x, 0.5, training=net.training))


class Own(nn.Dropout2d):
    """Whole channels, of which its name says nothing."""


class Own2d(nn.Dropout):
    """Single values, whatever its name says."""


PORTS = {
    "channels": (lambda: nn.Dropout2d(), False, CHANNELS),
    "channels_of_rows": (lambda: nn.Dropout2d(), True, ROWS),
    "values": (lambda: nn.Dropout(), False, VALUES),
    "values_last": (lambda: nn.Dropout(), True, VALUES),
    "function": (lambda: function_of(F.dropout), True, VALUES),
    "function_of_channels": (lambda: function_of(F.dropout2d), False, CHANNELS),
    "function_of_rows": (lambda: function_of(F.dropout2d), True, ROWS),
    "subclass": (lambda: Own(), False, CHANNELS),
    "name_alone": (lambda: Own2d(), False, VALUES),
    "keras": (lambda: layers.SpatialDropout(0.5), False, CHANNELS),
    "keras_last": (lambda: layers.SpatialDropout(0.5, channels_last=True), True, CHANNELS),
    "keras_not_told": (lambda: layers.SpatialDropout(0.5), True, ROWS),
    "keras_lines": (lambda: layers.Dropout(0.5, noise_shape=(None, 1, None, None)), False, [1]),
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return recorded(model(L.Dropout), tmp_path_factory.mktemp("b") / "k")


def port(name):
    dropout, is_last, _ = PORTS[name]
    return lambda: Port(net_of(dropout(), is_last))


@each_row("name", PORTS)
def test_the_axes_are_those_along_which_the_port_drops_the_same(name, plain):
    assert dropped_axes(PortUnderTest(port(name), 0, plain)) == {"drop": PORTS[name][-1]}


def test_alpha_dropout_may_drop_whole_channels_as_well(tmp_path):
    trace = recorded(model(L.AlphaDropout), tmp_path / "keras", steps=1)
    for kind, axes in ((nn.AlphaDropout, VALUES), (nn.FeatureAlphaDropout, CHANNELS)):
        found = PortUnderTest(lambda kind=kind: net_of(kind(0.5), False), 0, trace)
        assert dropped_axes(found) == {"drop": axes}
