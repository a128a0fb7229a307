"""Counts, precision and recall are Keras's, over several batches."""

import pytest
import torch
from covering import one_test
from hypothesis import given, settings
from hypothesis import strategies as st
from keras_metrics import SHARES, assert_is_keras, batches

from torch_impl import metrics

BITS = st.sampled_from([0.0, 1.0])
THRESHOLDS = st.sampled_from([None, 0.25, [0.0, 0.5, 1.0], [0.6, 0.1]])
COUNTS = ["TruePositives", "FalsePositives", "TrueNegatives", "FalseNegatives"]


@one_test
@pytest.mark.parametrize("name", COUNTS)
def test_a_count_is_keras(name):
    @settings(max_examples=6)
    @given(batches(SHARES, BITS), THRESHOLDS)
    def same(made, thresholds):
        assert_is_keras(name, {"thresholds": thresholds}, made)

    same()


OPTIONS = st.sampled_from(
    [
        {},
        {"thresholds": 0.3},
        {"thresholds": [0.0, 0.25, 0.5, 0.75, 1.0]},
        {"thresholds": [0.5, 0.3], "class_id": 1},
        {"top_k": 1},
        {"top_k": 2, "class_id": 0},
        {"top_k": 2, "thresholds": [0.3]},
    ]
)


@one_test
@pytest.mark.parametrize("name", ["Precision", "Recall"])
def test_precision_and_recall_are_keras(name):
    @settings(max_examples=14)
    @given(batches(SHARES, BITS, weights=("none", "vector")), OPTIONS)
    def same(made, options):
        assert_is_keras(name, options, made)

    same()


def test_precision_and_recall_by_hand():
    """Positive are 0.9, 0.6 and 0.8, of weights 1, 2 and 4; true are the first and the last."""
    y_pred, y_true = torch.tensor([0.9, 0.6, 0.8, 0.2]), torch.tensor([1, 0, 1, 1])
    weight = torch.tensor([1.0, 2.0, 4.0, 8.0])
    assert metrics.Precision()(y_pred, y_true, weight) == torch.tensor(5 / 7)
    assert metrics.Recall()(y_pred, y_true, weight) == torch.tensor(5 / 13)
    assert metrics.FalsePositives()(y_pred, y_true, weight) == 2
    assert metrics.FalseNegatives()(y_pred, y_true, weight) == 8


def test_a_share_of_nothing_is_zero():
    for metric in (metrics.Precision(), metrics.Recall(thresholds=[0.1, 0.9])):
        metric.update(torch.zeros(3), torch.zeros(3))
        assert not metric.result().any()


def test_the_best_outputs_are_positive_however_small():
    """With a threshold of 0.5 none would be."""
    y_pred, y_true = torch.tensor([[0.1, 0.3, 0.2]]), torch.tensor([[0, 1, 1]])
    assert metrics.Recall(top_k=1)(y_pred, y_true) == 0.5
    assert metrics.Recall(top_k=1, thresholds=0.5)(y_pred, y_true) == 0


def test_one_threshold_gives_a_scalar_and_several_a_vector():
    for thresholds, shape in ((0.5, ()), ([0.5], ()), ([0.5, 0.6], (2,))):
        assert metrics.TruePositives(thresholds).result().shape == shape
        assert metrics.Precision(thresholds).result().shape == shape
