"""BatchNormalization has Keras's statistics, in the batch and in what it keeps."""

import numpy as np
import pytest
import torch
from covering import one_test
from layer_pairs import BAR, Pair, as_they_are, assert_same, difference, keras_layer, signed
from torch import nn

from torch_impl.layers import BatchNormalization

IMAGES = (4, 3, 5)

CASES = {
    "images": (IMAGES, {}),
    "features": ((5,), {}),
    "sequences": ((4, 5), {"momentum": 0.7}),
    "volumes": ((2, 3, 2, 5), {}),
    "epsilon": (IMAGES, {"epsilon": 1e-5, "momentum": 0.9}),
    "without_scale": (IMAGES, {"scale": False}),
    "without_center": (IMAGES, {"center": False}),
    "bare": (IMAGES, {"scale": False, "center": False}),
}


# Rounding: mean and variance of values around 2 with a spread of 0.03 lose (2 / 0.03)^2 = 4e3
# roundings of 1.1e-16 in the variance, 5e-13 of it; a step carries this into weights and outputs.
# Measured: 4.3e-13 at most.
SMALL_VARIANCE = {"scale": 0.03, "offset": 2.0}


@one_test
@pytest.mark.parametrize("data", [{}, SMALL_VARIANCE], ids=["signed", "small_variance"])
@pytest.mark.parametrize(("shape", "options"), CASES.values(), ids=CASES)
def test_batch_normalization_is_keras_one(shape, options, data):
    theirs = keras_layer("BatchNormalization", **options)
    assert_same(Pair(theirs, BatchNormalization(5, **options), shape), **data)


@one_test
@pytest.mark.parametrize("axis", [1, 2, -2])
def test_the_axis_is_that_of_the_tensor_as_it_is_given(axis):
    theirs = keras_layer("BatchNormalization", axis=axis)
    ours = BatchNormalization((3, 4, 3, 5)[axis], axis=axis)
    assert_same(Pair(theirs, ours, (4, 3, 5), as_they_are, lambda t: t.detach().numpy()))


def one_step(layer, x):
    layer.train()
    return layer(x)


def test_one_value_for_each_channel_normalises_to_beta_as_in_keras():
    theirs = keras_layer("BatchNormalization")
    pair = Pair(theirs, BatchNormalization(5), (5,))
    x = signed((1, 5))
    expected = theirs(x, training=True).numpy()
    output = one_step(pair.ours, torch.tensor(x)).detach().numpy()
    assert difference(output, expected) <= BAR
    np.testing.assert_allclose(output[0], theirs.beta.numpy(), rtol=1e-12)
    for ours, kept in pair.weights().values():
        assert difference(ours, kept) <= BAR
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        one_step(nn.BatchNorm1d(5).double(), torch.tensor(x))


def test_a_frozen_layer_uses_and_leaves_its_moving_statistics_as_in_keras():
    theirs = keras_layer("BatchNormalization", trainable=False)
    pair = Pair(theirs, BatchNormalization(5, trainable=False), IMAGES)
    before = {name: ours.copy() for name, (ours, _) in pair.weights().items()}
    x = signed((3, *IMAGES))
    output = one_step(pair.ours, torch.tensor(x).movedim(-1, 1)).movedim(1, -1)
    assert difference(output.detach().numpy(), theirs(x, training=True).numpy()) <= BAR
    for name, (ours, kept) in pair.weights().items():
        np.testing.assert_array_equal(ours, before[name])
        np.testing.assert_array_equal(ours, kept)
