"""Operations of a functional model that compare and combine truth values."""

import keras
import numpy as np
import pytest
from keras import layers as L
from keras import ops
from rows import each_row
from test_twin_layers import assert_twin

from torch_impl.keras_config.operations import OPERATIONS

SHAPE = (5, 4)
COMPARISONS = ("equal", "not_equal", "greater", "greater_equal", "less", "less_equal")


@pytest.fixture(autouse=True)
def _float64():
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")


def rounded(shape, seed):
    """Signed tenths, as float64 has them and as float32 has them."""
    found = np.random.default_rng(seed).integers(-3, 4, size=shape) / 10
    found[..., ::2] = found[..., ::2].astype("float32")
    return found


@each_row("name", COMPARISONS)
def test_comparisons_are_keras_ones(name):
    x = L.Input(SHAPE)
    compared = [getattr(ops, name)(x, 0.1), getattr(ops, name)(x, ops.flip(x, axis=1))]
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


def test_the_operations_of_masks_are_there():
    names = {name.title().replace("_", "") for name in COMPARISONS}
    names |= {"LogicalAnd", "LogicalOr", "LogicalNot", "Any", "All"}
    assert names | {"OnesLike", "ZerosLike", "Where", "ConvertToTensor"} <= OPERATIONS.keys()
