"""Cells with a mistake in their formula are computed as torch computes them by hand."""

import numpy as np
import pytest
import torch

from parity.divergences import arithmetic
from parity.divergences.recurrent_formulas import other_formulas, other_inputs
from parity.divergences.recurrent_steps import Cell, walked

DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(2, 5, 3))
TANH, SIGMOID = arithmetic.ACTIVATIONS["tanh"], arithmetic.ACTIVATIONS["sigmoid"]


def cell(kind, gates, **config):
    sizes = ((3, 4 * gates), (4, 4 * gates), (4 * gates,))
    kernel, recurrent, bias = (DRAW.normal(size=size) for size in sizes)
    return Cell(kind, (kernel, recurrent, bias), TANH, SIGMOID, config)


def by_hand(made, step):
    """Walks with torch; `step` gets (x, h, c) in the gates of Keras, and returns (h, c)."""
    kernel, recurrent, bias = (torch.tensor(w) for w in made.weights)
    h = c = torch.zeros(2, 4, dtype=torch.float64)
    found = []
    for x in torch.tensor(X).unbind(1):
        h, c = step((x @ kernel + h @ recurrent + bias).chunk(4, -1), h, c)
        found.append(h)
    return torch.stack(found, 1).numpy()


LSTM = {
    "h = o * c, without": lambda z, h, c: plain(z, c),
    "c = f * c + (1 - f)": lambda z, h, c: coupled(z, c),
    "c = c + i * g": lambda z, h, c: kept(z, c),
}


def plain(z, c):
    i, f, g, o = z
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c, c


def coupled(z, c):
    _, f, g, o = z
    c = f.sigmoid() * c + (1 - f.sigmoid()) * g.tanh()
    return o.sigmoid() * c.tanh(), c


def kept(z, c):
    i, _, g, o = z
    c = c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


@pytest.mark.parametrize(("text", "step"), LSTM.items())
def test_an_lstm_with_a_mistake(text, step):
    made = cell("lstm", 4)
    values = {told: value for told, value in other_formulas(made, X) if text in told}
    (value,) = values.values()
    np.testing.assert_allclose(value, by_hand(made, step), rtol=1e-12)
    assert not np.allclose(value, walked(made, X)[0])


def test_a_gru_whose_update_gate_is_exchanged():
    made = cell("gru", 3, reset_after=False)
    kernel, recurrent, bias = made.weights
    h, found = np.zeros((2, 4)), []
    for x in X.swapaxes(0, 1):
        a, b = np.split(x @ kernel + bias, 3, -1), np.split(recurrent, 3, -1)
        z, r = SIGMOID(a[0] + h @ b[0]), SIGMOID(a[1] + h @ b[1])
        h = (1 - z) * h + z * np.tanh(a[2] + (r * h) @ b[2])
        found.append(h)
    text, value = next(iter(other_formulas(made, X)))
    assert "z in the place of 1 - z" in text
    np.testing.assert_allclose(value, np.stack(found, 1), rtol=1e-12)


def test_a_layer_that_gets_c_or_the_step_before_of_the_layer_below():
    first, second = cell("lstm", 4), Cell("simple_rnn", *_of_rnn())
    h, c = walked(first, X)
    late = np.concatenate([np.zeros((2, 1, 4)), h[:, :-1]], 1)
    found = {name: value for name, _, value in other_inputs(first, second, X)}
    np.testing.assert_array_equal(found["R2"], walked(second, c)[0])
    np.testing.assert_array_equal(found["R8"], walked(second, late)[0])


def _of_rnn():
    return (DRAW.normal(size=(4, 4)), DRAW.normal(size=(4, 4)), None), TANH, TANH, {}
