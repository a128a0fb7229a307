"""The best share where another is high enough is Keras's, at bounds that are hit exactly."""

import pytest
import torch
from covering import one_test
from hypothesis import given, settings
from hypothesis import strategies as st
from keras_metrics import SHARES, assert_is_keras, batches

from torch_impl import metrics

BITS = st.sampled_from([0.0, 1.0])
BOUNDS = {
    "SensitivityAtSpecificity": "specificity",
    "SpecificityAtSensitivity": "sensitivity",
    "PrecisionAtRecall": "recall",
    "RecallAtPrecision": "precision",
}


@one_test
@pytest.mark.parametrize(("name", "bound"), BOUNDS.items())
def test_an_operating_point_is_keras(name, bound):
    @settings(max_examples=10)
    @given(
        batches(SHARES, BITS, columns=(2, 3), weights=("none", "vector"), max_batches=2),
        st.sampled_from([0.0, 0.5, 2 / 3, 0.75, 1.0]),
        st.sampled_from([1, 2, 5, 21]),
        st.sampled_from([None, 1]),
    )
    def same(made, value, num_thresholds, class_id):
        options = {bound: value, "num_thresholds": num_thresholds, "class_id": class_id}
        assert_is_keras(name, options, made)

    same()


@one_test
@pytest.mark.parametrize("value", [0.7, 0.3])
def test_the_bound_is_rounded_to_float32(value):
    """float32(0.7) is less than 7 / 10 in float64, and float32(0.3) greater than 3 / 10."""
    num_right = round(10 * value)
    y_pred = torch.tensor([0.9] * num_right + [0.1] * (10 - num_right) + [0.95, 0.2])
    y_true = torch.tensor([1.0] * 10 + [0.0, 0.0])
    batch = y_pred.double().numpy(), y_true.double().numpy()
    assert_is_keras("PrecisionAtRecall", {"recall": value, "num_thresholds": 3}, [batch])
    metric = metrics.PrecisionAtRecall(value, num_thresholds=3, dtype="float64")
    assert metric(y_pred.double(), y_true).item() == (7 / 8 if value == 0.7 else 10 / 12)


@one_test
@pytest.mark.parametrize(("name", "bound"), BOUNDS.items())
def test_bounds_and_numbers_of_thresholds_that_mean_nothing_are_errors(name, bound):
    kind = getattr(metrics, name)
    with pytest.raises(ValueError, match=rf"{bound}=1.5: expected a number in \[0, 1\]"):
        kind(1.5)
    with pytest.raises(ValueError, match="num_thresholds=0: expected at least 1"):
        kind(0.5, num_thresholds=0)
