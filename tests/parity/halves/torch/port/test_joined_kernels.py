"""Keras's kernels find their places in a cell by hand, whatever the order of its gates."""

import numpy as np
import torch
from rows import each_row
from torch import nn

from parity.halves.torch.port.carried import Need, Source
from parity.halves.torch.port.cell_weights import Way, cells_of, placings, ways

UNITS, FEATURES = 2, 3


def needs(gates=4, biases=1):
    """Those of an LSTM or, with three gates, of a GRU."""
    rows = gates * UNITS
    return [
        Need("memory.cell/kernel", (FEATURES, rows)),
        Need("memory.cell/recurrent_kernel", (UNITS, rows)),
        Need("memory.cell/bias", (rows,) if biases == 1 else (2, rows)),
    ]


def sources(net):
    return [
        Source(name, net.get_submodule(name.rpartition(".")[0]), name.rpartition(".")[2], None, net)
        for name, _ in net.named_parameters()
    ]


def set_by(items, wanted):
    """Sets weights that are drawn, which are read back as they were; returns them."""
    generator = np.random.default_rng(0)
    given = {need.name: generator.normal(size=need.shape) for need in wanted}
    for item in items:
        item.set(given[item.name])
    np.testing.assert_equal({item.name: item.value() for item in items}, given)
    return given


@each_row("state_first", [False, True])
@each_row("gates", [(0, 1, 2, 3), (0, 1, 3, 2), (3, 1, 0, 2)])
def test_a_linear_of_both_holds_both_kernels(gates, state_first):
    net = nn.ModuleDict({"gates": nn.Linear(FEATURES + UNITS, 4 * UNITS)}).double()
    (cell,) = cells_of(needs(), sources(net))
    given = set_by(cell.carried(Way(gates, state_first)), needs())
    x, h = np.ones((1, FEATURES)), np.full((1, UNITS), 2.0)
    both = [h, x] if state_first else [x, h]
    found = net["gates"](torch.tensor(np.concatenate(both, axis=1))).detach().numpy()
    kernel, recurrent, bias = (given[need.name] for need in needs())
    expected = np.split(x @ kernel + h @ recurrent + bias, 4, axis=1)
    for place, gate in enumerate(gates):
        part = found[:, place * UNITS : (place + 1) * UNITS]
        np.testing.assert_allclose(part, expected[gate], rtol=0, atol=1e-12)


def test_the_usual_orders_come_first_and_all_are_tried():
    net = nn.ModuleDict({"gates": nn.Linear(FEATURES + UNITS, 4 * UNITS)})
    found = list(ways(cells_of(needs(), sources(net))))
    assert found[:3] == [Way((0, 1, 2, 3)), Way((0, 1, 2, 3), True), Way((0, 1, 3, 2))]
    assert len({way.gates for way in found}) == 24


def test_weights_of_other_shapes_are_no_cell():
    net = nn.ModuleDict({"gates": nn.Linear(FEATURES + UNITS + 1, 4 * UNITS)})
    assert cells_of(needs(), sources(net)) == []
    assert cells_of(needs()[:1], sources(net)) == []


# --- a GRU, whose candidate needs a product of its own -------------------------------------------


def raw(*, is_turned, **shapes):
    """Parameters as Keras has them, or as torch does, which turns them; and a bias."""
    net = nn.Module()
    shapes = shapes or {"w": (3 * UNITS, FEATURES), "u": (3 * UNITS, UNITS)}
    for name, shape in (shapes | {"b": (3 * UNITS,)}).items():
        size = shape[::-1] if is_turned else shape
        setattr(net, name, nn.Parameter(torch.zeros(size)))
    return net


# Two parts, as x @ kernel has them; one kernel of the state is square.
PARTS = {"w": (FEATURES, 2 * UNITS), "u": (UNITS, 2 * UNITS)}
PARTS |= {"w2": (FEATURES, UNITS), "u2": (UNITS, UNITS)}


def linears(*sizes):
    """A Linear for each (features, units of gates, whether it has a bias)."""
    return nn.ModuleDict({f"part_{n}": nn.Linear(i, o, b) for n, (i, o, b) in enumerate(sizes)})


GRUS = {
    "one matrix each": lambda: raw(is_turned=False),
    "one matrix each, as Keras's": lambda: raw(is_turned=True),
    "the candidate by itself": lambda: linears(
        (FEATURES, 3 * UNITS, True), (UNITS, 2 * UNITS, False), (UNITS, UNITS, False)
    ),
    "a Linear for each gate": lambda: linears(
        *[(FEATURES, UNITS, True)] * 3, *[(UNITS, UNITS, False)] * 3
    ),
    "two biases": lambda: linears((FEATURES, 3 * UNITS, True), (UNITS, 3 * UNITS, True)),
}


@each_row("gates", [(0, 1, 2), (1, 0, 2), (2, 1, 0)])
@each_row("form", GRUS)
def test_the_kernels_of_a_gru_find_their_places_in_any_order_of_gates(form, gates):
    net = nn.ModuleDict({"memory": GRUS[form]()}).double()
    wanted = needs(3, 2 if form == "two biases" else 1)
    (cell,) = cells_of(wanted, sources(net))
    given = set_by(cell.carried(Way(gates)), wanted)
    assert all(bool(parameter.all()) for parameter in net.parameters())
    # The first rows of what the port computes of its input are those of its first gate.
    first = next(p for p in net.parameters() if FEATURES in p.shape)
    rows = first if first.shape[1] == FEATURES else first.T
    expected = given["memory.cell/kernel"][:, gates[0] * UNITS : (gates[0] + 1) * UNITS].T
    np.testing.assert_array_equal(rows[:UNITS].detach(), expected)


@each_row("as_keras", [True, False])
def test_a_square_kernel_is_the_same_way_round_as_the_others(as_keras):
    net = nn.ModuleDict({"memory": raw(is_turned=not as_keras, **PARTS)}).double()
    (cell,) = cells_of(needs(3), sources(net))
    assert cell.is_as_keras is as_keras
    way = next(ways([cell]))
    assert way == Way((0, 1, 2), as_keras=as_keras)
    given = np.random.default_rng(0).normal(size=(UNITS, 3 * UNITS))
    (item,) = (each for each in cell.carried(way) if each.name.endswith("recurrent_kernel"))
    item.set(given)
    square = given[:, 2 * UNITS :]
    np.testing.assert_array_equal(net["memory"].u2.detach(), square if as_keras else square.T)
    np.testing.assert_array_equal(item.value(), given)


def test_cells_of_three_and_of_four_gates_are_laid_out_each_in_its_way():
    net = nn.ModuleDict(
        {"gru": raw(is_turned=False), "lstm": linears((FEATURES + UNITS, 4 * UNITS, True))}
    )
    lstm = [Need(need.name.replace("memory", "lstm"), need.shape) for need in needs()]
    cells = cells_of([*needs(3), *lstm], sources(net))
    assert [cell.num_gates for cell in cells] == [3, 4]
    # Six orders of three gates, 24 of four, and two of these with the state in front.
    assert sum(1 for _ in placings(cells)) == 6 * 26
