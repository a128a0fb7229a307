"""A fused projection is run part by part, and every usual order of its parts is tried."""

import itertools
from types import SimpleNamespace

import torch
from rows import each_row
from torch import nn
from torch.nn import functional as F

from parity.halves.torch.port.inner_calls import fused_orders, run_fused

HEADS, SIZE, FEATURES = 2, 3, 6


def facts(plain=()):
    """An attention, and dense layers of given outputs."""
    nodes, weights = [], {}
    for name in ("query", "key", "value"):
        config = {"part": name, "attention": "attn", "num_heads": HEADS, "kernel_inputs": 1}
        weight = f"attn.{name}/kernel"
        nodes.append({"kind": "dense", "config": config, "weights": [weight]})
        weights[weight] = {"shape": [FEATURES, HEADS, SIZE]}
    for number, outputs in enumerate(plain):
        nodes.append({"kind": "dense", "config": {}, "weights": [f"dense{number}.kernel"]})
        weights[f"dense{number}.kernel"] = {"shape": [FEATURES, outputs]}
    return {"nodes": nodes, "weights": weights}


def called(**layers):
    module = nn.ModuleDict(layers)
    return module, [SimpleNamespace(module=layer, given=None) for layer in layers.values()]


LAYOUTS = {
    "3nd": lambda y: y.reshape(*y.shape[:-1], 3, HEADS, SIZE).unbind(-3),
    "n3d": lambda y: y.reshape(*y.shape[:-1], HEADS, 3, SIZE).unbind(-2),
    "nd3": lambda y: y.reshape(*y.shape[:-1], HEADS, SIZE, 3).unbind(-1),
    "d3n": lambda y: [x.mT for x in y.reshape(*y.shape[:-1], SIZE, 3, HEADS).unbind(-2)],
}


@each_row("order", list(itertools.permutations(range(3))))
@each_row("layout", LAYOUTS)
def test_every_usual_order_is_tried(layout, order):
    module, calls = called(qkv=nn.Linear(FEATURES, 18), out=nn.Linear(FEATURES, FEATURES))
    parts = LAYOUTS[layout](torch.arange(18))
    wanted = [parts[order[n]].flatten().tolist() for n in range(3)]
    tried = [found["qkv.weight"] for found in fused_orders(facts(), module, calls)]
    assert wanted in tried
    assert len(tried) == 24
    assert all(sorted(itertools.chain(*rows)) == list(range(18)) for rows in tried)


def test_a_layer_that_keras_has_too_is_not_fused_and_of_two_the_one_with_a_telling_name_is():
    layers = {"wide": nn.Linear(FEATURES, 18)}
    assert list(fused_orders(facts([18]), *called(**layers))) == []
    found = fused_orders(facts([18]), *called(**layers, qkv=nn.Linear(FEATURES, 18)))
    assert set(next(found)) == {"qkv.weight"}


def test_key_and_value_may_be_together():
    module, calls = called(q=nn.Linear(FEATURES, 6), kv=nn.Linear(FEATURES, 12))
    first = next(fused_orders(facts(), module, calls))
    assert first == {"kv.weight": [list(range(6)), list(range(6, 12))]}


def test_the_parts_together_are_the_layer():
    torch.manual_seed(0)
    layer, x = nn.Linear(4, 6), torch.randn(2, 3, 4)
    found = run_fused(x, layer.weight, layer.bias, [[0, 3], [1, 5], [2, 4]])
    torch.testing.assert_close(found, F.linear(x, layer.weight, layer.bias))
