"""Cells with a mistake in their formula are computed as torch computes them by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.recurrent_cases import hand_nets
from parity.divergences import arithmetic
from parity.divergences.recurrent_formulas import (
    other_activations,
    other_formulas,
    other_inputs,
)
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


# Cells of torch with a mistake -> what is said of them.
WRONG = {
    "gru": {
        "z exchanged": "computes h = (1 - z) * h + z * g, with z",
        "no 1 - z": "computes h = z * h + g, without 1 - z",
        "no reset": "does not reset the state",
        "input reset": "resets what the input gives",
        "reset before": "resets before the product",
        "late": "returns the states before each step",
        "sigmoid": "activation sigmoid, inner activation sigmoid",
    },
    "lstm": {
        "plain c": "computes h = o * c, without",
        "plain g": "without the activation of g",
        "coupled": "computes c = f * c + (1 - f) * g",
        "no forget": "computes c = c + i * g",
        "forget + 1": "adds 1 to the forget gate",
        "o inside": "computes h = tanh(o * c)",
        "c before": "computes h of the c before the step",
        "gates of input": "computes the gates of the input alone",
    },
    "simple_rnn": {
        "relu": "activation relu",
        "partly": "activates what the input gives",
        "residual": "adds the state before to the new one",
        "no state": "begins each step with zeros",
        "late": "returns the states before each step",
    },
}
MADE = {"gru": hand_nets.HandGRU, "lstm": hand_nets.HandLSTM, "simple_rnn": hand_nets.HandRNN}


def of_hand(kind, fault, style="keras"):
    """A cell of torch, its output, and Keras's cell with the same weights."""
    torch.manual_seed(1)
    module = MADE[kind](3, 4, style, fault=fault).double()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter)
    given = {name: value.detach().numpy() for name, value in module.cell.named_parameters()}
    bias = np.stack([given["b"], given["b2"]]) if kind == "gru" else given["b"]
    config = {"activation": "tanh", "recurrent_activation": "sigmoid", "reset_after": True}
    made = Cell(kind, (given["w"], given["u"], bias), TANH, SIGMOID, config)
    return module(torch.tensor(X))[0].detach().numpy(), made


def said(made, output):
    """What is said of a cell that makes an output."""
    tried = [*other_formulas(made, X), *other_activations(made, X)]
    return [text for text, value in tried if np.allclose(value, output, rtol=1e-10, atol=1e-12)]


@pytest.mark.parametrize(
    ("kind", "fault", "text"),
    [(kind, fault, text) for kind, faults in WRONG.items() for fault, text in faults.items()],
)
def test_a_cell_by_hand_with_a_mistake_is_told(kind, fault, text):
    output, made = of_hand(kind, fault)
    (told,) = said(made, output)
    assert text in told


@pytest.mark.parametrize("kind", MADE)
def test_nothing_is_told_of_a_right_cell_by_hand(kind):
    output, made = of_hand(kind, "")
    np.testing.assert_allclose(output, walked(made, X)[0], rtol=1e-12, atol=1e-14)
    assert said(made, output) == []


def test_a_kernel_that_is_transposed_and_biases_that_are_missing_are_told():
    _, made = of_hand("gru", "")
    kernel, recurrent, bias = made.weights
    turned = np.concatenate([part.T for part in np.split(recurrent, 3, -1)], -1)
    for weights, text in (
        ((kernel, turned, bias), "takes the recurrent kernel of each gate transposed"),
        ((kernel, recurrent, 0 * bias), "leaves out the bias"),
        ((kernel, recurrent, 2 * bias), "adds the bias twice"),
        ((kernel, recurrent, bias * [[0.0], [1.0]]), "leaves out the first bias"),
    ):
        output = walked(replace(made, weights=weights), X)[0]
        assert said(made, output) == [f"the port {text}"]


def test_a_layer_that_gets_c_or_the_step_before_of_the_layer_below():
    first, second = cell("lstm", 4), Cell("simple_rnn", *_of_rnn())
    h, c = walked(first, X)
    late = np.concatenate([np.zeros((2, 1, 4)), h[:, :-1]], 1)
    found = {name: value for name, _, value in other_inputs(first, second, X)}
    np.testing.assert_array_equal(found["R2"], walked(second, c)[0])
    np.testing.assert_array_equal(found["R8"], walked(second, late)[0])


def _of_rnn():
    return (DRAW.normal(size=(4, 4)), DRAW.normal(size=(4, 4)), None), TANH, TANH, {}
