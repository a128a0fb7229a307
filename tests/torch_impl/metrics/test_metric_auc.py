"""Areas are Keras's: curves, ways to add up, thresholds, columns, weights of labels."""

import numpy as np
import pytest
import torch
from covering import one_test
from hypothesis import given, settings
from hypothesis import strategies as st
from keras_metrics import SCORES, SHARES, assert_is_keras, batches

from torch_impl import metrics

BITS = st.sampled_from([0.0, 1.0])
CURVES = ["ROC", "PR", "PRGAIN"]
METHODS = ["interpolation", "majoring", "minoring"]


@one_test
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("curve", CURVES)
def test_an_area_is_keras(curve, method):
    options = st.sampled_from(
        [{"num_thresholds": 5}, {"num_thresholds": 2}, {"thresholds": [0.3, 0.1]}, {}]
    )

    @settings(max_examples=6)
    @given(batches(SHARES, BITS, weights=("none", "vector", "full")), options)
    def same(made, chosen):
        settings = {"curve": curve, "summation_method": method, **chosen}
        assert_is_keras("AUC", settings, made)

    same()


@one_test
@pytest.mark.parametrize("label_weights", [None, [2.0, 0.5, 0.0], [0.0, 0.0, 0.0]], ids=str)
@pytest.mark.parametrize(
    "options", [{"thresholds": [0.2, 0.5, 0.6]}, {"num_thresholds": 4, "num_labels": 3}], ids=str
)
def test_areas_of_columns_are_averaged_as_in_keras(options, label_weights):
    generator = np.random.default_rng(0)
    made = [
        (
            generator.integers(0, 11, (7, 3)) / 10,
            generator.integers(0, 2, (7, 3)),
            generator.uniform(size=7),
        )
        for _ in range(2)
    ]
    for curve in ("ROC", "PR"):
        settings = {"multi_label": True, "label_weights": label_weights, "curve": curve, **options}
        assert_is_keras("AUC", settings, made)


@settings(max_examples=10)
@given(batches(SCORES, BITS))
def test_logits_are_keras(made):
    assert_is_keras("AUC", {"from_logits": True, "num_thresholds": 9}, made)


@settings(max_examples=5)
@given(batches(SHARES, BITS), st.sampled_from(CURVES))
def test_an_area_is_keras_in_float32(made, curve):
    """Tolerance: 40 roundings of numbers of up to 1."""
    made = [(y_pred.astype(np.float32), y_true, weight) for y_pred, y_true, weight in made]
    assert_is_keras("AUC", {"curve": curve, "num_thresholds": 5}, made, "float32", 5e-6)


@one_test
@pytest.mark.parametrize("curve", CURVES)
def test_only_one_class_gives_no_nan(curve):
    for value in (0.0, 1.0):
        assert_is_keras("AUC", {"curve": curve}, [(np.array([0.2, 0.7, 0.7]), np.full(3, value))])


@one_test
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"curve": "DET"}, r"curve='DET': expected one of \('ROC', 'PR', 'PRGAIN'\)"),
        ({"summation_method": "simpson"}, "summation_method='simpson': expected one of"),
        ({"num_thresholds": 1}, "num_thresholds=1: expected at least 2"),
        ({"num_labels": 2}, "num_labels=2: expected multi_label=True with it"),
        ({"multi_label": True}, r"y_pred has shape \(4,\): expected \(samples, columns\)"),
    ],
)
def test_an_argument_that_means_nothing_and_columns_of_one_axis_are_errors(options, message):
    with pytest.raises(ValueError, match=message):
        metrics.AUC(**options).update(torch.zeros(4), torch.zeros(4))
