"""Operations of a functional model that compare and combine truth values."""

import keras
import numpy as np
import pytest
from keras import layers as L
from keras import ops
from test_twin_layers import assert_twin

SHAPE = (5, 4)
COMPARISONS = ("equal", "not_equal", "greater", "greater_equal", "less", "less_equal")


pytestmark = pytest.mark.usefixtures("float64")


def rounded(shape, seed):
    """Signed tenths, as float64 has them and as float32 has them."""
    found = np.random.default_rng(seed).integers(-3, 4, size=shape) / 10
    found[..., ::2] = found[..., ::2].astype("float32")
    return found


def test_comparisons_are_keras_ones():
    x = L.Input(SHAPE)
    functions = [getattr(ops, name) for name in COMPARISONS]
    compared = [each for f in functions for each in (f(x, 0.1), f(x, ops.flip(x, axis=1)))]
    ends = [ops.where(each, x, 2 * x) for each in compared]
    assert_twin(keras.Model(x, ends), [SHAPE], rounded)


def test_truth_values_are_combined_as_in_keras():
    x = L.Input(SHAPE)
    a, b = ops.greater(x, 0.0), ops.less(x, 0.2)
    both = [ops.logical_and(a, b), ops.logical_or(a, ops.logical_not(b))]
    some = [ops.any(both[0], axis=-1, keepdims=True), ops.all(both[1], axis=(1, 2), keepdims=True)]
    filled = [ops.ones_like(x, dtype="bool"), ops.convert_to_tensor(ops.zeros_like(x))]
    ends = [ops.where(each, x, -3 * x) for each in (*both, *some, filled[0])]
    assert_twin(keras.Model(x, [*ends, filled[1] + x]), [SHAPE], rounded)
