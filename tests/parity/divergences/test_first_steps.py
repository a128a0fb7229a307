"""A recurrent layer that is wrong is told with its first wrong step and Keras's equations."""

import keras
import numpy as np
import one_layer
import pytest

from parity.divergences import recognised
from parity.divergences.arithmetic import ACTIVATIONS
from parity.divergences.first_steps import equations
from parity.divergences.recurrent_steps import cell_of, walked

DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(2, 5, 3))
NAMES = ("kernel", "recurrent_kernel", "bias")
L = keras.layers
CELLS = [
    L.LSTM(4),
    L.LSTM(4, activation="relu", recurrent_activation="hard_sigmoid", use_bias=False),
    L.GRU(4),
    L.GRU(4, use_bias=False),
    L.GRU(4, reset_after=False, activation="softsign"),
    L.SimpleRNN(4, activation="relu"),
    L.Bidirectional(L.SimpleRNN(4)),
]
KINDS = {"LSTM": "lstm", "GRU": "gru", "SimpleRNN": "simple_rnn", "Bidirectional": "bidirectional"}


def known(value):
    return np.asarray(value, np.float64)


@pytest.mark.parametrize("layer", CELLS)
def test_the_equations_are_what_keras_computes(layer):
    """They are run as they are printed, step by step."""
    layer.build((2, 5, 3))
    config = keras.saving.serialize_keras_object(layer)["config"]
    lines = equations({"kind": KINDS[type(layer).__name__], "config": config})
    one = getattr(layer, "forward_layer", layer)
    given = {w.name: DRAW.normal(size=w.shape) for w in one.weights}
    one.set_weights([given[w.name] for w in one.weights])
    split = lambda value, number: np.split(value, number, axis=-1)  # noqa: E731
    zeros = {"h": np.zeros((2, 4)), "c": np.zeros((2, 4))}
    scope = {**ACTIVATIONS, **given, **zeros, "split": split}
    for step in X.swapaxes(0, 1):
        scope["x"] = step
        exec("\n".join(lines), scope)  # noqa: S102
    assert len(lines) <= 6
    np.testing.assert_allclose(scope["h"], known(one(X.astype("float32"))), rtol=0, atol=1e-5)


def test_of_images_both_products_are_convolutions():
    lines = equations({"kind": "conv_lstm", "config": {"activation": "tanh", "use_bias": True}})
    assert lines[0] == "i, f, g, o = split(conv(x, kernel) + conv(h, recurrent_kernel) + bias, 4)"


def weights_of(kind):
    gates = {"lstm": 4, "gru": 3, "simple_rnn": 1}[kind]
    bias = (2, 4 * gates) if kind == "gru" else (4 * gates,)
    sizes = ((3, 4 * gates), (4, 4 * gates), bias)
    return {f"cell/{name}": DRAW.normal(size=size) for name, size in zip(NAMES, sizes, strict=True)}


def evidence(kind, change, order=None, **config):
    """Evidence of a layer whose states are changed by (states, number of its steps) in place."""
    config = {"activation": "tanh", "recurrent_activation": "sigmoid", **config}
    given = weights_of(kind)
    names = [f"here.{name}" for name in given]
    trace = one_layer.Arrays({}, {f"weights/here.{name}": v for name, v in given.items()})
    cell = cell_of(trace, names, config, kind)
    x = X[:, ::-1] if config.get("go_backwards") else X
    states = walked(cell, x)[0]
    own = walked(cell.with_gates(order) if order else cell, x)[0]
    change(own)
    is_whole = config.get("return_sequences")
    made = [values if is_whole else values[:, -1] for values in (states, own)]
    found = one_layer.at_layer(kind, config, X, *made, given)
    found.port["forward/eval/here/steps"] = own
    found.call["kind"] = "module"  # by hand
    return found


def noise(like):
    return DRAW.normal(size=like.shape)


def later(step):
    def change(states):
        states[:, step:] += noise(states[:, step:])

    return change


def r8(found):
    (match,) = [match for entry, match in recognised(found) if entry.id == "R8"]
    return match


@pytest.mark.parametrize("kind", ["lstm", "gru", "simple_rnn"])
@pytest.mark.parametrize("config", [{}, {"return_sequences": True}, {"go_backwards": True}])
@pytest.mark.parametrize("step", [0, 1, 4])
def test_the_first_step_that_differs_is_told(kind, config, step):
    match = r8(evidence(kind, later(step), **config))
    assert match.detail.startswith(f"the cell here differs first at step {step + 1}; or its")
    node = {"kind": kind, "config": {"activation": "tanh", "recurrent_activation": "sigmoid"}}
    assert match.fix.splitlines() == ["# Keras's cell of here", *equations(node)]


def test_gates_in_another_order_are_no_wrong_step():
    """A wrong cell does not say where Keras's gates were put."""
    match = r8(evidence("gru", later(2), (1, 0, 2)))
    assert "first at step 3, with gates 1, 0, 2 of Keras in their place" in match.detail


def test_more_steps_than_were_tried_are_told():
    found = evidence("gru", later(4))
    found.port["forward/eval/here/steps"] = found.port["forward/eval/here/steps"][:, :3]
    assert "differs after step 3;" in r8(found).detail


def test_a_masked_layer_is_compared_with_keras_itself():
    """Its states are not those of a walk over all steps."""
    found = evidence("gru", later(2), return_sequences=True)
    found.keras["counted/eval/here/given/0"] = np.array([[True] * 4 + [False]] * 2)
    assert "first at step 3" in r8(found).detail
    found = evidence("gru", later(2))
    found.keras["counted/eval/here/given/0"] = np.array([[True] * 4 + [False]] * 2)
    assert "differs in its last step" in r8(found).detail


@pytest.mark.parametrize(
    ("merge", "text"),
    [
        ("concat", "first at step 2 of the forward direction and first at step 3 of the backward"),
        ("sum", "in one direction"),
    ],
)
def test_both_directions_are_told(merge, text):
    theirs = DRAW.normal(size=(2, 5, 8))
    ours = theirs.copy()
    ours[:, 1:, :4] += noise(ours[:, 1:, :4])
    ours[:, :3, 4:] += noise(ours[:, :3, 4:])
    layer = {"class_name": "LSTM", "config": {"return_sequences": True}}
    config = {"merge_mode": merge, "layer": layer}
    assert text in r8(one_layer.at_layer("bidirectional", config, X, theirs, ours)).detail


def behind(number=3, **arrays):
    """Evidence of an input of a dense layer, which comes from a GRU without a module."""
    states = DRAW.normal(size=(2, 5, 4))
    ours = states.copy()
    ours[:, number:] += noise(ours[:, number:])
    found = one_layer.behind("gru", {"return_sequences": True}, X, states, states, ours)
    found.port.update(arrays)
    return found


def test_a_loop_without_a_module_is_seen_by_what_comes_of_it():
    assert "the cell here differs first at step 4" in r8(behind()).detail
    last = one_layer.behind("gru", {}, X, X[:, -1], X[:, -1], noise(X[:, -1]))
    assert "a module that gets all steps in one call" in r8(last).detail


def test_a_right_layer_is_not_called_wrong_for_what_comes_later():
    found = behind(**{"forward/eval/here/own": X})
    assert "R8" not in one_layer.names(found)
    assert "R8" not in one_layer.names(one_layer.behind("dense", {}, X, X, X, X + 1))
