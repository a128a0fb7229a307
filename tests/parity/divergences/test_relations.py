"""How two arrays are related is said for all of their entries, or not at all."""

import numpy as np
import pytest

from parity.divergences.relations import (
    AFFINE,
    COUNTED,
    CUT,
    FACT,
    FUNCTION,
    PERMUTED,
    SHIFTED,
    relations,
)

DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(3, 6, 4))
BIASES = np.arange(1.0, 5.0)


def first(ours, theirs=X):
    return next(iter(relations(theirs, ours, 1e-9)), None)


@pytest.mark.parametrize(
    ("ours", "kind", "text"),
    [
        (X[..., ::-1], PERMUTED, "the port has the channels in reverse order"),
        (X[..., [2, 3, 0, 1]], PERMUTED, "the port has the channels with their halves exchanged"),
        (X[..., [0, 2, 1, 3]], PERMUTED, "channels as (2, 2) where Keras has them as (2, 2)"),
        (np.roll(X, 1, axis=1), PERMUTED, "the port has the steps rolled by 1"),
        (np.roll(X, -2, axis=1), PERMUTED, "the port has the steps rolled by -2"),
        (X[[1, 0, 2]], PERMUTED, "the port has the samples in the order 1, 0, 2"),
        (2.5 * X, AFFINE, "the port has Keras's values times 2.5"),
        (X + 3, AFFINE, "the port has Keras's values plus 3"),
        (2 * X - 1, AFFINE, "the port has Keras's values times 2 plus -1"),
        (X * (1 + BIASES / 7), AFFINE, "for each of the channels"),
        (X + BIASES, AFFINE, "plus 1 to 4 for each of the channels"),
    ],
)
def test_a_relation_of_all_entries_is_told(ours, kind, text):
    found = first(ours)
    assert found.kind == kind
    assert text in found.text


def test_a_shift_with_another_first_step_is_told():
    ours = np.concatenate([np.zeros((3, 1, 4)), X[:, :-1]], axis=1)
    assert first(ours).text == "the port has Keras's values 1 step later"
    assert first(ours).kind == SHIFTED


@pytest.mark.parametrize(
    ("theirs", "ours", "text"),
    [
        (X, X[:, 1:4], "the port has a part of Keras's values: 1 to 3 of 6 steps"),
        (X[:, :5, 2:], X, "Keras has a part of the port's values: 0 to 4 of 6 steps, 2 to 3 of 4"),
    ],
    ids=["cut in the port", "not cut in the port"],
)
def test_a_part_of_the_values_is_told_with_its_place(theirs, ours, text):
    found = first(ours, theirs)
    assert found.kind == CUT
    assert text in found.text


def test_arrays_of_other_shapes_without_a_common_part_are_not_related():
    assert first(X[:, 1:4] + 1e-3) is None
    assert first(X[:2]) is None  # other samples
    assert first(np.zeros((3, 2, 4)), np.zeros((3, 6, 4))) is None  # zeros are a part of much


def test_exchanged_axes_are_told():
    square = DRAW.normal(size=(3, 5, 5))
    assert first(np.swapaxes(square, 1, 2), square).text == "axes 1 and 2 are exchanged"


def test_sums_for_means_are_counts_along_an_axis():
    counts = np.array([3, 3, 2, 2, 5, 4.0])[:, None]
    assert first(X * counts).kind == COUNTED
    assert "a sum of 2 to 5 values for each of the steps" in first(X * counts).text
    assert "a mean of 2 to 5 values" in first(X / counts).text
    assert first(X * (counts + 0.5)).kind == AFFINE


def test_only_what_differs_is_related():
    ours = X.copy()
    ours[..., 2:] *= 3
    assert first(ours).text == ("channels 2 to 3 of 4 differ: the port has Keras's values times 3")


def test_a_power_is_told():
    assert first(np.abs(X) ** 0.5, np.abs(X)).text == (
        "the port has Keras's values to the power 0.5"
    )


@pytest.mark.parametrize(
    ("theirs", "ours", "told"),
    [
        (1 / (1 + np.exp(-X)), np.tanh(X), "sigmoid in Keras, tanh in the port"),
        (np.tanh(X), np.maximum(X, 0), "tanh in Keras, relu in the port"),
        (3 * np.cos(X), 3 * np.sin(X), "cosine in one half, sine in the other"),
    ],
)
def test_two_functions_of_the_same_unknown_values_are_told(theirs, ours, told):
    assert first(ours, theirs).kind == FUNCTION
    assert first(ours, theirs).text == f"{told}, of the same values"


def facts(ours, theirs=X):
    return [each.text for each in relations(theirs, ours, 1e-9) if each.kind == FACT]


def test_facts_say_where_values_differ():
    other = DRAW.normal(size=X.shape)
    zeros = np.where(DRAW.random(X.shape) < 0.5, 0, X)
    assert "the port has zeros where the two differ, Keras has not" in facts(zeros)
    border = X.copy()
    border[:, 0], border[:, -1] = other[:, 0], other[:, -1]
    one = X.copy()
    one[1] = other[1]
    assert "1 of 3 samples differ" in facts(one)
    shares = np.abs(X) / np.abs(X).sum(-1, keepdims=True)
    told = facts(np.abs(other), shares)
    assert "Keras's values sum to 1 over the channels, the port's do not" in told


def test_nothing_is_said_of_equal_and_of_unrelated_arrays():
    assert first(X) is None
    assert list(relations(X, DRAW.normal(size=X.shape), 1e-9)) == []
    assert list(relations(X, np.full_like(X, np.nan), 1e-9)) == []
