"""What both halves make of the same tensors is told by the difference of two formulas."""

import numpy as np
import one_layer
import pytest
from scipy import special

from parity.divergences.relations import Unit

DRAW = np.random.default_rng(0)
A, B, C = (DRAW.normal(size=(4, 5, 6)) for _ in range(3))


def of_three(theirs, ours):
    """Evidence of the input of a layer that is made of a, b and c in the code of a model."""
    parts = {"a": A, "b": B, "c": C}
    nodes = [one_layer.node(name, "dense", [-1]) for name in parts]
    nodes.append(one_layer.node("next", "dense", [None]))
    calls = [one_layer.call(f"own {each['name']}", "dense", [-1]) for each in nodes]
    keras, port = one_layer.facts(nodes, calls)
    arrays = {f"forward/eval/{name}/output": value for name, value in parts.items()}
    arrays |= {f"forward/eval/{name}/input/0": A[..., :1] for name in parts}
    arrays["forward/eval/next/input/0"] = theirs
    own = {"forward/eval/next/input/0": ours}
    return one_layer.evidence((keras, arrays), (port, own), "input of next (eval)", theirs, ours)


def relu(x):
    return np.maximum(x, 0)


def normalised(x, axes):
    return Unit("x", "normalisation (epsilon 1e-05)", axes).value(x)


@pytest.mark.parametrize(
    ("theirs", "ours", "name"),
    [
        (relu(A + B), relu(A) + B, "A37"),
        (A * normalised(B, (0, 1)) + C, A * normalised(B, (1,)) + C, "A38"),
        (A + normalised(B, (2,)), A + normalised(B, (1,)), "A38"),
        (A * special.softmax(B, 2), A * special.softmax(B, 1), "A21"),
        (A * special.expit(B), B * special.expit(A), "A22"),
        (A - B, B - A, "A16"),  # that is the function "minus"
        (A + C * np.exp(B / 2), A + C * np.exp(B), "A39"),
        (A + B, A - B, "A39"),
        (A * B, A * B + C, "A39"),
        (A + relu(B), A + np.tanh(B), "A16"),
        (A, B, "A22"),
        (C * special.expit(B / 7), np.cumsum(B, 0) / 9, "N1"),
        (A + B * (B > 0) + 0.2 * B * (B < 0), A + B * (B > 0) + 0.01 * B * (B < 0), "A13"),
    ],
)
def test_the_difference_of_two_formulas_has_its_name(theirs, ours, name):
    assert list(one_layer.names(of_three(theirs, ours))) == [name]


UNKNOWN = DRAW.normal(size=A.shape)


@pytest.mark.parametrize(
    ("theirs", "ours", "text"),
    [
        (A + B, A - B, " in Keras, a - b in the port"),
        (UNKNOWN, UNKNOWN + np.tanh(A), "the port adds tanh(a)"),
        (UNKNOWN, UNKNOWN - B, "the port lacks b"),
        (A + UNKNOWN, A + UNKNOWN * np.exp(B), "the port has exp(b) times what Keras adds to a"),
    ],
    ids=["both", "added", "lacking", "times"],
)
def test_what_the_port_computes_otherwise_is_told(theirs, ours, text):
    assert one_layer.names(of_three(theirs, ours))["A39"].endswith(text)
