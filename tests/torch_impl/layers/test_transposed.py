"""Transposed convolutions give Keras's size and Keras's place of every row."""

import keras
import pytest
import tensorflow as tf
from covering import one_test
from layer_pairs import BAR, Pair, assert_same, difference, keras_layer, signed, to_keras, to_torch

from torch_impl.layers import Conv1DTranspose, Conv2DTranspose, Conv3DTranspose
from torch_impl.weights import assign

CASES = {
    "valid": ((3, 2), {}),
    "valid_strides": ((3, 2), {"strides": (2, 3)}),
    "valid_output_padding": ((3, 2), {"strides": (2, 3), "output_padding": (1, 2)}),
    "same": ((3, 2), {"padding": "same"}),
    "same_odd_window": (3, {"padding": "same", "strides": 2}),
    "same_even_window": (4, {"padding": "same", "strides": 2}),
    "same_long_window": (5, {"padding": "same", "strides": (2, 3)}),
    "same_short_window": ((1, 2), {"padding": "same", "strides": 3}),
    "same_output_padding": ((3, 4), {"padding": "same", "strides": 2, "output_padding": 1}),
    "without_bias": (2, {"use_bias": False, "strides": 2}),
}


@one_test
@pytest.mark.parametrize(("window", "options"), CASES.values(), ids=CASES)
def test_a_transposed_convolution_of_images_is_keras_one(window, options):
    theirs = keras_layer("Conv2DTranspose", 5, window, **options)
    assert_same(Pair(theirs, Conv2DTranspose(3, 5, window, **options), (4, 5, 3)))


@one_test
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("rank", [1, 3])
def test_sequences_and_volumes_follow_the_same_rule(rank, padding):
    kind = {1: Conv1DTranspose, 3: Conv3DTranspose}[rank]
    options = {"padding": padding, "strides": 2}
    theirs = keras_layer(f"Conv{rank}DTranspose", 4, 3, **options)
    assert_same(Pair(theirs, kind(2, 4, 3, **options), (*(3, 4, 2)[:rank], 2)))


@one_test
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_a_dilated_one_is_the_gradient_of_keras_convolution(padding):
    """TensorFlow has no dilated transposed convolution for the CPU."""
    kernel, upstream = signed((3, 2, 5, 4)), signed((2, 5, 6, 4), 1)
    sizes = (5, 6) if padding == "same" else (5 + 2 * 2, 6 + 3)
    x = tf.Variable(signed((2, *sizes, 5), 2))
    with tf.GradientTape() as tape:
        y = keras.ops.conv(x, kernel, padding=padding, dilation_rate=(2, 3))
        total = tf.reduce_sum(y * upstream)
    options = {"padding": padding, "dilation_rate": (2, 3), "use_bias": False}
    ours = Conv2DTranspose(4, 5, (3, 2), **options).double()
    assert assign(ours, {"kernel": kernel}) == {"kernel"}
    assert difference(to_keras(ours(to_torch(upstream))), tape.gradient(total, x).numpy()) <= BAR


def test_an_output_padding_of_a_whole_stride_is_an_error():
    with pytest.raises(ValueError, match="output_padding=2: expected less than strides="):
        Conv2DTranspose(3, 5, 3, strides=2, output_padding=2)
