"""A recurrent layer that is wrong is told with its first wrong step and Keras's equations."""

import keras
import numpy as np
import one_layer
import pytest

from parity.divergences import recognised
from parity.divergences.arithmetic import ACTIVATIONS
from parity.divergences.recurrent import equations
from parity.divergences.recurrent_steps import cell_of, walked

DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(2, 5, 3))
MASK = np.array([[True] * 4 + [False], [True, False] * 2 + [True]])
CELLS = {
    "lstm": ("LSTM", {}),
    "lstm without a bias": ("LSTM", {"recurrent_activation": "hard_sigmoid", "use_bias": False}),
    "gru": ("GRU", {}),
    "gru without a bias": ("GRU", {"use_bias": False}),
    "gru that resets before": ("GRU", {"reset_after": False, "activation": "softsign"}),
    "simple_rnn": ("SimpleRNN", {"activation": "relu"}),
}


def cell(name):
    """A cell, its weights, and Keras's layer, which returns all steps."""
    kind, (layer, settings) = name.split()[0], CELLS[name]
    made = getattr(keras.layers, layer)(4, dtype="float64", return_sequences=True, **settings)
    made.build(X.shape)
    given = {weight.name: DRAW.normal(size=weight.shape) for weight in made.weights}
    made.set_weights(list(given.values()))
    trace = one_layer.Arrays({}, {f"weights/{key}": value for key, value in given.items()})
    config = keras.saving.serialize_keras_object(made)["config"]
    return cell_of(trace, given, config, kind), given, made


@pytest.mark.parametrize("name", CELLS)
def test_the_equations_and_the_walk_are_what_keras_computes(name):
    made, given, layer = cell(name)
    expected = np.asarray(layer(X))
    np.testing.assert_allclose(walked(made, X)[0], expected, rtol=0, atol=1e-6)
    masked = walked(made, X, mask=MASK)[0]
    np.testing.assert_allclose(masked, np.asarray(layer(X, mask=MASK)), rtol=0, atol=1e-6)
    lines = equations({"kind": made.kind, "config": made.config})
    assert len(lines) <= 6
    split = {"split": lambda value, number: np.split(value, number, axis=-1)}
    scope = {**ACTIVATIONS, **given, **split, "h": np.zeros((2, 4)), "c": np.zeros((2, 4))}
    for step, x in enumerate(X.swapaxes(0, 1)):
        scope["x"] = x
        exec("\n".join(lines), scope)  # noqa: S102 - it is what is printed
        np.testing.assert_allclose(scope["h"], expected[:, step], rtol=0, atol=1e-6)


def wrong_from(step, name="gru", order=None, **config):
    """Evidence of a cell by hand whose states are others from a step on."""
    made, given, _ = cell(name)
    x = X[:, ::-1] if config.get("go_backwards") else X
    theirs, ours = (
        walked(each, x)[0] for each in (made, made.with_gates(order) if order else made)
    )
    ours[:, step:] += DRAW.normal(size=ours[:, step:].shape)
    config = {**made.config, "return_sequences": False, **config}
    shown = [a if config["return_sequences"] else a[:, -1] for a in (theirs, ours)]
    found = one_layer.at_layer(made.kind, config, X, *shown, given)
    found.port["forward/eval/here/steps"] = ours
    found.call["kind"] = "module"
    return found


def told(found):
    """(what is said of a cell that is wrong, the lines beside it)."""
    matches = {entry.id: match for entry, match in recognised(found)}
    return matches["R8"].detail, matches["R8"].fix.splitlines()


@pytest.mark.parametrize("name", ["lstm", "gru", "gru that resets before", "simple_rnn"])
@pytest.mark.parametrize("config", [{}, {"return_sequences": True}, {"go_backwards": True}])
@pytest.mark.parametrize("step", [0, 1, 4])
def test_the_first_step_that_differs_is_told(name, config, step):
    found = wrong_from(step, name, **config)
    detail, lines = told(found)
    assert detail.startswith(f"the cell here differs first at step {step + 1}; or its")
    assert lines == ["# Keras's cell of here", *equations(found.node)]


def test_gates_in_another_order_are_no_wrong_step():
    """A wrong cell does not say where Keras's gates were put."""
    text = "first at step 3, with gates 1, 0, 2 of Keras in their place"
    assert text in told(wrong_from(2, order=(1, 0, 2)))[0]


@pytest.mark.parametrize(
    ("known", "config", "text"),
    [
        ({"forward/eval/here/steps": X[:, :0]}, {}, "differs after step 0"),
        ({"counted/eval/here/given/0": MASK}, {"return_sequences": True}, "first at step 5"),
        ({"counted/eval/here/given/0": MASK}, {}, "differs in its last step"),
    ],
)
def test_a_step_is_not_guessed(known, config, text):
    """The states of the tried steps agree; those of a masked layer are no walk over all steps."""
    found = wrong_from(4, **config)
    (found.port if "steps" in str(known) else found.keras).update(known)
    assert text in told(found)[0]
