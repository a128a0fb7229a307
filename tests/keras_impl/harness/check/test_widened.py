"""A probe has numbers beyond the limits of activations; where it has none, that is told."""

import keras
import numpy as np
import pytest
from both_halves import levels, recorded
from torch import nn
from torch.nn import functional as F

from torch_impl import Port

L = keras.layers


def model(*layers, shape=(5,)):
    def make():
        keras.utils.set_random_seed(1)
        made = keras.Sequential([keras.Input(shape), *(layer() for layer in layers)])
        made.compile(keras.optimizers.SGD(0.1), "mse")
        return made

    return make


def cut(x):
    return keras.ops.clip(x, -5.0, 4.0)


LIMITED = {
    "relu6": (L.ReLU, {"max_value": 6.0}, F.relu, F.relu6),
    "max_value": (L.ReLU, {"max_value": 2.0}, F.relu, lambda x: x.clamp(0, 2)),
    "threshold": (L.ReLU, {"threshold": 1.5}, F.relu, lambda x: F.threshold(x, 1.5, 0.0)),
    "hard_sigmoid": (
        L.Activation,
        {"activation": "hard_sigmoid"},
        lambda x: x / 6 + 0.5,
        F.hardsigmoid,
    ),
    "hard_silu": (
        L.Activation,
        {"activation": "hard_silu"},
        lambda x: x * (x + 3) / 6,
        F.hardswish,
    ),
    "hard_tanh": (L.Activation, {"activation": "hard_tanh"}, lambda x: x, F.hardtanh),
    "own function": (
        L.Activation,
        {"activation": cut},
        lambda x: x.clamp(max=4.0),
        lambda x: x.clamp(-5.0, 4.0),
    ),
}


class Net(nn.Module):
    def __init__(self, *activations):
        super().__init__()
        self.dense = nn.ModuleList([nn.Linear(5, 4), nn.Linear(4, 4), nn.Linear(4, 3)])
        self.activations = activations

    def forward(self, x):
        for dense, activation in zip(self.dense, (*self.activations, None), strict=True):
            x = dense(x)
            x = x if activation is None else activation(x)
        return x


@pytest.mark.parametrize("case", LIMITED)
def test_a_limit_that_a_port_does_not_have_is_seen_in_each_layer(case, tmp_path):
    layer, settings, wrong, right = LIMITED[case]
    parts = [lambda: L.Dense(4), lambda: layer(**settings)]
    trace = recorded(model(*parts, *parts, lambda: L.Dense(3)), tmp_path / "keras", steps=1)
    assert trace.facts["not_compared"] == []

    def level(number, *activations):
        return levels(trace, lambda: Port(Net(*activations)), tmp_path / number)["forward"].status

    assert level("a", right, right) == "pass"
    assert level("b", wrong, right) == "fail"
    assert level("c", right, wrong) == "fail"


def test_clips_that_are_operations_count(tmp_path):
    def make():
        keras.utils.set_random_seed(1)
        given = keras.Input((5,))
        x = keras.ops.clip(L.Dense(4)(given), -4.0, 5.0)
        x = keras.ops.minimum(L.Dense(4)(x), 3.0)
        made = keras.Model(given, L.Dense(3)(x))
        made.compile("sgd", "mse")
        return made

    trace = recorded(make, tmp_path / "keras", steps=1)
    assert trace.facts["not_compared"] == []
    first, second = lambda x: x.clamp(-4, 5), lambda x: x.clamp(max=3)
    found = {
        name: levels(trace, lambda a=acts: Port(Net(*a)), tmp_path / name)["forward"].status
        for name, acts in {
            "right": (first, second),
            "first": (nn.Identity(), second),
            "second": (first, nn.Identity()),
        }.items()
    }
    assert found == {"right": "pass", "first": "fail", "second": "fail"}


def test_the_gates_of_a_recurrent_layer_get_numbers_beyond_theirs(tmp_path):
    layers = [lambda: L.GRU(3, recurrent_activation="hard_sigmoid", name="gru"), lambda: L.Dense(2)]
    trace = recorded(model(*layers, shape=(4, 5)), tmp_path / "keras", steps=1)
    assert trace.facts["not_compared"] == []
    kernel, x = trace["weights/gru.gru_cell/kernel"], trace["input/probe/0"]
    gates = x @ kernel
    assert gates.min() < -3 < 3 < gates.max()


def test_limits_that_no_weight_helps_to_pass_are_told(tmp_path):
    """What comes of a sigmoid is between 0 and 1, and nothing multiplies it."""
    layers = [
        lambda: L.Dense(4, activation="sigmoid"),
        lambda: L.ReLU(max_value=6.0, name="cut"),
        lambda: L.Dense(2),
    ]
    trace = recorded(model(*layers), tmp_path / "keras", steps=1)
    (told,) = trace.facts["not_compared"]
    assert told["what"] == "numbers above 6 in cut"


@pytest.mark.parametrize("activation", ["relu", "tanh", "softmax"])
def test_without_limits_the_first_draw_stays(activation, tmp_path):
    layers = [lambda: L.Dense(4, activation=activation, name="first"), lambda: L.Dense(2)]
    trace = recorded(model(*layers), tmp_path / "keras", steps=1)
    assert trace.facts["not_compared"] == []
    # Glorot's limit for 5 inputs and 4 units: the square root of 6 / 9.
    assert np.abs(trace["weights/first.kernel"]).max() < 0.8165
