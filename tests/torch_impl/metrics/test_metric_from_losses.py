"""Losses as metrics are Keras's: the values of samples, averaged with weights over batches."""

import keras
import numpy as np
import pytest
import torch
from covering import one_test
from hypothesis import given, settings
from hypothesis import strategies as st
from keras_metrics import SHARES, assert_is_keras, assert_same, batches

from torch_impl import losses, metrics

pytestmark = pytest.mark.usefixtures("direct")

NUMBERS = st.sampled_from([-3.0, -0.5, 0.0, 1e-9, 0.4, 1.0, 20.0])
SIGNS = st.sampled_from([-1.0, 1.0])
PROBABILITIES = SHARES | st.sampled_from([1e-9, 1 - 1e-9])

# Name, settings, outputs, targets.
CASES = [
    ("MeanSquaredError", {}, NUMBERS, NUMBERS),
    ("MeanAbsoluteError", {}, NUMBERS, NUMBERS),
    ("MeanAbsolutePercentageError", {}, NUMBERS, NUMBERS),
    ("MeanSquaredLogarithmicError", {}, NUMBERS, NUMBERS),
    ("LogCoshError", {}, NUMBERS, NUMBERS),
    ("CosineSimilarity", {}, NUMBERS, NUMBERS),
    ("Hinge", {}, NUMBERS, SIGNS),
    ("SquaredHinge", {}, NUMBERS, SIGNS),
    ("CategoricalHinge", {}, NUMBERS, "one_hot"),
    ("KLDivergence", {}, PROBABILITIES, PROBABILITIES),
    ("Poisson", {}, PROBABILITIES, NUMBERS),
    ("BinaryCrossentropy", {}, PROBABILITIES, SHARES),
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, NUMBERS, SHARES),
    ("CategoricalCrossentropy", {"label_smoothing": 0.2}, PROBABILITIES, "one_hot"),
    ("CategoricalCrossentropy", {"from_logits": True}, NUMBERS, "one_hot"),
    ("SparseCategoricalCrossentropy", {}, PROBABILITIES, "labels"),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, NUMBERS, "labels"),
    ("SparseCategoricalCrossentropy", {"ignore_class": 1}, PROBABILITIES, "labels"),
]


@one_test
@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{case[1]}")
def test_a_loss_as_a_metric_is_keras(case):
    name, options, outputs, targets = case

    @settings(max_examples=7)
    @given(batches(outputs, targets, weights=("none", "vector", "column")))
    def same(made):
        assert_is_keras(name, options, made)

    same()


@one_test
@pytest.mark.parametrize("case", CASES[::3], ids=lambda case: f"{case[0]}-{case[1]}")
def test_a_loss_as_a_metric_is_keras_in_float32(case):
    """Tolerance: ten roundings, of the larger of 1 and the number."""
    name, options, outputs, targets = case

    @settings(max_examples=3)
    @given(batches(outputs, targets))
    def same(made):
        made = [
            (y_pred.astype(np.float32), y_true.astype(np.float32), weight)
            for y_pred, y_true, weight in made
        ]
        assert_is_keras(name, options, made, "float32", 6e-7)

    same()


@one_test
@pytest.mark.parametrize("axis", [0, 1])
def test_a_cosine_has_an_axis(axis):
    y_pred, y_true = np.random.default_rng(0).normal(size=(2, 5, 3))
    assert_is_keras("CosineSimilarity", {"axis": axis}, [(y_pred, y_true)])


@one_test
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", ["Hinge", "SquaredHinge", "Poisson", "KLDivergence"])
def test_these_metrics_make_pairs_of_a_column_and_a_vector_as_in_keras(name, weighted):
    y_pred = np.array([[0.5], [0.2], [0.9]])
    weight = np.array([1.0, 0.0, 2.0]) if weighted else None
    assert_is_keras(name, {}, [(y_pred, np.array([1.0, -1.0, 1.0]), weight)])


def test_probabilities_that_carry_their_logits_are_not_clipped():
    logits, y = torch.tensor([[40.0, -40.0]], dtype=torch.float64), torch.tensor([1])
    metric = metrics.SparseCategoricalCrossentropy(dtype="float64")
    assert metric(losses.softmax(logits), y).item() == 80
    theirs = keras.metrics.SparseCategoricalCrossentropy(dtype="float64")
    assert_same(
        metric.result().numpy(), np.asarray(theirs(y, keras.activations.softmax(logits.numpy())))
    )


@one_test
@pytest.mark.parametrize("kind", [metrics.Hinge, metrics.MeanSquaredError])
def test_swapped_arguments_are_an_error(kind):
    with pytest.raises(ValueError, match=r"y_pred is torch.int64: expected floating point"):
        kind().update(torch.ones(2, 3, dtype=torch.int64), torch.zeros(2, 3))
