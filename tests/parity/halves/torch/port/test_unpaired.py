"""What has no partner is told, with what to do; what only has its weights elsewhere is not."""

import numpy as np
import torch
from small_nets import Net
from torch import nn

from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.halves.torch.port.unpaired import left_over, recorded_pairs


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


class Record(dict):
    """A dense layer of 3 features, and a layer of the user's behind it."""

    def __init__(self, own, output, made=None):
        x, kernel = draw(4, 3), draw(3, 3, seed=1)
        super().__init__({"input/probe/0": x, "weights/dense.kernel": kernel})
        linear = x @ kernel
        self["forward/eval/output"] = output(linear)
        for mode in ("eval", "train"):
            self[f"forward/{mode}/dense/input/0"] = x
            self[f"forward/{mode}/dense/output"] = self[f"forward/{mode}/own/input/0"] = linear
            self[f"forward/{mode}/own/output"] = output(linear)
        if made is not None:
            self["forward/train/own/output"] = made(linear)
        self.update({f"weights/own.{name}": value for name, value in own.items()})
        weights = {"dense.kernel": kernel} | {f"own.{name}": value for name, value in own.items()}
        shapes = {"input_shapes": [[4, 3]], "output_shape": [4, 3], "config": {}}
        self.facts = {
            "nodes": [
                {"name": "dense", "kind": "dense", "weights": ["dense.kernel"], "sources": [-1]}
                | shapes,
                {
                    "name": "own",
                    "kind": "unknown:Own",
                    "weights": [f"own.{name}" for name in own],
                    "sources": [0],
                }
                | shapes,
            ],
            "noise": {},
            "weights": {
                name: {"shape": list(value.shape), "trainable": True}
                for name, value in weights.items()
            },
        }

    def below(self, prefix):
        return [key.removeprefix(f"{prefix}/") for key in self if key.startswith(f"{prefix}/")]


def net_of(function, *shape):
    free = {"free": nn.Parameter(torch.randn(*shape))} if shape else {}
    return Net(lambda net, x: function(net, net.fc(x)), fc=nn.Linear(3, 3, bias=False), **free)


def told(recorded, function, *shape):
    port = PortUnderTest(lambda: net_of(function, *shape), 3, recorded)
    return port, left_over(port, recorded_pairs(port))


def test_a_layer_whose_weights_are_elsewhere_has_lost_nothing():
    gamma = draw(3, seed=2)
    recorded = Record({"gamma": gamma}, lambda x: x * gamma)
    port, found = told(recorded, lambda net, x: (x.T * net.free[:, None]).T, 3)
    assert not any(found.values())
    assert {item.name for item in port.carried} == {"dense.kernel", "own.gamma"}


def test_a_weight_of_an_unknown_layer_that_fits_nowhere_is_told_with_what_to_do():
    gamma = draw(3, seed=2)
    recorded = Record({"gamma": gamma}, lambda x: x * gamma)
    _, found = told(recorded, lambda net, x: x * net.free[:3], 5)
    (entry,) = found["incomplete"]
    assert entry["what"] == "own.gamma"
    assert "free" in entry["why"]
    assert "load" in entry["do"]


def test_random_numbers_are_told_only_if_keras_draws_some_too():
    def noisy(net, x):
        return x + torch.randn_like(x) if net.training else x

    _, found = told(Record({}, lambda x: x, made=lambda x: x + 1), noisy)
    (entry,) = found["incomplete"]
    assert entry["what"].startswith("randn_like() at test_unpaired.py:")
    assert "own" in entry["why"]
    assert told(Record({}, lambda x: x), noisy)[1]["incomplete"] == []


def test_a_computed_weight_is_told_by_its_parts():
    def normed():
        net = net_of(lambda net, x: x)
        nn.utils.parametrizations.weight_norm(net.fc)
        return net

    port = PortUnderTest(normed, 3, Record({}, lambda x: x))
    (entry,) = left_over(port, recorded_pairs(port))["not_compared"]
    assert entry["what"] == "the gradients of the parts of dense.kernel"
