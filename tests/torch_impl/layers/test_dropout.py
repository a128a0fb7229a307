"""Dropout of whole channels and of what passed a selu; Dropout itself: tests/.../test_layers.py."""

import keras
import numpy as np
import pytest
import torch
from covering import one_test
from layer_pairs import BAR, difference, signed, to_keras, to_torch

from torch_impl.layers import AlphaDropout, Dropout, SpatialDropout

SHAPES = {1: (3, 6, 4), 2: (3, 5, 6, 4), 3: (2, 3, 5, 2, 4)}
DTYPES = ["float32", "float64"]


def calls(theirs, ours, shape, dtype):
    """Both outputs of three calls in train mode."""
    for call in range(3):
        x = signed(shape, call).astype(dtype)
        yield to_keras(ours.train()(to_torch(x))), theirs(x, training=True).numpy(), x


@one_test
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rank", SHAPES)
def test_channels_are_dropped_by_keras_mask_call_after_call(rank, dtype):
    theirs = getattr(keras.layers, f"SpatialDropout{rank}D")(0.4, seed=12, dtype=dtype)
    ours = SpatialDropout(0.4, seed=12)
    for output, expected, x in calls(theirs, ours, SHAPES[rank], dtype):
        np.testing.assert_array_equal(output, expected)
        assert torch.equal(ours.eval()(to_torch(x)), to_torch(x))
    assert ours.num_calls == 3


@one_test
@pytest.mark.parametrize("noise_shape", [(None, 1, None, 4), (3, 5, 1, 1)], ids=str)
def test_a_mask_of_another_shape_is_keras_mask(noise_shape):
    theirs = keras.layers.Dropout(0.4, noise_shape=noise_shape, seed=12)
    ours = Dropout(0.4, seed=12, noise_shape=noise_shape)
    for output, expected, _ in calls(theirs, ours, SHAPES[2], "float32"):
        np.testing.assert_array_equal(output, expected)


@one_test
@pytest.mark.parametrize("kind", [Dropout, SpatialDropout, AlphaDropout])
def test_a_layer_may_take_keras_layout_itself(kind):
    name = "SpatialDropout1D" if kind is SpatialDropout else kind.__name__
    theirs = getattr(keras.layers, name)(0.4, seed=12, dtype="float64")
    ours, default = kind(0.4, seed=12, channels_last=True), kind(0.4, seed=12)
    for call in range(3):
        x = signed(SHAPES[1], call)
        expected = theirs(x, training=True).numpy()
        assert difference(ours(torch.from_numpy(x)), expected) <= BAR
        # The default would take steps for channels, and drop others.
        assert difference(default(torch.from_numpy(x)), expected) > 0.1


@one_test
@pytest.mark.parametrize("noise_shape", [None, (None, 1, None, 4)], ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_alpha_dropout_is_keras_one(dtype, noise_shape):
    """Its numbers are drawn in floatx, float32 here, whatever the layer computes in."""
    theirs = keras.layers.AlphaDropout(0.3, noise_shape=noise_shape, seed=5, dtype=dtype)
    ours = AlphaDropout(0.3, seed=5, noise_shape=noise_shape)
    for output, expected, _ in calls(theirs, ours, SHAPES[2], dtype):
        # A product and a sum, rounded once each on either side.
        assert np.abs(output - expected).max() <= 4 * np.finfo(dtype).eps * np.abs(expected).max()


def test_alpha_dropout_draws_in_keras_floatx():
    keras.config.set_floatx("float64")
    theirs = keras.layers.AlphaDropout(0.3, seed=5, dtype="float64")
    x = signed(SHAPES[1])
    expected = theirs(x, training=True).numpy()
    ours, other = (
        AlphaDropout(0.3, seed=5, random_dtype=d) for d in (torch.float64, torch.float32)
    )
    assert difference(to_keras(ours(to_torch(x))), expected) <= BAR
    assert difference(to_keras(other(to_torch(x))), expected) > 0.1
