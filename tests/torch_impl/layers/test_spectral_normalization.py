"""The wrapper divides the kernel as Keras's does, and keeps its vector."""

import keras
import pytest
import torch
from covering import one_test
from layer_pairs import Pair, as_they_are, assert_same, keras_layer, to_keras, to_torch
from torch import nn

from torch_impl import layers
from torch_impl.layers import SpectralNormalization
from torch_impl.weights import read

# Keras's layer, ours, the shape of an input in Keras's layout.
CASES = {
    "conv": (
        lambda: keras.layers.Conv2D(3, 2, dtype="float64"),
        lambda: layers.Conv2D(4, 3, 2),
        (6, 5, 4),
    ),
    "conv_1d": (
        lambda: keras.layers.Conv1D(3, 2, strides=2, use_bias=False, dtype="float64"),
        lambda: layers.Conv1D(4, 3, 2, strides=2, use_bias=False),
        (7, 4),
    ),
    "transposed": (
        lambda: keras.layers.Conv2DTranspose(3, 2, dtype="float64"),
        lambda: layers.Conv2DTranspose(4, 3, 2),
        (5, 4, 4),
    ),
    "depthwise": (
        lambda: keras.layers.DepthwiseConv2D(2, depth_multiplier=3, dtype="float64"),
        lambda: layers.DepthwiseConv2D(4, 2, depth_multiplier=3),
        (5, 6, 4),
    ),
    "dense": (lambda: keras.layers.Dense(3, dtype="float64"), lambda: nn.Linear(4, 3), (4,)),
    "equation": (
        lambda: keras.layers.EinsumDense("ab,bcd->acd", (2, 3), bias_axes="d", dtype="float64"),
        lambda: layers.EinsumDense("ab,bcd->acd", (4,), (2, 3), "d"),
        (4,),
    ),
}


def back(tensor):
    return tensor.detach().numpy()


@one_test
@pytest.mark.parametrize("iterations", [1, 3])
@pytest.mark.parametrize("name", CASES)
def test_spectral_normalization_is_keras_one(name, iterations):
    theirs, ours, shape = CASES[name]
    inner = theirs()
    wrapper = keras_layer("SpectralNormalization", inner, power_iterations=iterations)
    mine = SpectralNormalization(ours(), iterations, inner.name)
    turns = (as_they_are, back) if name == "equation" else (to_torch, to_keras)
    assert_same(Pair(wrapper, mine, shape, *turns))


def test_a_kernel_of_zeros_and_eval_mode_change_nothing():
    mine = SpectralNormalization(nn.Linear(5, 4))
    x, before = torch.ones(2, 5), read(mine)
    mine.eval()(x)
    assert all((read(mine)[name] == value).all() for name, value in before.items())
    nn.init.zeros_(mine.layer.weight)
    vector = mine.vector_u.clone()
    mine.train()(x)
    assert not mine.layer.weight.any()
    assert torch.equal(mine.vector_u, vector)


def test_what_cannot_be_wrapped_is_an_error():
    with pytest.raises(ValueError, match="ReLU: expected a layer with a weight"):
        SpectralNormalization(nn.ReLU())
    with pytest.raises(ValueError, match="power_iterations=0: expected at least 1"):
        SpectralNormalization(nn.Linear(2, 2), 0)
