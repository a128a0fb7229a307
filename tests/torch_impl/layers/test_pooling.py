"""Pooling has Keras's windows, and what is added never counts."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from covering import one_test
from layer_pairs import BAR, Pair, assert_same, difference, keras_layer, signed, to_torch

from torch_impl import layers

CASES = {
    "valid": ((8, 7, 3), {"pool_size": (3, 2)}),
    "same": ((8, 7, 3), {"pool_size": (3, 2), "padding": "same"}),
    "same_strides": ((8, 7, 3), {"pool_size": 3, "strides": 2, "padding": "same"}),
    "same_overlap": ((4, 3, 2), {"pool_size": (3, 2), "strides": 1, "padding": "same"}),
    "gaps": ((8, 7, 3), {"pool_size": 2, "strides": 3, "padding": "same"}),
}


@one_test
@pytest.mark.parametrize(("shape", "options"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("kind", ["MaxPooling", "AveragePooling"])
def test_pooling_of_images_is_keras_pooling(kind, shape, options):
    pair = Pair(keras_layer(f"{kind}2D", **options), getattr(layers, f"{kind}2D")(**options), shape)
    assert_same(pair, offset=-1.0)  # mostly negative: a zero at the border would win


@one_test
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("kind", ["MaxPooling", "AveragePooling"])
def test_pooling_of_sequences_is_keras_pooling(kind, padding):
    options = {"pool_size": 3, "strides": 2, "padding": padding}
    ours = getattr(layers, f"{kind}1D")(**options)
    assert_same(Pair(keras_layer(f"{kind}1D", **options), ours, (6, 2)), offset=-1.0)


@one_test
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("kind", ["MaxPooling", "AveragePooling"])
def test_pooling_of_volumes_is_keras_pooling(kind, padding):
    """In float32: TensorFlow has neither in float64. A mean of 27 values rounds 27 times."""
    options = {"pool_size": 3, "strides": 2, "padding": padding}
    x, upstream = ((signed((2, 6, 5, 4, 3), seed) - 1).astype(np.float32) for seed in (0, 1))
    theirs = tf.Variable(x)
    with tf.GradientTape() as tape:
        expected = getattr(keras.layers, f"{kind}3D")(**options)(theirs)
        total = tf.reduce_sum(expected * upstream[tuple(slice(n) for n in expected.shape)])
    tensor = to_torch(x).requires_grad_()
    output = getattr(layers, f"{kind}3D")(**options)(tensor).movedim(1, -1)
    (output * torch.tensor(upstream[tuple(slice(n) for n in output.shape)])).sum().backward()
    bar = {"rtol": 0, "atol": 0 if kind[0] == "M" else 27 * 2**-24 * np.abs(x).max()}
    np.testing.assert_allclose(output.detach().numpy(), expected.numpy(), **bar)
    # Up to eight windows meet in a voxel, whose shares are added in any order.
    bar["atol"] = 27 * 2**-24 * 8
    gradient = tape.gradient(total, theirs).numpy()
    np.testing.assert_allclose(tensor.grad.movedim(1, -1).numpy(), gradient, **bar)


def test_the_gradient_of_a_window_over_both_borders_is_the_derivative():
    """TensorFlow's is not: it divides by the part beyond the far border too."""
    options = {"pool_size": (5, 4), "strides": 1, "padding": "same"}
    theirs = keras_layer("AveragePooling2D", **options)
    pair = Pair(theirs, layers.AveragePooling2D(**options), (4, 3, 2))
    found = pair.run(pair.inputs(2), True)
    assert difference(*found["output 0"]) <= BAR
    assert difference(*found["input gradient 0"]) > 0.1
    x = torch.randn(2, 2, 4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layers.AveragePooling2D(**options), x)


@one_test
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("kind", ["GlobalMaxPooling", "GlobalAveragePooling"])
def test_pooling_of_whole_images_is_keras_pooling(kind, rank, keepdims):
    ours = getattr(layers, kind)(keepdims=keepdims)
    theirs = keras_layer(f"{kind}{rank}D", keepdims=keepdims)
    assert_same(Pair(theirs, ours, (*(4, 5, 3)[:rank], 2)))


@one_test
@pytest.mark.parametrize("kind", ["MaxPooling2D", "GlobalMaxPooling2D"])
def test_equal_values_share_the_gradient_as_in_keras(kind):
    """After a ReLU many values are 0. A window gives all to the first, a whole image to each."""
    ours = layers.GlobalMaxPooling() if kind[0] == "G" else layers.MaxPooling2D(3, 2, "same")
    options = {} if kind[0] == "G" else {"pool_size": 3, "strides": 2, "padding": "same"}
    pair = Pair(keras_layer(kind, **options), ours, (6, 5, 3))
    found = pair.run([np.round(np.maximum(signed((2, 6, 5, 3)), 0))], True)
    assert max(difference(*both) for both in found.values()) <= BAR


def test_another_padding_is_an_error():
    with pytest.raises(ValueError, match="padding='full': expected one of"):
        layers.MaxPooling2D(2, padding="full")
