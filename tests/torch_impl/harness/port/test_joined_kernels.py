"""Keras's kernels find their places in a cell by hand, whatever the order of its gates."""

import numpy as np
import pytest
import torch
from torch import nn

from torch_impl.harness.port.assignments import Need, Source
from torch_impl.harness.port.joined_kernels import Way, cells_of, ways

UNITS, FEATURES = 2, 3
WINDOW = (3, 3)


def needs(window=()):
    """Those of an LSTM or, with a window, of a ConvLSTM2D."""
    rows = 4 * UNITS
    return [
        Need("memory.cell/kernel", (*window, FEATURES, rows)),
        Need("memory.cell/recurrent_kernel", (*window, UNITS, rows)),
        Need("memory.cell/bias", (rows,)),
    ]


def sources(net):
    return [
        Source(name, net.get_submodule(name.rpartition(".")[0]), name.rpartition(".")[2])
        for name, _ in net.named_parameters()
    ]


def arrays(window=()):
    generator = np.random.default_rng(0)
    return {need.name: generator.normal(size=need.shape) for need in needs(window)}


@pytest.mark.parametrize("state_first", [False, True])
@pytest.mark.parametrize("gates", [(0, 1, 2, 3), (0, 1, 3, 2), (3, 1, 0, 2)])
def test_a_linear_of_both_holds_both_kernels(gates, state_first):
    net = nn.ModuleDict({"gates": nn.Linear(FEATURES + UNITS, 4 * UNITS)}).double()
    (cell,) = cells_of(needs(), sources(net))
    given = arrays()
    items = cell.carried(Way(gates, state_first))
    for item in items:
        item.set(given[item.name])
    for item in items:
        np.testing.assert_array_equal(item.value(), given[item.name])
    x, h = np.ones((1, FEATURES)), np.full((1, UNITS), 2.0)
    both = [h, x] if state_first else [x, h]
    found = net["gates"](torch.tensor(np.concatenate(both, axis=1))).detach().numpy()
    kernel, recurrent, bias = (given[need.name] for need in needs())
    expected = np.split(x @ kernel + h @ recurrent + bias, 4, axis=1)
    for place, gate in enumerate(gates):
        part = found[:, place * UNITS : (place + 1) * UNITS]
        np.testing.assert_allclose(part, expected[gate], rtol=0, atol=1e-12)


def test_convolutions_may_be_one_or_two():
    one = nn.ModuleDict({"conv": nn.Conv2d(FEATURES + UNITS, 4 * UNITS, 3)}).double()
    two = nn.ModuleDict(
        {
            "of_input": nn.Conv2d(FEATURES, 4 * UNITS, 3),
            "of_state": nn.Conv2d(UNITS, 4 * UNITS, 3, bias=False),
        }
    ).double()
    given = arrays(WINDOW)
    for net, count in ((one, 1), (two, 2)):
        (cell,) = cells_of(needs(WINDOW), sources(net))
        assert len(cell.sources) == count
        for item in cell.carried(Way((0, 1, 3, 2))):
            item.set(given[item.name])
            np.testing.assert_array_equal(item.value(), given[item.name])


def test_the_usual_orders_come_first_and_all_are_tried():
    net = nn.ModuleDict({"gates": nn.Linear(FEATURES + UNITS, 4 * UNITS)})
    found = list(ways(cells_of(needs(), sources(net))))
    assert found[:3] == [Way((0, 1, 2, 3)), Way((0, 1, 2, 3), True), Way((0, 1, 3, 2))]
    assert len({way.gates for way in found}) == 24


def test_weights_of_other_shapes_are_no_cell():
    net = nn.ModuleDict({"gates": nn.Linear(FEATURES + UNITS + 1, 4 * UNITS)})
    assert cells_of(needs(), sources(net)) == []
    assert cells_of(needs()[:1], sources(net)) == []
