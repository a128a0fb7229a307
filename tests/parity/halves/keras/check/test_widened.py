"""A probe has numbers beyond the limits of activations; where it has none, that is told."""

import keras
import numpy as np
from both_halves import recorded
from rows import each_row

L, ops = keras.layers, keras.ops


def model(*layers, shape=(5,)):
    def make():
        keras.utils.set_random_seed(1)
        x = inputs = keras.Input(shape)
        for layer in layers:
            x = layer()(x)
        made = keras.Model(inputs, x)
        made.compile(keras.optimizers.SGD(0.1), "mse")
        return made

    return make


def cut(x):
    return ops.clip(x, -5.0, 4.0)


# Name of the call -> what makes it, and its limits, beyond which it has to get numbers.
LIMITED = {
    "relu6": (lambda: L.ReLU(6.0, name="relu6"), 0, 6),
    "max_value": (lambda: L.ReLU(max_value=2.0, name="max_value"), 0, 2),
    "threshold": (lambda: L.ReLU(threshold=1.5, name="threshold"), 1.5, 1.5),
    "hard_sigmoid": (lambda: L.Activation("hard_sigmoid", name="hard_sigmoid"), -3, 3),
    "hard_silu": (lambda: L.Activation("hard_silu", name="hard_silu"), -3, 3),
    "hard_tanh": (lambda: L.Activation("hard_tanh", name="hard_tanh"), -1, 1),
    "of the user": (
        lambda: L.Activation(cut, name="of the user"),
        -5,
        4,
    ),
    "clip": (lambda: lambda x: ops.clip(x, -4.0, 5.0), -4, 5),
    "minimum": (lambda: lambda x: ops.minimum(x, 3.0), -np.inf, 3),
}
ONE_SIDED = {
    "relu": (ops.relu, 0),
    "leaky_relu": (lambda x: L.LeakyReLU(0.3, name="leaky_relu")(x), 0),
    "elu": (ops.elu, 0),
    "maximum": (lambda x: ops.maximum(x, 0.5), 0.5),
    "absolute": (ops.abs, 0),
    "above": (lambda x: L.ReLU(threshold=0.5, name="above")(x), 0.5),
}
CHAINS = [("relu6", "max_value", "clip"), ("threshold", "hard_sigmoid", "hard_silu")]
CHAINS += [("hard_tanh", "of the user", "minimum")]


@each_row("names", CHAINS)
def test_each_limit_is_passed_by_the_numbers_of_a_probe(names, tmp_path):
    layers = [part for name in names for part in (lambda: L.Dense(4), LIMITED[name][0])]
    trace = recorded(model(*layers, lambda: L.Dense(3)), tmp_path / "keras", steps=1)
    assert trace.facts["not_compared"] == []
    for name in names:
        given = trace[f"forward/train/{name}/input/0"]
        _, low, high = LIMITED[name]
        assert low == -np.inf or given.min() < low, name
        assert given.max() > high, name


@each_row("names", [tuple(ONE_SIDED), ("relu",)])
def test_an_activation_with_numbers_of_one_sign_is_met_from_both(names, tmp_path):
    """Its numbers have one sign until the bias is moved."""

    def make():
        keras.utils.set_random_seed(1)
        given = keras.Input((5,))
        ends = []
        for name in names:
            x = L.Dense(4, activation="sigmoid")(given)
            x = L.Dense(2, kernel_initializer=keras.initializers.RandomUniform(1, 2))(x)
            ends.append(ONE_SIDED[name][0](x))
        made = keras.Model(given, L.Dense(3)(L.Concatenate()(ends)) if ends[1:] else ends[0])
        made.compile("sgd", "mse")
        return made

    trace = recorded(make, tmp_path / "keras", steps=1)
    assert trace.facts["not_compared"] == []
    for name in names:
        given = trace[f"forward/train/{name}/input/0"]
        assert given.min() < ONE_SIDED[name][1] < given.max(), name


def test_the_gates_of_a_recurrent_layer_get_numbers_beyond_theirs(tmp_path):
    layers = [lambda: L.GRU(3, recurrent_activation="hard_sigmoid", name="gru"), lambda: L.Dense(2)]
    trace = recorded(model(*layers, shape=(4, 5)), tmp_path / "keras", steps=1)
    assert trace.facts["not_compared"] == []
    gates = trace["input/probe/0"] @ trace["weights/gru.gru_cell/kernel"]
    assert gates.min() < -3 < 3 < gates.max()


def test_limits_that_no_weight_helps_to_pass_are_told(tmp_path):
    """What comes of a sigmoid is between 0 and 1, and nothing multiplies it."""
    cut = lambda: L.ReLU(max_value=6.0, name="cut")  # noqa: E731
    layers = [lambda: L.Dense(4, activation="sigmoid"), cut, lambda: L.Dense(2)]
    trace = recorded(model(*layers), tmp_path / "keras", steps=1)
    whats = [told["what"] for told in trace.facts["not_compared"]]
    assert whats == ["numbers below 0 in cut", "numbers above 6 in cut"]


@each_row("activation", ["relu", "softmax"])
def test_without_limits_the_first_draw_stays(activation, tmp_path):
    layers = [lambda: L.Dense(4, activation=activation, name="first"), lambda: L.Dense(2)]
    trace = recorded(model(*layers), tmp_path / "keras", steps=1)
    assert trace.facts["not_compared"] == []
    # Glorot's limit for 5 inputs and 4 units: the square root of 6 / 9.
    assert np.abs(trace["weights/first.kernel"]).max() < 0.8165
