"""Correlations are Keras's, along any axis."""

import numpy as np
import pytest
import torch
from covering import one_test
from hypothesis import given, settings
from hypothesis import strategies as st
from keras_metrics import array, assert_same, both

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


def test_a_row_that_does_not_vary_has_no_correlation():
    y_pred, y_true = torch.ones(1, 3), torch.tensor([[1.0, 2.0, 3.0]])
    assert metrics.PearsonCorrelation()(y_pred, y_true).isnan()
    assert metrics.ConcordanceCorrelation()(y_pred, y_true) == 0
