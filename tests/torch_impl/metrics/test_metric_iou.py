"""Intersections over unions are Keras's, with classes that are ignored, absent or no class."""

import numpy as np
import pytest
import torch
from covering import one_test
from hypothesis import given, settings
from hypothesis import strategies as st
from keras_metrics import SCORES, SHARES, WEIGHTS, array, assert_is_keras, both

from torch_impl import metrics

LABELS = st.integers(-1, 4)
IGNORED = st.sampled_from([None, 1, -1])
FEW = settings(max_examples=10)
TOLERANCE = 3e-7  # the result is float32


@FEW
@given(st.data(), IGNORED, st.sampled_from([[0], [0, 2], [2, 0, 1]]))
def test_classes_are_keras(data, ignore_class, target_class_ids):
    options = {"num_classes": 3, "target_class_ids": target_class_ids, "ignore_class": ignore_class}
    made = [
        (
            data.draw(array((2, 3), LABELS, "int64")),
            data.draw(array((2, 3), LABELS, "int64")),
            data.draw(st.none() | array((2, 3), st.integers(0, 3), "int64")),
        )
        for _ in range(2)
    ]
    assert_is_keras("IoU", {**options, "dtype": None}, made, tolerance=TOLERANCE)


@FEW
@given(st.data())
def test_weights_that_are_fractions_are_keras_in_a_floating_dtype(data):
    made = [
        (
            data.draw(array(5, LABELS, "int64")),
            data.draw(array(5, LABELS, "int64")),
            data.draw(array(5, WEIGHTS)),
        )
    ]
    assert_is_keras("MeanIoU", {"num_classes": 4, "dtype": "float32"}, made, tolerance=TOLERANCE)


@FEW
@given(st.data(), st.booleans(), IGNORED)
def test_one_hot_targets_are_keras(data, sparse_y_pred, ignore_class):
    y_true = data.draw(array((2, 3, 3), SCORES))
    y_pred = data.draw(
        array((2, 3), st.integers(0, 2), "int64") if sparse_y_pred else array((2, 3, 3), SCORES)
    )
    options = {"num_classes": 3, "sparse_y_pred": sparse_y_pred, "ignore_class": ignore_class}
    options = {**options, "dtype": None}
    assert_is_keras("OneHotMeanIoU", options, [(y_pred, y_true)], tolerance=TOLERANCE)
    options["target_class_ids"] = [0, 2]
    assert_is_keras("OneHotIoU", options, [(y_pred, y_true)], tolerance=TOLERANCE)


@one_test
@pytest.mark.parametrize("sparse_y_pred", [False, True])
def test_classes_may_be_on_axis_1(sparse_y_pred):
    """Keras 3.15 fails to take the mean then."""
    y_pred, y_true = torch.rand(2, 5, 4, 3, generator=torch.Generator().manual_seed(0))
    outputs = moved = y_pred.argmax(-1)
    if not sparse_y_pred:
        outputs, moved = y_pred, y_pred.movedim(-1, 1)
    last = metrics.OneHotMeanIoU(3, sparse_y_pred=sparse_y_pred)
    first = metrics.OneHotMeanIoU(3, sparse_y_pred=sparse_y_pred, axis=1)
    assert last(outputs, y_true) == first(moved, y_true.movedim(-1, 1)) > 0


@FEW
@given(st.data(), st.sampled_from([0.5, 0.3, 0.0]), st.sampled_from([(0, 1), [1]]))
def test_two_classes_are_keras_with_outputs_on_the_threshold(data, threshold, target_class_ids):
    """0.3 is compared in float32, in which both are the same number."""
    y_pred, y_true = (
        data.draw(array((2, 3), SHARES)),
        data.draw(array(6, st.integers(0, 1), "int64")),
    )
    options = {"threshold": threshold, "target_class_ids": target_class_ids, "dtype": None}
    assert_is_keras("BinaryIoU", options, [(y_pred, y_true)], tolerance=TOLERANCE)


def test_weights_are_cut_to_whole_numbers_with_a_warning():
    y_pred, y_true, weight = np.array([0, 1, 1]), np.array([0, 1, 0]), np.array([1.9, 0.9, 1.0])
    options = {"num_classes": 2, "target_class_ids": [0], "dtype": None}
    with pytest.warns(UserWarning, match="weight"):
        ours, theirs = both("IoU", options, [(y_pred, y_true, weight)])
    assert ours == theirs
    with pytest.warns(
        UserWarning, match=r"sample weights are torch.float64, and are cut to torch.i"
    ):
        metrics.IoU(2, [0]).update(*map(torch.tensor, (y_pred, y_true, weight)))


def test_other_classes_of_the_mean_and_other_shapes_are_errors():
    for target_class_ids in ([0, 3], [-1]):
        with pytest.raises(ValueError, match=r"target_class_ids has \[.*\]: expected 0 to 2"):
            metrics.IoU(3, target_class_ids)
    message = r"y_true has shape \(4,\), y_pred \(3,\): expected the sam"
    with pytest.raises(ValueError, match=message):
        metrics.MeanIoU(2).update(torch.zeros(3), torch.zeros(2, 2))
