"""Depthwise and separable convolutions have Keras's order of kernels and channels."""

import pytest
from covering import one_test
from layer_pairs import BAR, Pair, assert_same, difference, keras_layer, signed, to_keras, to_torch
from torch import nn

from torch_impl.layers import (
    Conv2D,
    DepthwiseConv1D,
    DepthwiseConv2D,
    SeparableConv1D,
    SeparableConv2D,
)
from torch_impl.weights import assign, read

CASES = {
    "valid": {"strides": 2},
    "same_strides": {"padding": "same", "strides": 2, "depth_multiplier": 2},
    "same_dilation": {"padding": "same", "dilation_rate": 2},
    "without_bias": {"use_bias": False, "depth_multiplier": 3},
}


# Class, filters if it has any, window, and shape of its input.
KINDS = [
    (DepthwiseConv1D, (), 4, (8, 3)),
    (DepthwiseConv2D, (), (3, 2), (8, 7, 3)),
    (SeparableConv1D, (5,), 4, (8, 3)),
    (SeparableConv2D, (5,), (3, 3), (8, 7, 3)),
]


@one_test
@pytest.mark.parametrize("options", CASES.values(), ids=CASES)
@pytest.mark.parametrize(("kind", "filters", "window", "shape"), KINDS)
def test_a_convolution_by_channels_is_keras_one(kind, filters, window, shape, options):
    if kind is DepthwiseConv2D and options.get("strides") == 2:
        window = (3, 3)  # TensorFlow takes one stride for both sides
    theirs = keras_layer(kind.__name__, *filters, window, **options)
    assert_same(Pair(theirs, kind(3, *filters, window, **options), shape))


def test_a_stock_convolution_of_single_channels_takes_both_kinds_of_kernel():
    """(h, w, in, mult) and (h, w, 1, in * mult) hold the same numbers in the same order."""
    stock = nn.Conv2d(3, 6, (2, 3), groups=3).double()
    x = signed((2, 5, 6, 3))
    theirs = keras_layer("DepthwiseConv2D", (2, 3), depth_multiplier=2)
    expected = theirs(x).numpy()
    kernel, bias = (weight.numpy() for weight in theirs.weights)
    for shape in (kernel.shape, (2, 3, 1, 6)):
        assert assign(stock, {"kernel": kernel.reshape(shape), "bias": bias}) == {"kernel", "bias"}
        assert difference(to_keras(stock(to_torch(x))), expected) <= BAR
    assert read(stock)["kernel"].shape == (2, 3, 3, 2)
    assert read(Conv2D(3, 6, (2, 3), groups=3))["kernel"].shape == (2, 3, 1, 6)
