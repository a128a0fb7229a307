"""Formulas are found from their values alone, and nothing is found for other values."""

import numpy as np
import pytest
from scipy import special

from parity.divergences.formulas import Search
from parity.divergences.relations import Unit

DRAW = np.random.default_rng(0)
A, B, C = (DRAW.normal(size=(4, 5, 6)) for _ in range(3))
TENSORS = {"a": A, "b": B, "c": C}


def found(values, tensors=TENSORS):
    return [str(each) for each in Search(tensors, 1e-9).formulas(values)]


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (np.maximum(A, 0), "relu(a)"),
        (np.maximum(A + B, 0), "relu(a + b)"),
        (np.maximum(A, 0) + B, "relu(a) + b"),
        (A * special.expit(B), "a * sigmoid(b)"),
        (A - B, "a - b"),
        (A / np.exp(B), "a / exp(b)"),
        (A + np.exp(B / 2) * C, "c * exp of half(b) + a"),
        (np.tanh((A * B + C) / 10), None),
        (np.where(A * B + C > 0, A * B + C, 0.2 * (A * B + C)), "leaky_relu(a * b + c)"),
        ((A + B) / 2, "half(a + b)"),
    ],
)
def test_a_formula_is_found_by_its_values(values, text):
    if text is None:
        assert found(values) == []
    else:
        assert text in found(values) or _turned(text) in found(values)


def _turned(text):
    """The same with the operands of the pair in the other order."""
    first, sign, second = text.partition(" + ")
    return f"{second}{sign}{first}"


@pytest.mark.parametrize("axes", [(1,), (2,), (1, 2), (0, 1)])
def test_an_operation_is_found_with_its_axes(axes):
    unit = Unit("b", "normalisation (epsilon 1e-05)", axes)
    formulas = Search(TENSORS, 1e-9).formulas(A * unit.value(B) + C)
    assert {unit} == {each for f in formulas for each in f.units if each.axes}


def test_values_of_no_formula_have_none():
    assert found(DRAW.normal(size=A.shape)) == []
    assert found(A * B * C) == []
    assert found(np.zeros_like(A)) == []
