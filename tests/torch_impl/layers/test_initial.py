"""Convolutions of every kind start with Keras's kernels; more in tests/.../test_layers.py."""

import re

import keras
import numpy as np
import pytest
from covering import one_test
from torch import nn

from torch_impl import layers
from torch_impl.layers import initialise
from torch_impl.seeds import KerasSeeds
from torch_impl.weights import read

CASES = {
    "Conv1D": (lambda: layers.Conv1D(3, 5, 2), (5, 2)),
    "Conv3D": (lambda: layers.Conv3D(3, 5, 2), (5, 2)),
    "Conv2DTranspose": (lambda: layers.Conv2DTranspose(3, 5, (2, 4)), (5, (2, 4))),
    "DepthwiseConv1D": (lambda: layers.DepthwiseConv1D(3, 4), (4,)),
    "DepthwiseConv2D": (
        lambda: layers.DepthwiseConv2D(3, (2, 4), depth_multiplier=2),
        ((2, 4), 1, "valid", 2),
    ),
    "SeparableConv2D": (lambda: layers.SeparableConv2D(3, 5, (2, 4)), (5, (2, 4))),
}


@one_test
@pytest.mark.parametrize("name", CASES)
def test_a_layer_and_the_one_after_it_start_with_keras_weights(name):
    make, arguments = CASES[name]
    rank = int(re.search(r"(\d)D", name)[1])
    keras.utils.set_random_seed(77)
    theirs = [getattr(keras.layers, name)(*arguments), keras.layers.Dense(2)]
    theirs[0].build((None, *[9] * rank, 3))
    theirs[1].build((None, 4))
    ours = nn.ModuleList([make(), nn.Linear(4, 2)])
    initialise(ours, KerasSeeds(77))
    for layer, module in zip(theirs, ours, strict=True):
        found = read(module)
        assert len(found) == len(layer.weights)
        for weight in layer.weights:
            np.testing.assert_array_equal(found[weight.name], weight.numpy())


def test_a_convolution_of_torch_with_as_many_groups_as_inputs_starts_as_a_depthwise_one():
    keras.utils.set_random_seed(77)
    theirs = keras.layers.DepthwiseConv2D((2, 4), depth_multiplier=2)
    theirs.build((None, 9, 9, 3))
    ours = nn.Sequential(nn.Conv2d(3, 6, (2, 4), groups=3))
    initialise(ours, KerasSeeds(77))
    np.testing.assert_array_equal(read(ours[0])["kernel"], theirs.kernel.numpy())
