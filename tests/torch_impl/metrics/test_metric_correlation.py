"""Correlations are Keras's, along any axis."""

import numpy as np
import pytest
import torch
from covering import one_test
from hypothesis import given, settings
from hypothesis import strategies as st
from keras_metrics import array, assert_is_keras, assert_same, both

from torch_impl import metrics

NUMBERS = st.floats(-4, 4, width=16)


@one_test
@pytest.mark.parametrize("name", ["PearsonCorrelation", "ConcordanceCorrelation"])
def test_a_correlation_is_keras(name):
    @settings(max_examples=14)
    @given(st.data(), st.sampled_from([0, 1, -1]))
    def same(data, axis):
        y_pred, y_true = (data.draw(array((4, 3), NUMBERS)) for _ in range(2))
        # Both vary, so that no deviation is 0 but for rounding.
        y_pred[0, 0] += 9
        y_pred += np.arange(12).reshape(4, 3) ** 2 * 0.37
        y_true += np.arange(12).reshape(4, 3) * 1.3
        y_true[1, 1] -= 17
        weight = data.draw(st.none() | array(4 if axis else 3, st.sampled_from([0.0, 1.0, 2.5])))
        assert_same(*both(name, {"axis": axis}, [(y_pred, y_true, weight)] * 2), 1e-11)

    same()


def test_a_line_correlates_but_does_not_agree():
    """Deviations of 1 from means of 2 and 5: 2 * 1 / (1 + 1 + 9) is the concordance."""
    y_true = torch.tensor([[1.0, 3.0]], dtype=torch.float64)
    assert metrics.PearsonCorrelation()(y_true + 3, y_true).item() == pytest.approx(1)
    assert metrics.PearsonCorrelation()(-y_true, y_true).item() == pytest.approx(-1)
    metric = metrics.ConcordanceCorrelation(dtype="float64")
    assert metric(y_true + 3, y_true).item() == pytest.approx(2 / (11 + 1e-7), rel=1e-12)


def test_a_column_of_outputs_meets_a_vector_of_targets():
    y_pred, y_true = np.array([[1.0], [4.0], [2.0]]), np.array([1.0, 5.0, 9.0])
    assert_is_keras("PearsonCorrelation", {"axis": 0}, [(y_pred, y_true)])
    assert_is_keras("ConcordanceCorrelation", {"axis": 0}, [(y_pred, y_true)])


def test_a_row_that_does_not_vary_has_no_correlation():
    y_pred, y_true = torch.ones(1, 3), torch.tensor([[1.0, 2.0, 3.0]])
    assert metrics.PearsonCorrelation()(y_pred, y_true).isnan()
    assert metrics.ConcordanceCorrelation()(y_pred, y_true) == 0
