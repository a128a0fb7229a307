"""A probe has numbers beyond the limits of activations; where it has none, that is told."""

from functools import partial

import keras
import numpy as np
import torch
from both_halves import levels, recorded
from rows import each_row
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


# Each limit is that of the first layer or of the second one, and those that differ most of both.
CHAINS = [
    *(("relu6", "max_value"), ("threshold", "hard_sigmoid"), ("hard_silu", "hard_tanh")),
    ("own function", "relu6"),
]


@each_row("cases", CHAINS)
def test_a_limit_that_a_port_does_not_have_is_seen_in_each_layer(cases, tmp_path):
    layers, settings, wrong, right = zip(*(LIMITED[case] for case in cases), strict=True)
    parts = [
        each
        for layer, options in zip(layers, settings, strict=True)
        for each in (lambda: L.Dense(4), partial(layer, **options))
    ]
    trace = recorded(model(*parts, lambda: L.Dense(3)), tmp_path / "keras", steps=1)
    assert trace.facts["not_compared"] == []

    def level(number, *activations):
        return levels(trace, lambda: Port(Net(*activations)), tmp_path / number)["forward"].status

    assert level("a", *right) == "pass"
    assert level("b", wrong[0], right[1]) == "fail"
    assert level("c", right[0], wrong[1]) == "fail"


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
    whats = [told["what"] for told in trace.facts["not_compared"]]
    assert whats == ["numbers below 0 in cut", "numbers above 6 in cut"]


ONE_SIDED = {
    "relu": (keras.ops.relu, F.relu),
    "leaky_relu": (lambda x: L.LeakyReLU(0.3)(x), lambda x: F.leaky_relu(x, 0.3)),
    "elu": (keras.ops.elu, F.elu),
    "maximum": (lambda x: keras.ops.maximum(x, 0.5), lambda x: x.clamp(min=0.5)),
    "abs": (keras.ops.abs, lambda x: x.abs()),
    "threshold": (lambda x: L.ReLU(threshold=0.5)(x), lambda x: F.threshold(x, 0.5, 0.0)),
}


def positive(cases, is_last):
    """A model whose activations get numbers of one sign alone, until the bias is moved."""

    def make():
        keras.utils.set_random_seed(1)
        given = keras.Input((5,))
        ends = []
        for case in cases:
            x = L.Dense(4, activation="sigmoid")(given)
            x = L.Dense(2, kernel_initializer=keras.initializers.RandomUniform(1, 2))(x)
            ends.append(ONE_SIDED[case][0](x))
        x = ends[0] if is_last else L.Dense(3)(L.Concatenate()(ends))
        made = keras.Model(given, x)
        made.compile("sgd", "mse")
        return made

    return make


class Positive(nn.Module):
    def __init__(self, activations, is_last):
        super().__init__()
        self.first = nn.ModuleList([nn.Linear(5, 4) for _ in activations])
        self.second = nn.ModuleList([nn.Linear(4, 2) for _ in activations])
        self.activations = activations
        self.last = None if is_last else nn.Linear(2 * len(activations), 3)

    def forward(self, x):
        parts = zip(self.first, self.second, self.activations, strict=True)
        x = torch.cat([last(b(a(x).sigmoid())) for a, b, last in parts], 1)
        return x if self.last is None else self.last(x)


@each_row("cases, is_last", [(tuple(ONE_SIDED), False), (("relu",), True)])
def test_an_activation_with_numbers_of_one_sign_is_met_from_both(cases, is_last, tmp_path):
    trace = recorded(positive(cases, is_last), tmp_path / "keras", steps=1)
    assert trace.facts["not_compared"] == []
    right = [ONE_SIDED[case][1] for case in cases]

    def statuses(activations, name):
        net = Positive(activations, is_last)
        found = levels(trace, lambda: Port(net, loss=nn.MSELoss()), tmp_path / name)
        return {found[level].status for level in ("forward", "loss", "gradient")}

    assert statuses(right, "right") == {"pass"}
    for number, case in enumerate(cases):
        wrong = [nn.Identity() if n == number else each for n, each in enumerate(right)]
        assert "fail" in statuses(wrong, case), case


@each_row("activation", ["relu", "tanh", "softmax"])
def test_without_limits_the_first_draw_stays(activation, tmp_path):
    layers = [lambda: L.Dense(4, activation=activation, name="first"), lambda: L.Dense(2)]
    trace = recorded(model(*layers), tmp_path / "keras", steps=1)
    assert trace.facts["not_compared"] == []
    # Glorot's limit for 5 inputs and 4 units: the square root of 6 / 9.
    assert np.abs(trace["weights/first.kernel"]).max() < 0.8165
