"""The greatest class is TensorFlow's: with ties, NaN, infinities and signed zeros."""

import keras
import numpy as np
import pytest
import torch
from covering import one_test
from hypothesis import given, settings
from hypothesis import strategies as st
from keras_metrics import array

from torch_impl.metrics.accuracy import argmax, in_top_k

ODD = st.sampled_from([-np.inf, -1.0, -0.0, 0.0, 1e-300, 1.0, 2.0, np.inf, np.nan])


@settings(max_examples=30)
@given(array((3, 4), ODD), st.sampled_from([0, 1, -1]))
def test_argmax_is_keras(x, axis):
    assert argmax(torch.tensor(x), axis).tolist() == np.asarray(keras.ops.argmax(x, axis)).tolist()


@one_test
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_argmax_of_rows_that_are_nearly_ties_is_keras(dtype):
    limits = np.finfo(dtype)
    rows = [[-0.0, 0.0], [0.0, -0.0], [limits.max, np.inf], [-np.inf, np.nan], [np.nan, limits.min]]
    x = np.array(rows, dtype)
    expected = np.asarray(keras.ops.argmax(x, -1)).tolist()
    assert argmax(torch.tensor(x)).tolist() == expected == [1, 0, 1, 0, 0]


@settings(max_examples=30)
@given(array((3, 4), ODD, "float32"), st.integers(1, 5), st.data())
def test_in_top_k_is_tensorflow(x, k, data):
    labels = data.draw(array(3, st.integers(-1, 4), "int64"))
    expected = np.asarray(keras.ops.in_top_k(labels, x, k))
    assert in_top_k(torch.tensor(x), torch.tensor(labels), k).tolist() == expected.tolist()
