"""Counts, precision and recall are Keras's, over several batches."""

from hypothesis import given, settings
from hypothesis import strategies as st
from keras_metrics import SHARES, assert_is_keras, batches
from rows import each_row

BITS = st.sampled_from([0.0, 1.0])
THRESHOLDS = st.sampled_from(
    [{"thresholds": each} for each in (None, 0.25, [0.0, 0.5, 1.0], [0.6, 0.1])]
)
COUNTS = ["TruePositives", "FalsePositives", "TrueNegatives", "FalseNegatives"]


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


COUNTED = (6, batches(SHARES, BITS), THRESHOLDS)
SHARED = (14, batches(SHARES, BITS, weights=("none", "vector")), OPTIONS)


@each_row(
    "name, examples, made, options",
    [
        *((name, *COUNTED) for name in COUNTS),
        *((name, *SHARED) for name in ("Precision", "Recall")),
    ],
)
def test_counts_precision_and_recall_are_keras(name, examples, made, options):
    @settings(max_examples=examples)
    @given(made, options)
    def same(made, options):
        assert_is_keras(name, options, made)

    same()
