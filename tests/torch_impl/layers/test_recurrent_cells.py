"""Cells: one time step alone, on top of one another, and cells of the user's own."""

import keras
import pytest
import torch
from covering import one_test
from layer_pairs import BAR, Pair, as_they_are, assert_same, difference, keras_layer, signed
from small_nets import Net
from torch import nn

from torch_impl.layers import RNN, GRUCell, LSTMCell, SimpleRNNCell, StackedRNNCells
from torch_impl.weights import assign

CELLS = {"LSTMCell": LSTMCell, "GRUCell": GRUCell, "SimpleRNNCell": SimpleRNNCell}


def back(tensor):
    return tensor.detach().numpy()


@one_test
@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize("options", [{}, {"activation": "softsign", "use_bias": False}], ids=str)
def test_a_time_step_is_keras_one(kind, options):
    theirs = keras_layer(kind, 4, **options)
    ours = CELLS[kind](3, 4, **options).double()
    theirs.build((None, 3))
    assign(ours, {weight.name: weight.numpy() for weight in theirs.weights})
    x, *states = (signed((2, size), size) for size in (3, 4, 4))
    states = states[: ours.num_states]
    output, new = ours(torch.tensor(x), tuple(map(torch.tensor, states)))
    expected, theirs_new = theirs(x, states)
    assert difference(back(output), expected.numpy()) <= BAR
    for mine, other in zip(new, theirs_new, strict=True):
        assert difference(back(mine), other.numpy()) <= BAR


def stacked_pair():
    options = [{"recurrent_dropout": 0.3, "seed": 3}, {"dropout": 0.4, "seed": 4}, {}]
    kinds, sizes = ["LSTMCell", "GRUCell", "SimpleRNNCell"], [3, 4, 6, 2]
    theirs_cells = [
        keras_layer(kind, n, **o) for kind, n, o in zip(kinds, sizes[1:], options, strict=True)
    ]
    stacked = keras.layers.StackedRNNCells(theirs_cells, name="stacked", dtype="float64")
    theirs = keras.layers.RNN(stacked, return_sequences=True, dtype="float64")
    cells = [
        CELLS[kind](sizes[number], sizes[number + 1], **options[number])
        for number, kind in enumerate(kinds)
    ]
    names = [cell.name for cell in theirs.cell.cells]
    return theirs, RNN(StackedRNNCells(cells, names), "stacked", return_sequences=True)


def test_stacked_cells_are_keras_ones():
    theirs, ours = stacked_pair()
    assert_same(Pair(theirs, ours, (3, 3), as_they_are, back))


def test_states_of_stacked_cells_follow_one_another():
    theirs, ours = stacked_pair()
    theirs.return_state = ours.return_state = True
    x = signed((2, 5, 3))
    theirs.build(x.shape)
    assign(ours.double(), {w.path.partition("/")[2]: w.numpy() for w in theirs.weights})
    states = [[signed((2, 4), 1), signed((2, 4), 2)], [signed((2, 6), 3)], [signed((2, 2), 4)]]
    given = [[torch.tensor(state) for state in cell] for cell in states]
    found = ours.eval()(torch.tensor(x), given)
    expected = keras.tree.flatten(theirs(x, initial_state=states))
    assert [tuple(part.shape[1:]) for part in found] == [(5, 2), (4,), (4,), (6,), (2,)]
    for mine, other in zip(found, expected, strict=True):
        assert difference(back(mine), other.numpy()) <= BAR


def test_a_cell_of_ones_own_is_run_over_the_steps():
    """h = (h + W x) / 2, which is output and state."""
    cell = Net(
        lambda net, x, states: 2 * ((states[0] + net.linear(x)) / 2,),
        linear=nn.Linear(3, 4, bias=False),
        state_size=4,
    )
    x = torch.randn(2, 5, 3)
    h = torch.zeros(2, 4)
    for step in x.unbind(1):
        h = (h + cell.linear(step)) / 2
    output, state = RNN(cell, return_state=True)(x)
    torch.testing.assert_close(output, h)
    torch.testing.assert_close(state, h)
    assert RNN(StackedRNNCells([cell, GRUCell(4, 2)]), return_sequences=True)(x).shape == (2, 5, 2)


def test_a_cell_without_the_size_of_its_state_is_an_error():
    with pytest.raises(ValueError, match="cell Linear with state_size=None: expected an integer"):
        RNN(nn.Linear(3, 4))
    with pytest.raises(ValueError, match="expected at least one cell"):
        StackedRNNCells([])
    with pytest.raises(ValueError, match="units=0: expected an integer of at least 1"):
        LSTMCell(3, 0)
    with pytest.raises(ValueError, match="implementation=3: expected 1 or 2"):
        LSTMCell(3, 4, implementation=3)
