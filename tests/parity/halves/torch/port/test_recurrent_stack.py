"""A recurrent module of several layers, layer by layer, computes what torch computes."""

import itertools

import torch
from rows import each_row
from torch import nn
from torch.overrides import TorchFunctionMode

from parity.halves.torch.calls import recorded_calls
from parity.halves.torch.port.inner_calls import is_stacked, run_stacked, single_layer

KINDS = list(itertools.product((nn.LSTM, nn.GRU, nn.RNN), (1, 2), (True, False)))


def keep(number, x):
    return x


def as_it_is(part):
    """Lets each part go on with what it computed."""
    return part.output if part.module is None else (part.output, part.states)


@each_row("kind, directions, batch_first", KINDS)
@each_row("begun", [False, True])
def test_the_layers_together_are_the_module(kind, directions, batch_first, begun):
    torch.manual_seed(0)
    net = kind(5, 4, 3, batch_first=batch_first, bidirectional=directions == 2).double()
    x = torch.randn(6, 2, 5, dtype=torch.float64)
    states = torch.randn(3 * directions, 2 if not batch_first else 6, 4, dtype=torch.float64)
    given = (x, (states, states + 1) if kind is nn.LSTM else states) if begun else (x,)
    expected = net(*given)
    assert is_stacked(net, given)
    parts = []

    def told(part):
        parts.append(part)
        return as_it_is(part)

    output = run_stacked(net, given, keep, told)
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-14)
    assert len(parts) == 3
    output[0].sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())
    for number, part in enumerate(parts):
        torch.testing.assert_close(part.run(part.given)[0], part.output, rtol=0, atol=1e-14)
        held = {id(tensor) for v in part.weights for tensor in v.tensors}
        own = {id(p) for name, p in net.named_parameters() if f"_l{number}" in name}
        assert held == own


def test_a_dropout_between_two_layers_is_given_what_the_first_made():
    net = nn.LSTM(5, 4, 3, batch_first=True, dropout=0.5).train()
    seen = []

    def dropped(number, x, rate):
        seen.append((number, rate))
        return x * 2

    x = torch.randn(2, 3, 5)
    with recorded_calls(net, dropped) as calls:
        output, _ = net(x)
    assert [call.kind for call in calls] == ["lstm", "dropout", "lstm", "dropout", "lstm"]
    assert [call.name for call in calls][1] == "LSTM.1"
    assert seen == [(0, 0.5), (1, 0.5)]
    assert torch.equal(calls[1].output, 2 * calls[0].output)
    assert torch.equal(calls[2].inputs[0], calls[1].output)
    assert torch.equal(output, calls[-1].output)
    assert [call.sources for call in calls] == [[-1], [0], [1], [2], [3]]
    assert [call.is_active for call in calls] == [False, True, False, True, False]


def test_what_has_one_layer_and_the_batch_first_is_left_to_torch():
    x = torch.randn(2, 3, 5)
    assert not is_stacked(nn.LSTM(5, 4, batch_first=True), (x,))
    assert not is_stacked(nn.LSTM(5, 4, 2, proj_size=2), (x,))
    assert not is_stacked(nn.LSTM(5, 4, 2), (x[0],))
    assert not is_stacked(nn.Linear(5, 4), (x,))
    assert is_stacked(nn.LSTM(5, 4), (x,))


def test_a_layer_that_is_taken_out_draws_no_weights_of_its_own():
    # What is drawn in a call that is watched would be given what Keras drew.
    seen = []

    class Seen(TorchFunctionMode):
        def __torch_function__(self, function, types, arguments=(), keywords=None):
            seen.append(function)
            return function(*arguments, **(keywords or {}))

    module = nn.LSTM(3, 4, num_layers=2)
    with Seen():
        layer = single_layer(module, 1)
    assert nn.init.uniform_ not in seen
    assert layer.weight_hh_l0 is module.weight_hh_l1
    with Seen():
        layer.reset_parameters()
    assert nn.init.uniform_ in seen
