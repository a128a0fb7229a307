"""Attention of torch in parts computes what it computes whole, and every part is watched."""

import itertools

import torch
from rows import each_row
from torch import nn
from torch.nn import functional as F

from parity.halves.torch.calls import recorded_calls
from parity.halves.torch.port.inner_calls import scaled_dot_product

BAR = 1e-14


def normal(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def masks(rows, columns):
    shown = torch.rand(rows, columns) < 0.6
    shown[:, 0] = True
    return {"none": None, "bool": shown, "float": normal(rows, columns)}


@each_row("kind", ["none", "bool", "float"])
@each_row("options", [{}, {"scale": 0.3}, {"enable_gqa": True}])
def test_the_function_in_parts_is_the_function(kind, options):
    torch.manual_seed(0)
    heads = 2 if options.get("enable_gqa") else 4
    q, k, v = normal(3, 4, 5, 2), normal(3, heads, 6, 2), normal(3, heads, 6, 3)
    mask = masks(5, 6)[kind]
    expected = F.scaled_dot_product_attention(q, k, v, mask, **options)
    found = scaled_dot_product(q, k, v, mask, **options)
    torch.testing.assert_close(found, expected, rtol=0, atol=BAR)


def test_a_causal_mask_and_a_query_that_sees_nothing():
    torch.manual_seed(0)
    q, k = normal(2, 3, 5, 2), normal(2, 3, 4, 2)
    expected = F.scaled_dot_product_attention(q, k, k, is_causal=True)
    torch.testing.assert_close(scaled_dot_product(q, k, k, is_causal=True), expected)
    dead = torch.ones(5, 4, dtype=torch.bool)
    dead[2] = False
    assert not scaled_dot_product(q, k, k, dead)[:, :, 2].any()


SETTINGS = list(
    itertools.product([True, False], ["none", "bool", "float"], [True, False], [True, False])
)


@each_row("batch_first, kind, is_padded, averages", SETTINGS)
def test_the_module_in_parts_is_the_module(batch_first, kind, is_padded, averages):
    torch.manual_seed(0)
    net = nn.MultiheadAttention(6, 2, kdim=5, vdim=4, batch_first=batch_first).double().train()
    q, k, v = normal(3, 5, 6), normal(3, 4, 5), normal(3, 4, 4)
    q, k, v = (x if batch_first else x.transpose(0, 1) for x in (q, k, v))
    mask = masks(5, 4)[kind]
    padding = torch.zeros(3, 4, dtype=torch.bool)
    padding[1, 2] = True
    given = {
        "attn_mask": ~mask if kind == "bool" else mask,
        "key_padding_mask": padding if is_padded and kind != "float" else None,
        "average_attn_weights": averages,
    }
    expected, weights = net(q, k, v, **given)
    with recorded_calls(net, lambda number, x, rate: x) as calls:
        output, others = net(q, k, v, **given)
    torch.testing.assert_close(output, expected, rtol=0, atol=BAR)
    torch.testing.assert_close(others, weights, rtol=0, atol=BAR)
    kinds = [call.kind for call in calls]
    assert (kinds.count("dense"), kinds.count("activation:softmax")) == (4, 1)


def test_packed_projections_are_three_layers_with_parts_of_one_weight():
    net = nn.MultiheadAttention(6, 2, dropout=0.5, batch_first=True).double().train()
    x = normal(3, 5, 6)
    with recorded_calls(net, lambda number, x, rate: x) as calls:
        net(x, x, x, need_weights=False)
    dense = [call for call in calls if call.kind == "dense"]
    for number, call in enumerate(dense[:3]):
        kernel = next(v for v in call.variables if v.name == "kernel")
        rows = net.in_proj_weight[6 * number : 6 * (number + 1)]
        assert torch.equal(kernel.to_keras(kernel.tensors), rows.T)
    (dropout,) = (call for call in calls if call.kind == "dropout")
    assert (dropout.rate, dropout.is_active, dropout.output.shape) == (0.5, True, (3, 2, 5, 5))


def test_what_keras_has_not_runs_as_it_is():
    net = nn.MultiheadAttention(6, 2, add_zero_attn=True, batch_first=True).double()
    x = normal(3, 5, 6)
    with recorded_calls(net, lambda number, x, rate: x) as calls:
        output = net(x, x, x)[0]
    torch.testing.assert_close(output, net(x, x, x)[0])
    assert all(call.kind != "activation:softmax" for call in calls)
