"""Areas are Keras's: curves, ways to add up, thresholds, columns, weights of labels."""

import keras
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


def test_weights_of_columns_do_not_multiply_what_is_counted():
    metric = metrics.AUC(3, multi_label=True, label_weights=[5.0, 0.0])
    metric.update(torch.tensor([[0.9, 0.9]]), torch.ones(1, 2))
    assert metric.state_dict()["true_positives"].tolist() == [[1, 1], [1, 1], [0, 0]]


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
        batch = np.array([0.2, 0.7, 0.7]), np.full(3, value)
        assert_is_keras("AUC", {"curve": curve}, [batch])


def test_thresholds_that_turn_out_even_are_counted_in_buckets_as_in_keras():
    """float32(7 / 13) * 13 is a little more than 7: 7 / 13 is above itself."""
    thresholds = [i / 13 for i in range(1, 13)]
    y_pred, y_true = np.array([7 / 13], "float32"), np.array([1.0])
    ours, theirs = metrics.AUC(thresholds=thresholds), keras.metrics.AUC(thresholds=thresholds)
    ours.update(torch.tensor(y_pred), torch.tensor(y_true))
    theirs.update_state(y_true, y_pred)
    counts = ours.state_dict()["true_positives"].tolist()
    assert counts == np.asarray(theirs.true_positives).tolist() == [1.0] * 8 + [0.0] * 6


@one_test
@pytest.mark.parametrize("options", [{}, {"thresholds": [0.9, 0.2]}], ids=str)
def test_thresholds_are_those_of_keras(options):
    assert list(metrics.AUC(**options).thresholds.values) == keras.metrics.AUC(**options).thresholds


@one_test
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"curve": "DET"}, r"curve='DET': expected one of \('ROC', 'PR', 'PRGAIN'\)"),
        ({"summation_method": "simpson"}, "summation_method='simpson': expected one of"),
        ({"num_thresholds": 1}, "num_thresholds=1: expected at least 2"),
        ({"num_labels": 2}, "num_labels=2: expected multi_label=True with it"),
    ],
)
def test_an_argument_that_means_nothing_is_an_error(options, message):
    with pytest.raises(ValueError, match=message):
        metrics.AUC(**options)


def test_columns_need_outputs_with_columns():
    with pytest.raises(ValueError, match=r"y_pred has shape \(4,\): expected \(samples, columns\)"):
        metrics.AUC(multi_label=True).update(torch.zeros(4), torch.zeros(4))
