"""Counts, precision and recall are Keras's, over several batches."""

import pytest
from covering import one_test
from hypothesis import given, settings
from hypothesis import strategies as st
from keras_metrics import SHARES, assert_is_keras, batches

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
