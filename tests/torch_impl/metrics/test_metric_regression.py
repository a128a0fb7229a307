"""The root of the mean square and R2 are Keras's, with what is odd about them."""

import numpy as np
import pytest
import torch
from covering import one_test
from hypothesis import given, settings
from hypothesis import strategies as st
from keras_metrics import assert_is_keras, assert_same, batches, both
from rows import each_row

from torch_impl import metrics

NUMBERS = st.sampled_from([-3.0, -0.5, 0.0, 0.4, 1.0, 2.0])
AGGREGATIONS = ["uniform_average", "variance_weighted_average", None]


@settings(max_examples=14)
@given(batches(NUMBERS, NUMBERS, weights=("none", "scalar", "vector", "column", "full")))
def test_the_root_mean_square_is_keras(made):
    assert_is_keras("RootMeanSquaredError", {}, made)


@one_test
@pytest.mark.parametrize("class_aggregation", AGGREGATIONS)
@pytest.mark.filterwarnings("ignore:num_regressors:UserWarning")
@pytest.mark.filterwarnings("ignore:More independent:UserWarning")
@pytest.mark.filterwarnings("ignore:Division by zero:UserWarning")
def test_r2_is_keras_with_columns_that_do_not_vary(class_aggregation):
    """Sums of 15 numbers of up to 4, exact to 1e-14; a variation may be only 0.01 of them."""

    @settings(max_examples=14)
    @given(
        batches(
            NUMBERS, NUMBERS, columns=(1, 3), weights=("none", "scalar", "vector", "column", "full")
        ),
        st.sampled_from([0, 0, 2]),
    )
    def same(made, num_regressors):
        options = {"class_aggregation": class_aggregation, "num_regressors": num_regressors}
        ours, theirs = both("R2Score", options, made)
        # Where targets do not vary, sums that round otherwise make 1e16, infinity or NaN.
        is_odd = ~np.isfinite(theirs) | (np.abs(theirs) > 1e9)
        assert (np.isfinite(ours) | is_odd).all()
        assert_same(np.where(is_odd, 0, ours), np.where(is_odd, 0, theirs), 1e-10)

    same()


def test_r2_of_equal_targets_is_zero_or_no_number():
    score = metrics.R2Score(class_aggregation=None)
    y_true = torch.tensor([[2.0, 2.0, 1.0], [2.0, 2.0, 3.0]])
    score.update(torch.tensor([[2.0, 1.0, 1.0], [2.0, 2.0, 2.0]]), y_true)
    # The third: 1 - 1 / 2.
    assert score.result()[1:].tolist() == [0, 0.5]
    assert score.result()[0].isnan()


@one_test
@pytest.mark.parametrize("num_regressors", [2, 3, 4])
def test_too_many_regressors_are_a_warning_and_no_adjustment(num_regressors):
    y_pred, y_true = torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([[1.0], [2.0], [5.0]])
    metric = metrics.R2Score(num_regressors=num_regressors)
    metric.update(y_pred, y_true)
    with pytest.warns(UserWarning, match=f"num_regressors={num_regressors} with 3 values, too few"):
        assert metric.result() == metrics.R2Score()(y_pred, y_true)


@each_row(
    "kind, options, message",
    [
        ("R2Score", {"class_aggregation": "mean"}, "class_aggregation='mean': expected one of"),
        ("R2Score", {"num_regressors": -1}, "num_regressors=-1: expected a number of at least 0"),
        ("RootMeanSquaredError", {}, r"y_true has shape \(4,\), y_pred \(5,\): expected the sa"),
    ],
)
def test_an_argument_that_means_nothing_and_other_shapes_are_errors(kind, options, message):
    with pytest.raises(ValueError, match=message):
        getattr(metrics, kind)(**options).update(torch.zeros(5), torch.zeros(4))
