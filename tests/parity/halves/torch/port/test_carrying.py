"""Keras's weights in a port: values, gradients, draws; and what decides between several places."""

import numpy as np
import pytest
import torch
from small_nets import Net
from torch import nn

from parity.halves.torch.call import Calls, as_it_is
from parity.halves.torch.port.carried import Carried, ordered
from parity.halves.torch.port.carrying import carry, needs_of, sources_of
from parity.halves.torch.port.pairing import Pairing

NONE = Pairing((), (), ())


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


class Record(dict):
    """What is read of Keras's trace: weights, the input and the output."""

    def __init__(self, weights, output):
        super().__init__({f"weights/{name}": value for name, value in weights.items()})
        self["forward/eval/output"] = output
        self.facts = {
            "nodes": [],
            "noise": {},
            "weights": {
                name: {"shape": list(value.shape), "trainable": True}
                for name, value in weights.items()
            },
        }


def square(net, x):
    """tanh(x A) B, both square, and neither name tells which is which."""
    return torch.tanh(x @ net.first) @ net.second.T


def net_of_two():
    second, first = (nn.Parameter(torch.randn(3, 3).double()) for _ in range(2))
    return Net(square, second=second, first=first)


def case(wrong=0.0):
    x, a, b = draw(4, 3), draw(3, 3, seed=1), draw(3, 3, seed=2)
    keras = Record({"one.table": a, "two.table": b}, np.tanh(x @ a) @ b + wrong)
    net = net_of_two()
    found = sources_of(net, Calls(), NONE)
    cargo = carry(
        keras, [], found, needs_of(keras.facts, NONE), lambda: net(torch.from_numpy(x)).detach()
    )
    return net, cargo, a, b


def test_the_output_decides_where_names_and_shapes_do_not():
    net, cargo, a, b = case()
    assert {item.how for item in cargo.carried} == {"values"}
    np.testing.assert_array_equal(net.first.detach(), a)
    np.testing.assert_array_equal(net.second.detach(), b.T)
    assert_holds(cargo, a, b)


def assert_holds(cargo, a, b):
    values = {item.name: item.value() for item in cargo.carried}
    np.testing.assert_equal(values, {"one.table": a, "two.table": b})


def test_where_no_assignment_agrees_the_likeliest_stays():
    _, cargo, a, b = case(wrong=1.0)
    assert [item.how for item in cargo.carried] == ["names", "names"]
    assert_holds(cargo, a, b)


def test_weights_are_in_the_order_of_their_numbers_where_no_layer_tells():
    names = ["scale_10.g", "scale_2.g", "scale.g", "scale_1.g"]
    facts = Record({name: draw(2) for name in names}, draw(1)).facts
    assert list(needs_of(facts, NONE)) == ["scale.g", "scale_1.g", "scale_2.g", "scale_10.g"]


def test_gradients_and_draws_have_the_layout_of_the_weight():
    torch.manual_seed(0)
    net = nn.Linear(3, 2).double()
    order = np.array([2, 0, 1])
    item = Carried("a.w", ordered(as_it_is(net, "weight"), ((1, order),)), "pairing")
    value = draw(2, 3)
    item.set(value)
    np.testing.assert_array_equal(net.weight.detach(), value[:, order])
    np.testing.assert_array_equal(item.value(), value)
    assert item.gradient() is None
    item.set_gradient(value)
    np.testing.assert_array_equal(net.weight.grad, value[:, order])
    np.testing.assert_array_equal(item.gradient(), value)
    other = nn.Sequential(nn.ReLU(), nn.Linear(3, 2).double())
    np.testing.assert_array_equal(item.drawn_by(other, "1")[:, order], other[1].weight.detach())
    assert item.drawn_by(other, "7") is None
    assert item.drawn_by(other, "0") is None


def test_a_gradient_of_a_computed_weight_is_that_of_its_parts():
    net = nn.utils.parametrizations.weight_norm(nn.Linear(3, 2).double())
    slope = draw(2, 3)
    Carried("a.w", as_it_is(net, "weight"), "pairing").set_gradient(slope)
    got = {name: p.grad for name, p in net.named_parameters() if p.grad is not None}
    net.zero_grad()
    net.weight.backward(torch.from_numpy(slope))
    assert set(got) == {f"parametrizations.weight.original{n}" for n in (0, 1)}
    for name, gradient in got.items():
        torch.testing.assert_close(gradient, dict(net.named_parameters())[name].grad)


def test_a_weight_of_another_shape_is_refused():
    item = Carried("a.w", as_it_is(nn.Linear(3, 2), "weight"), "pairing")
    with pytest.raises(ValueError, match=r"a\.w of shape \(3, 2\): expected \(2, 3\)"):
        item.set(draw(3, 2))
