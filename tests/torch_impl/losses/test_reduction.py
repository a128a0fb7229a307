"""Weights, masks and means follow Keras's rules, shape for shape."""

import keras
import numpy as np
import pytest
import torch
from covering import one_test
from helpers import assert_same_bits
from keras.src.losses.loss import reduce_weighted_values, squeeze_or_expand_to_same_rank
from keras.src.trainers.data_adapters.data_adapter_utils import class_weight_to_sample_weights

from torch_impl import losses
from torch_impl.losses.reduction import REDUCTIONS, reduce_weighted, same_rank, sample_weights

SHAPES = [(5,), (5, 1), (1,), (1, 1), (5, 3), (5, 3, 1), (5, 3, 2), ()]


@one_test
@pytest.mark.parametrize("second", SHAPES, ids=str)
@pytest.mark.parametrize("first", SHAPES, ids=str)
def test_ranks_meet_as_in_keras(first, second):
    expected = squeeze_or_expand_to_same_rank(np.zeros(first), np.zeros(second))
    actual = same_rank(torch.zeros(first), torch.zeros(second))
    assert [tuple(x.shape) for x in actual] == [tuple(x.shape) for x in expected]


PAIRS = {
    "vector": ((5,), (5,)),
    "one": ((1,), (1,)),
    "column_of_weights": ((5,), (5, 1)),
    "column_of_values": ((5, 1), (5,)),
    "steps": ((5, 3), (5, 3)),
    "steps_by_column": ((5, 3), (5, 1)),
    "scalar": ((), ()),
    "empty": ((0,), (0,)),
    "empty_rows": ((0, 3), (0, 3)),
}


@one_test
@pytest.mark.parametrize("reduction", REDUCTIONS, ids=str)
@pytest.mark.parametrize("masked", ["no_mask", "mask", "all_masked"])
@pytest.mark.parametrize("weighted", ["weights", "no_weights", "zero_weights"])
@pytest.mark.parametrize(("shape", "weight_shape"), PAIRS.values(), ids=PAIRS)
def test_a_reduction_is_that_of_keras(shape, weight_shape, weighted, masked, reduction):
    keras.config.set_floatx("float64")
    generator = np.random.default_rng(0)
    values = np.asarray(generator.normal(size=shape))
    weight = None if weighted == "no_weights" else np.asarray(generator.normal(size=weight_shape))
    if weighted == "zero_weights":
        weight = np.zeros(weight_shape)
    mask = None if masked == "no_mask" else np.asarray(generator.random(shape) < 0.6)
    if masked == "all_masked":
        mask = np.zeros(shape, dtype=bool)
    expected = reduce_weighted_values(values, weight, mask, reduction, dtype="float64").numpy()
    tensors = [None if x is None else torch.tensor(x) for x in (values, weight, mask)]
    actual = reduce_weighted(*tensors, reduction).numpy()
    assert actual.shape == expected.shape
    # Sums of at most 15 numbers of size 1, divided by a sum that is not close to 0.
    np.testing.assert_allclose(actual, expected, rtol=1e-13, atol=1e-14)


@one_test
@pytest.mark.parametrize(
    "y",
    [
        np.array([0, 2, 1, 2]),
        np.array([[0], [2], [1], [7]]),
        np.array([0.0, 2.0, 1.0]),
        np.eye(3)[[2, 0, 1, 1]],
        np.array([[0.2, 0.5, 0.3]]),
    ],
    ids=["labels", "column", "floats", "one_hot", "soft"],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_class_weights_become_the_weights_of_samples_that_keras_makes(y, dtype):
    keras.config.set_floatx(dtype)
    class_weight = {0: 0.1, 2: 3}  # 1 and 7 have none
    expected = class_weight_to_sample_weights(y, class_weight)
    actual = sample_weights(torch.tensor(y), class_weight, getattr(torch, dtype))
    assert_same_bits(actual.numpy(), expected)


def test_an_unknown_reduction_and_class_weights_of_several_axes_are_errors():
    with pytest.raises(ValueError, match="reduction='average': expected one of"):
        losses.MeanSquaredError(reduction="average")
    with pytest.raises(ValueError, match="y has rank 2 without its classes"):
        sample_weights(torch.zeros(2, 3, 4), {0: 1.0})
