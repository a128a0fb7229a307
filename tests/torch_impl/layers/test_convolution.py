"""Convolutions give Keras's outputs and gradients at every padding, stride and dilation."""

import pytest
from covering import one_test
from layer_pairs import Pair, assert_same, keras_layer
from rows import each_row

from torch_impl.layers import Conv1D, Conv2D, Conv3D

# Odd, even and long sides; windows of 2, 3 and 5.
IMAGES = {
    "valid": ((9, 6, 3), (3, 2), {}),
    "valid_strides": ((9, 6, 3), (3, 2), {"strides": (2, 3)}),
    "valid_dilation": ((9, 6, 3), (3, 2), {"dilation_rate": (2, 3)}),
    "same": ((9, 6, 3), (3, 2), {"padding": "same"}),
    "same_strides": ((8, 7, 3), (3, 2), {"padding": "same", "strides": (2, 3)}),
    "same_strides_of_one_side": ((6, 6, 3), 3, {"padding": "same", "strides": (2, 1)}),
    "same_long_strides": ((8, 7, 3), 2, {"padding": "same", "strides": 4}),
    "same_long_window": ((2, 3, 3), 5, {"padding": "same", "strides": 2}),
    "same_dilation": ((8, 7, 3), (3, 2), {"padding": "same", "dilation_rate": (2, 3)}),
    "groups": ((8, 7, 4), (3, 2), {"groups": 2, "padding": "same", "strides": 2}),
    "without_bias": ((8, 7, 3), (3, 2), {"use_bias": False}),
    "one_by_one": ((5, 4, 3), 1, {"strides": 2, "padding": "same"}),
}

SEQUENCES = {
    "valid": (3, {"strides": 2}),
    "same": (4, {"padding": "same", "strides": 2}),
    "causal": (3, {"padding": "causal"}),
    "causal_strides": (3, {"padding": "causal", "strides": 2}),
    "causal_dilation": (3, {"padding": "causal", "dilation_rate": 2}),
}

VOLUMES = {
    "valid": ((2, 3, 1), {"strides": (1, 2, 1)}),
    "same": ((2, 3, 1), {"padding": "same", "strides": 2}),
}
CASES = [
    *((Conv2D, 6, *case) for case in IMAGES.values()),
    *((Conv1D, 6, (9, 4), *case) for case in SEQUENCES.values()),
    *((Conv3D, 4, (5, 6, 3, 2), *case) for case in VOLUMES.values()),
]


@each_row("kind, filters, shape, window, options", CASES)
def test_a_convolution_is_keras_convolution(kind, filters, shape, window, options):
    theirs = keras_layer(kind.__name__, filters, window, **options)
    assert_same(Pair(theirs, kind(shape[-1], filters, window, **options), shape))


@one_test
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"padding": "full"}, r"padding='full': expected one of \('valid', 'same'\)"),
        ({"padding": "causal"}, r"padding='causal': expected one of"),
        ({"strides": (1, 2, 3)}, r"strides=\(1, 2, 3\): expected 2 integers of at least 1"),
        ({"dilation_rate": 0}, r"dilation_rate=0: expected 2 integers of at least 1"),
    ],
    ids=["padding", "causal_images", "strides", "dilation"],
)
def test_another_argument_is_an_error_that_shows_it(options, message):
    with pytest.raises(ValueError, match=message):
        Conv2D(3, 4, 3, **options)
