"""Weights of a part that no pass calls have the places of the part of which it is a copy."""

import copy

from rows import each_row
from torch import nn

from parity.halves.torch.port.carried import PAIRING, Carried
from parity.halves.torch.port.carrying import copied_weights, copies_in
from torch_impl.layouts import variables

SHAPES = {"kernel": [4, 4], "bias": [4]}


def named(*layers):
    return [f"{layer}.{name}" for layer in layers for name in SHAPES]


def facts_of(called, unused, others=()):
    """Facts of a model with a part "network" of some layers, others with a part each, and more."""
    parts = {"network": {"weights": named(*called)}}
    parts |= {f"part {n}": {"weights": named(*each)} for n, each in enumerate(others)}
    layers = [*called, *(layer for each in others for layer in each)]
    return {
        "nodes": [{"weights": named(layer)} for layer in layers],
        "weights": {
            name: {"shape": SHAPES[name.partition(".")[2]]} for name in named(*layers, *unused)
        },
        "own_training": {"parts": parts},
    }


def net():
    return nn.ModuleDict({"first": nn.Linear(4, 4), "last": nn.Linear(4, 4)})


def with_target():
    online = net()
    return nn.ModuleDict({"online": online, "target": copy.deepcopy(online)})


def carried_in(net):
    return [
        Carried(f"{layer}.{variable.name}", variable, PAIRING)
        for layer, module in zip(("dense", "dense_1"), (net.first, net.last), strict=True)
        for variable in variables(module)
    ]


@each_row(
    "unused",
    [("dense#2", "dense_1#2"), ("dense_9", "dense_10"), ("dense_3", "dense_2")],
    ids=["cloned", "built twice", "in no order"],
)
def test_weights_that_no_pass_uses_are_a_copy_of_the_part_with_their_shapes(unused):
    (found,) = copies_in(facts_of(("dense", "dense_1"), unused))
    first, last = sorted(unused, key=lambda name: (len(name), name))
    assert found == dict(zip(named(first, last), named("dense", "dense_1"), strict=True))


def test_what_could_be_a_copy_of_two_parts_or_of_none_is_no_copy():
    assert copies_in(facts_of(("dense",), ("dense_2",), others=[("dense_1",)])) == []
    assert copies_in(facts_of(("dense",), ("dense_1", "dense_2"))) == []
    assert copies_in({"nodes": [], "weights": {}}) == []


def test_a_copy_has_the_same_places_in_the_only_module_like_the_other():
    port = with_target()
    copies = copies_in(facts_of(("dense", "dense_1"), ("dense#2", "dense_1#2")))
    found = list(copied_weights(port, copies, carried_in(port.online)))
    assert {item.name: (item.variable.module, item.variable.attributes) for item in found} == {
        "dense#2.kernel": (port.target.first, ("weight",)),
        "dense#2.bias": (port.target.first, ("bias",)),
        "dense_1#2.kernel": (port.target.last, ("weight",)),
        "dense_1#2.bias": (port.target.last, ("bias",)),
    }
    # A part without all of its places gives none to its copy.
    assert list(copied_weights(port, copies, carried_in(port.online)[:-1])) == []
    port.slow = copy.deepcopy(port.online)  # could be the copy as well
    assert list(copied_weights(port, copies, carried_in(port.online))) == []
