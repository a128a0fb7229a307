"""Calls of a module as they were made, whatever is done to their tensors later."""

import pytest
import torch
from rows import each_row
from small_nets import Net
from torch import nn

from parity.halves.torch.call import final_states, output_of
from parity.halves.torch.calls import recorded_calls


def _calls(module, *arguments, dropped=lambda number, x, rate: x):
    with recorded_calls(module, dropped) as calls:
        output = module(*arguments)
    return calls, output


@pytest.fixture
def x():
    return torch.randn(2, 3, 7, 5, generator=torch.Generator().manual_seed(3))


def test_an_activation_in_place_leaves_what_was_recorded(x):
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True))
    (conv, relu), output = _calls(module, x)
    assert (conv.output < 0).any()
    assert torch.equal(relu.inputs[0], conv.output)
    assert torch.equal(relu.output, output)
    assert (output >= 0).all()


def test_dropout_in_place_is_given_what_was_there_before_it(x):
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Dropout(0.9, inplace=True)).train()
    calls, output = _calls(module, x, dropped=lambda number, value, rate: value * 2)
    assert torch.equal(output, calls[0].output * 2)


def branches(net, x):
    a = torch.relu(net.a(x))
    return (a + net.b(x / 2))[:, :, 1:]


def _branches():
    return Net(branches, a=nn.Conv2d(3, 4, 1), b=nn.Conv2d(3, 4, 1))


def test_each_input_is_told_where_it_comes_from(x):
    calls, _ = _calls(_branches(), x)
    # x / 2 is no call of interest, so that what it made was not watched.
    assert [(call.kind, call.sources) for call in calls] == [
        ("conv", [-1]),
        ("activation:relu", [0]),
        ("conv", [None]),
        ("add", [1, 2]),
        ("cropping", [3]),
    ]


@each_row("kind", [nn.LSTM, nn.GRU, nn.RNN])
@each_row("directions", [1, 2])
def test_the_last_states_are_those_of_both_ends(kind, directions):
    torch.manual_seed(5)
    module = kind(4, 3, batch_first=True, bidirectional=directions == 2)
    result = module(torch.randn(2, 6, 4))
    final = final_states(module, result)
    expected = [result[0][:, -1, :3]] + [result[0][:, 0, 3:]] * (directions - 1)
    assert torch.equal(final, torch.cat(expected, dim=-1))
    assert output_of(result[0], final, (2, 3 * directions)) is final
    assert output_of(result[0], final, (2, 6, 3 * directions)) is result[0]


def test_an_input_has_the_copy_of_the_output_that_it_is(x):
    calls, _ = _calls(_branches(), x)
    conv, relu = calls[:2]
    assert relu.inputs[0].data_ptr() == conv.output.data_ptr()
    assert relu.output.data_ptr() != conv.output.data_ptr()


def changed(net, x):
    """Changes what a layer made, in a way that torch does not count."""
    made = net.a(x)
    made.data.mul_(2)
    return net.b(made)


def test_an_input_that_was_changed_in_its_place_has_a_copy_of_its_own(x):
    calls, _ = _calls(Net(changed, a=nn.Linear(5, 5), b=nn.Linear(5, 5)), x)
    a, b = (call for call in calls if call.kind == "dense")
    assert torch.equal(b.inputs[0], a.output * 2)
    assert torch.equal(a.output, a.run(a.inputs[0]))
