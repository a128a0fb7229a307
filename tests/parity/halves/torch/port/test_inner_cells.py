"""Weights of cells that Keras calls inside of a whole find the recurrent layers of the port."""

import numpy as np
from rows import each_row
from torch import nn

from parity.halves.torch.port.carried import Need, Source
from parity.halves.torch.port.cell_weights import seatings
from torch_impl import layers

UNITS, FEATURES = 2, 3


def needs(gates, name="each.memory/cell", bias=None):
    rows = gates * UNITS
    return [
        Need(f"{name}/kernel", (FEATURES, rows)),
        Need(f"{name}/recurrent_kernel", (UNITS, rows)),
        Need(f"{name}/bias", (rows,) if bias is None else bias),
    ]


def sources(net):
    return [
        Source(name, net.get_submodule(name.rpartition(".")[0]), name.rpartition(".")[2])
        for name, _ in (*net.named_parameters(), *net.named_buffers())
    ]


def places(items):
    """Keras's weights with the module and the parameters that hold them."""
    return {item.name: (item.variable.module, item.variable.attributes) for item in items}


def test_a_gru_holds_the_gates_in_its_own_order():
    gru = nn.GRU(FEATURES, UNITS, batch_first=True).double()
    rows = 3 * UNITS
    (items,) = seatings(needs(3, bias=(2, rows)), sources(nn.ModuleDict({"gru": gru})))
    generator = np.random.default_rng(0)
    for item in items:
        shape = {"kernel": (FEATURES, rows), "bias": (2, rows)}.get(item.name.rpartition("/")[2])
        item.set(generator.normal(size=shape or (UNITS, rows)))
    kernel = next(item for item in items if item.name.endswith("/kernel")).value()
    # Keras has the update gate first, torch the reset gate.
    np.testing.assert_array_equal(gru.weight_ih_l0.detach()[:4].T, kernel[:, [2, 3, 0, 1]])
    assert places(items)["each.memory/cell/bias"] == (gru, ("bias_ih_l0", "bias_hh_l0"))


@each_row(
    "gates, layer",
    [
        (4, nn.LSTM(FEATURES, UNITS)),
        (4, nn.LSTMCell(FEATURES, UNITS)),
        (1, nn.RNN(FEATURES, UNITS)),
        (4, layers.LSTM(FEATURES, UNITS)),
    ],
)
def test_every_recurrent_layer_is_a_seat(gates, layer):
    (items,) = seatings(needs(gates), sources(nn.ModuleDict({"memory": layer})))
    assert len(items) == 3


def test_a_stack_with_two_directions_has_a_seat_for_each():
    net = nn.ModuleDict({"stack": nn.LSTM(FEATURES, UNITS, num_layers=2, bidirectional=True)})
    ways = list(seatings([*needs(4, "x/cell"), *needs(4, "y/cell")], sources(net)))
    kernels = [places(ways[0])[f"{cell}/cell/kernel"][1] for cell in "xy"]
    assert kernels == [("weight_ih_l0",), ("weight_ih_l0_reverse",)]
    assert len(ways) == 2  # the second layer of the stack takes 2 * UNITS features


def test_a_cell_without_a_layer_that_is_free_stays_without():
    net = nn.ModuleDict({"memory": nn.RNN(FEATURES, UNITS)})
    (way,) = seatings([*needs(1, "x/cell"), *needs(1, "y/cell")], sources(net))
    assert {item.name.partition("/")[0] for item in way} == {"x"}
    assert list(seatings(needs(1), sources(net)[1:])) == [[]]
    wide = nn.ModuleDict({"memory": nn.RNN(FEATURES + 1, UNITS)})
    assert list(seatings(needs(1), sources(wide))) == [[]]


def test_a_bias_that_the_layer_has_not_is_left():
    net = nn.ModuleDict({"memory": nn.GRU(FEATURES, UNITS)})
    (way,) = seatings(needs(3), sources(net))  # a bias of `reset_after=False`
    assert [item.name.rpartition("/")[2] for item in way] == ["kernel", "recurrent_kernel"]
