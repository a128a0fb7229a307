"""What is watched of a torch module: the trace contract of layers, their parts and functions.

Watching changes nothing that a module computes; a call is as it was made, whatever is done to its
tensors later.
"""

import itertools

import torch
from rows import each_row
from small_nets import Net
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from torch.overrides import TorchFunctionMode

from parity.halves.torch.call import (
    data_alone,
    final_states,
    first_tensor,
    output_of,
    packed_in,
    padded,
    repacked,
)
from parity.halves.torch.calls import recorded_calls
from parity.halves.torch.port.inner_calls import scaled_dot_product, single_layer

BAR = 1e-14
LENGTHS = torch.tensor([2, 4, 1])
KEPT = (torch.arange(4) < LENGTHS[:, None])[..., None]


def normal(*shape, seed=3):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


X = normal(3, 4, 6)


def as_it_is(number, x, rate):
    return x


def watched(net, *given, dropped=as_it_is, **options):
    with recorded_calls(net, dropped) as calls:
        output = net(*given, **options)
    return calls, output


def behind_a_layer(function):
    return lambda: Net(lambda net, x: function(net.fc(x)), fc=nn.Linear(6, 6))


def branches(net, x):
    return (torch.relu(net.a(x)) + net.b(x / 2))[:, :, 1:]


def packing(net, x):
    given = pack_padded_sequence(x, LENGTHS, batch_first=True, enforce_sorted=False)
    return pad_packed_sequence(net.gru(given)[0], batch_first=True)[0]


class Doubled(torch.autograd.Function):
    """A function with its own gradient."""

    @staticmethod
    def forward(ctx, x):
        return torch.tensor(2 * x.detach().numpy())

    @staticmethod
    def backward(ctx, slope):
        return 2 * slope


def stack(kind, directions, batch_first, layers=3, **options):
    options |= {"batch_first": batch_first, "bidirectional": directions == 2}
    return lambda: kind(6, 4, layers, **options)


KINDS = {nn.LSTM: "lstm", nn.GRU: "gru", nn.RNN: "simple_rnn"}
# What is watched -> a module, and (kind, calls that its inputs come from) of its calls.
MODULES = {
    **{
        f"{kind.__name__} {directions} {batch_first}": (
            stack(kind, directions, batch_first),
            [(name if directions == 1 else "bidirectional", [n]) for n in (-1, 0, 1)],
        )
        for (kind, name), directions, batch_first in itertools.product(
            KINDS.items(), (1, 2), (True, False)
        )
    },
    "dropout between layers": (
        stack(nn.LSTM, 1, True, dropout=0.5),
        [("lstm", [-1]), ("dropout", [0]), ("lstm", [1]), ("dropout", [2]), ("lstm", [3])],
    ),
    "one layer": (stack(nn.LSTM, 1, True, 1), [("lstm", [-1])]),
    "what keras has not": (lambda: nn.LSTM(6, 4, 2, proj_size=2), [("lstm", [-1])]),
    "packed": (
        lambda: Net(packing, gru=nn.GRU(6, 3, 2, batch_first=True)),
        [("gru", [None]), ("gru", [0])],
    ),
    # x / 2 is no call of interest, so that what it made was not watched.
    "branches": (
        lambda: Net(branches, a=nn.Linear(6, 6), b=nn.Linear(6, 6)),
        [
            *[("dense", [-1]), ("activation:relu", [0]), ("dense", [None])],
            *[("add", [1, 2]), ("cropping", [3])],
        ],
    ),
    # A product with an activation of the same tensor is an activation; any other one is none.
    "silu": (
        behind_a_layer(lambda x: x * torch.sigmoid(x)),
        [("dense", [-1]), ("part of activation:sigmoid", [0]), ("activation:silu", [0])],
    ),
    "silu turned": (
        behind_a_layer(lambda x: torch.sigmoid(x).mul(x)),
        [("dense", [-1]), ("part of activation:sigmoid", [0]), ("activation:silu", [0])],
    ),
    "mish": (
        behind_a_layer(lambda x: x * torch.tanh(F.softplus(x))),
        [
            *[("dense", [-1]), ("part of activation:softplus", [0])],
            *[("part of activation:tanh", [1]), ("activation:mish", [0])],
        ],
    ),
    "a gate of another tensor": (
        behind_a_layer(lambda x: x * torch.sigmoid(2 * x)),
        [("dense", [-1]), ("activation:sigmoid", [None]), ("multiply", [0, 1])],
    ),
    "another gate": (
        behind_a_layer(lambda x: x * torch.tanh(x)),
        [("dense", [-1]), ("activation:tanh", [0]), ("multiply", [0, 1])],
    ),
    "a gradient of one's own": (
        behind_a_layer(lambda x: torch.relu(Doubled.apply(x))),
        [("dense", [-1]), ("activation:relu", [None])],
    ),
}


@each_row("name", MODULES)
def test_calls_are_told_with_their_sources_and_the_module_computes_the_same(name):
    make, expected = MODULES[name]
    torch.manual_seed(0)
    net = make().double().train(name != "dropout between layers")
    found = []
    for is_watched in (False, True):
        net.zero_grad()
        calls, output = watched(net, X) if is_watched else ([], net(X))
        first_tensor(output).square().sum().backward()
        found.append([first_tensor(output), *(each.grad.clone() for each in net.parameters())])
    torch.testing.assert_close(*found, rtol=0, atol=BAR)
    assert all(gradient.any() for gradient in found[1])
    assert [(call.kind, call.sources) for call in calls] == expected
    for call in calls:
        made = first_tensor(call.run(*call.inputs))
        torch.testing.assert_close(made, call.output, rtol=0, atol=BAR)
    held = [id(tensor) for call in calls for v in call.variables for tensor in v.tensors]
    assert not held or {*held} == {id(each) for each in net.parameters()}
    assert bool(held) == (name != "what keras has not")


def test_a_function_with_its_own_gradient_passes_on_where_its_input_came_from():
    before = torch.autograd.Function.__dict__["apply"]
    calls, _ = watched(MODULES["a gradient of one's own"][0]().double(), X)
    assert calls[-1].origins == [0]
    assert torch.autograd.Function.__dict__["apply"] is before


# --- recurrent modules ---------------------------------------------------------------------------


@each_row("kind", KINDS)
def test_a_recurrent_module_may_begin_with_states(kind):
    net, states = stack(kind, 2, True)().double(), normal(6, 3, 4)
    given = (states, states + 1) if kind is nn.LSTM else states
    torch.testing.assert_close(watched(net, X, given)[1], net(X, given), rtol=0, atol=BAR)


def test_a_dropout_between_two_layers_is_given_what_the_first_made():
    net, seen = stack(nn.LSTM, 1, True, dropout=0.5)().double().train(), []
    calls, output = watched(net, X, dropped=lambda *drop: seen.append(drop) or drop[1] * 2)
    assert [(number, rate) for number, _, rate in seen] == [(0, 0.5), (1, 0.5)]
    dropped, found = (calls[1].output, calls[2].inputs[0], output[0]), 2 * calls[0].output
    torch.testing.assert_close(dropped, (found, found, calls[-1].output), rtol=0, atol=0)
    assert [call.is_active for call in calls] == [False, True, False, True, False]


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


@each_row("kind", KINDS)
@each_row("directions", [1, 2])
def test_the_last_states_are_those_of_both_ends(kind, directions):
    module = stack(kind, directions, True, 1)().double()
    result = module(X)
    final = final_states(module, result)
    expected = [result[0][:, -1, :4]] + [result[0][:, 0, 4:]] * (directions - 1)
    assert torch.equal(final, torch.cat(expected, dim=-1))
    assert output_of(result[0], final, (3, 4 * directions)) is final
    assert output_of(result[0], final, (3, 4, 4 * directions)) is result[0]


def test_a_packed_sequence_is_padded_found_in_arguments_and_packed_again():
    one = pack_padded_sequence(X, LENGTHS, batch_first=True, enforce_sorted=False)
    assert torch.equal(padded(one), X * KEPT)
    assert torch.equal(padded(repacked(X * 2, one)), 2 * X * KEPT)
    assert packed_in((1, {"x": [one]})) == [one]
    assert data_alone((one, "y"))[0] is one.data
    order = LENGTHS.argsort(descending=True)  # a sorted one keeps its order
    given = pack_padded_sequence(X[order], LENGTHS[order], batch_first=True)
    assert torch.equal(padded(repacked(X[order] + 1, given)), ((X + 1) * KEPT)[order])


def test_another_output_goes_on_packed():
    net = Net(packing, gru=nn.GRU(6, 3, batch_first=True)).double()

    def passed(call, output):
        return (
            (repacked(torch.ones(3, 4, 3), output[0]), output[1]) if call.kind == "gru" else output
        )

    with recorded_calls(net, as_it_is, passed=passed) as calls:
        output = net(X)
    assert torch.equal(calls[0].inputs[0], X * KEPT)
    assert torch.equal(output, KEPT.expand(3, 4, 3).to(output.dtype))


# --- attention -----------------------------------------------------------------------------------


def masks(rows, columns):
    shown = normal(rows, columns) < 0.3
    shown[:, 0] = True
    return {"none": None, "bool": shown, "float": normal(rows, columns)}


@each_row("kind", ["none", "bool", "float", "causal"])
@each_row("options", [{}, {"scale": 0.3}, {"enable_gqa": True}])
def test_the_function_in_parts_is_the_function(kind, options):
    heads = 2 if options.get("enable_gqa") else 4
    q, k, v = normal(3, 4, 5, 2), normal(3, heads, 6, 2, seed=4), normal(3, heads, 6, 3, seed=5)
    given = {"is_causal": True} if kind == "causal" else {"attn_mask": masks(5, 6)[kind]}
    expected = F.scaled_dot_product_attention(q, k, v, **given, **options)
    found = scaled_dot_product(q, k, v, **given, **options)
    torch.testing.assert_close(found, expected, rtol=0, atol=BAR)


def test_a_query_that_sees_nothing_gets_nothing():
    dead = torch.ones(5, 4, dtype=torch.bool)
    dead[2] = False
    q, k = normal(2, 3, 5, 2), normal(2, 3, 4, 2)
    assert not scaled_dot_product(q, k, k, dead)[:, :, 2].any()


@each_row("batch_first", [True, False])
@each_row("kind", ["none", "bool", "float"])
@each_row("averages", [True, False])
def test_the_module_in_parts_is_the_module(batch_first, kind, averages):
    net = nn.MultiheadAttention(6, 2, kdim=5, vdim=4, batch_first=batch_first).double()
    q, k, v = normal(3, 5, 6), normal(3, 4, 5), normal(3, 4, 4)
    q, k, v = (x if batch_first else x.transpose(0, 1) for x in (q, k, v))
    mask, padding = masks(5, 4)[kind], torch.zeros(3, 4, dtype=torch.bool)
    padding[1, 2] = True
    given = {
        "attn_mask": ~mask if kind == "bool" else mask,
        "key_padding_mask": None if kind == "float" else padding,
        "average_attn_weights": averages,
    }
    calls, found = watched(net, q, k, v, **given)
    torch.testing.assert_close(found, net(q, k, v, **given), rtol=0, atol=BAR)
    kinds = [call.kind for call in calls]
    assert (kinds.count("dense"), kinds.count("activation:softmax")) == (4, 1)


def test_packed_projections_are_three_layers_with_parts_of_one_weight():
    net = nn.MultiheadAttention(6, 2, dropout=0.5, batch_first=True).double().train()
    calls, _ = watched(net, X, X, X, need_weights=False)
    for number, call in enumerate([call for call in calls if call.kind == "dense"][:3]):
        kernel = next(v for v in call.variables if v.name == "kernel")
        rows = net.in_proj_weight[6 * number : 6 * (number + 1)]
        assert torch.equal(kernel.to_keras(kernel.tensors), rows.T)
    (dropout,) = (call for call in calls if call.kind == "dropout")
    assert (dropout.rate, dropout.is_active, dropout.output.shape) == (0.5, True, (3, 2, 4, 4))


def test_attention_that_keras_has_not_runs_as_it_is():
    net = nn.MultiheadAttention(6, 2, add_zero_attn=True, batch_first=True).double()
    calls, output = watched(net, X, X, X)
    torch.testing.assert_close(output, net(X, X, X))
    assert all(call.kind != "activation:softmax" for call in calls)


# --- tensors that are changed in place -----------------------------------------------------------


def test_an_activation_in_place_leaves_what_was_recorded():
    module = nn.Sequential(nn.Linear(6, 4), nn.ReLU(inplace=True)).double()
    (dense, relu), output = watched(module, X)
    assert dense.output.min() < 0 <= output.min()
    found = relu.inputs[0], relu.output
    torch.testing.assert_close(found, (dense.output, output), rtol=0, atol=0)


def test_dropout_in_place_is_given_what_was_there_before_it():
    module = nn.Sequential(nn.Linear(6, 4), nn.Dropout(0.9, inplace=True)).double().train()
    calls, output = watched(module, X, dropped=lambda number, value, rate: value * 2)
    assert torch.equal(output, calls[0].output * 2)


def changed(net, x):
    """Changes what a layer made, in a way that torch does not count."""
    made = net.a(x)
    made.data.mul_(2)
    return net.b(made)


def test_an_input_has_the_copy_of_the_output_that_it_is_unless_that_was_changed():
    (dense, relu, *_), _ = watched(MODULES["branches"][0]().double(), X)
    assert relu.inputs[0].data_ptr() == dense.output.data_ptr() != relu.output.data_ptr()
    calls, _ = watched(Net(changed, a=nn.Linear(6, 5), b=nn.Linear(5, 5)).double(), X)
    a, b = (call for call in calls if call.kind == "dense")
    assert torch.equal(b.inputs[0], a.output * 2)
    assert torch.equal(a.output, a.run(a.inputs[0]))
