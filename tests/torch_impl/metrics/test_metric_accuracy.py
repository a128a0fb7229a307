"""Accuracies are Keras's, with ties, thresholds that are hit, and every shape of labels."""

import numpy as np
import pytest
import torch
from covering import one_test
from hypothesis import given, settings
from hypothesis import strategies as st
from keras_metrics import SCORES, SHARES, array, assert_is_keras, batches, both

from torch_impl import metrics

FEW = settings(max_examples=14)
BITS = st.sampled_from([0.0, 1.0])


@FEW
@given(batches(st.sampled_from([0.0, 1.0, 2.0]), st.sampled_from([0.0, 1.0, 2.0])))
def test_accuracy_compares_entries_as_keras(made):
    assert_is_keras("Accuracy", {}, made)


@FEW
@given(batches(SHARES, BITS), st.sampled_from([0.5, 0.3, 0.1, 0.0, 1.0]))
def test_binary_accuracy_is_keras(made, threshold):
    """0.3 and 0.1 are other numbers in float32, to which Keras rounds the threshold."""
    assert_is_keras("BinaryAccuracy", {"threshold": threshold}, made)


@one_test
@pytest.mark.parametrize(("threshold", "output"), [(0.3, 0.300000005), (0.1, 0.1 + 1e-9)])
def test_the_threshold_is_rounded_to_float32(threshold, output):
    """Both thresholds are rounded up, past the output, which then is class 0."""
    batch = np.array([output]), np.array([0.0])
    ours, theirs = both("BinaryAccuracy", {"threshold": threshold}, [batch])
    assert ours == theirs == 1


@FEW
@given(batches(SCORES, SCORES, weights=("none", "vector")))
def test_categorical_accuracy_is_keras_with_ties_and_signed_zeros(made):
    assert_is_keras("CategoricalAccuracy", {}, made)


@FEW
@given(batches(SCORES, "labels", weights=("none", "vector")))
def test_sparse_accuracy_is_keras_with_ties_and_signed_zeros(made):
    assert_is_keras("SparseCategoricalAccuracy", {}, made)
    columns = [(y_pred, y_true[:, None], weight) for y_pred, y_true, weight in made]
    assert_is_keras("SparseCategoricalAccuracy", {}, columns)


@one_test
@pytest.mark.parametrize(
    ("name", "output", "target", "weight"),
    [
        ("SparseCategoricalAccuracy", (2, 3, 4), (2, 3), (2, 3)),
        ("SparseCategoricalAccuracy", (2, 3, 4), (2, 3, 1), (2,)),
        ("SparseCategoricalAccuracy", (2, 1, 4), (2, 1), (2,)),
        ("SparseCategoricalAccuracy", (1, 4), (1, 1), (1, 1)),
        ("CategoricalAccuracy", (2, 3, 4), (2, 3, 4), (2, 3)),
        ("CategoricalAccuracy", (2, 4), (2, 1, 4), (2, 1)),
        ("Accuracy", (5,), (5, 1), (5,)),
        ("Accuracy", (5, 1), (5,), None),
        ("BinaryAccuracy", (5, 1), (5,), (5,)),
        ("BinaryAccuracy", (2, 3, 2), (2, 3, 2), (2, 3)),
    ],
    ids=str,
)
def test_shapes_meet_as_in_keras(name, output, target, weight):
    generator = np.random.default_rng(0)
    for _ in range(5):
        batch = (
            generator.integers(0, 3, output).astype(float),
            generator.integers(0, 2, target),
            None if weight is None else generator.uniform(size=weight),
        )
        assert_is_keras(name, {}, [batch])


@FEW
@given(batches(SCORES, "labels", columns=(4, 5), weights=("none", "vector")), st.integers(1, 3))
def test_the_label_among_the_k_best_is_keras_with_ties(made, k):
    """Keras takes outputs in float32 alone."""
    made = [(y_pred.astype(np.float32), y_true, weight) for y_pred, y_true, weight in made]
    assert_is_keras("SparseTopKCategoricalAccuracy", {"k": k}, made, "float32", 1e-6)
    one_hot = [
        (y_pred, np.eye(y_pred.shape[1], dtype=np.float32)[y_true], weight)
        for y_pred, y_true, weight in made
    ]
    assert_is_keras("TopKCategoricalAccuracy", {"k": k}, one_hot, "float32", 1e-6)


@FEW
@given(st.data(), st.integers(1, 3))
def test_sorted_labels_are_looked_at_up_to_the_kth(data, k):
    y_pred = data.draw(array((4, 3), st.integers(0, 5), "int64"))
    y_true = data.draw(array(4, st.integers(0, 5), "int64"))
    options = {"k": k, "from_sorted_ids": True}
    assert_is_keras("SparseTopKCategoricalAccuracy", options, [(y_pred, y_true)], "float32", 1e-6)


@one_test
@pytest.mark.parametrize("name", ["SparseCategoricalAccuracy", "SparseTopKCategoricalAccuracy"])
def test_a_label_that_is_no_class_is_never_right(name):
    batch = (np.array([[0.0, 3.0, 1.0]] * 3, dtype=np.float32), np.array([3, -1, 1]), None)
    ours, theirs = both(name, {}, [batch], "float32")
    assert ours == theirs == np.float32(1 / 3)


@one_test
@pytest.mark.parametrize(
    ("name", "output", "target", "message"),
    [
        ("SparseCategoricalAccuracy", (5, 3), (5, 3), "expected one label for each row of classes"),
        ("CategoricalAccuracy", (5, 3, 2), (5, 2), "expected one label for each row of classes"),
        ("TopKCategoricalAccuracy", (5, 3), (4, 3), "expected one label for each row of classes"),
        ("Accuracy", (5, 3), (5,), "expected the same shape"),
        ("BinaryAccuracy", (5, 3), (5, 2), "expected the same shape"),
    ],
)
def test_shapes_that_do_not_fit_are_an_error_that_names_both(name, output, target, message):
    with pytest.raises(ValueError, match=rf"shape .*y_pred \(5, 3.*\): {message}"):
        getattr(metrics, name)().update(torch.zeros(output), torch.zeros(target))
