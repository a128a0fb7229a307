"""Resized pixels are TensorFlow's, bit for bit, up and down, by every method."""

import numpy as np
import pytest
import tensorflow as tf
import torch
from covering import one_test
from hypothesis import given, settings
from hypothesis import strategies as st
from image_pairs import pixels, same, whole_pixels

from torch_impl.layers.image.resample import FILE_METHODS, METHODS, resize

sizes = st.tuples(*[st.integers(1, 40)] * 4)


@given(
    sizes,
    st.integers(1, 4),
    st.sampled_from(FILE_METHODS),
    st.booleans(),
    st.sampled_from(["float32", "float64", "uint8"]),
)
@settings(max_examples=150)
def test_pixels_are_tensorflows(lengths, channels, method, antialias, dtype):
    height, width, *size = lengths
    shape = (2, height, width, channels)
    x = whole_pixels(shape, width) if dtype == "uint8" else pixels(shape, width, dtype)
    expected = tf.image.resize(x, size, method=method, antialias=antialias)
    ours = resize(torch.tensor(x).movedim(-1, 1), tuple(size), method, antialias)
    assert same(ours.movedim(1, -1).numpy(), expected)


@one_test
@pytest.mark.parametrize("method", METHODS)
def test_gradients_are_tensorflows_where_it_has_any(method):
    x = pixels((2, 6, 7, 3))
    upstream = pixels((2, 4, 9, 3), 1)
    ours = torch.tensor(x).movedim(-1, 1).requires_grad_()
    (resize(ours, (4, 9), method) * torch.tensor(upstream).movedim(-1, 1)).sum().backward()
    constant = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(constant)
        total = tf.reduce_sum(tf.image.resize(constant, (4, 9), method=method) * upstream)
    try:
        expected = tape.gradient(total, constant).numpy()
    except LookupError:  # "area" has none in TensorFlow
        assert method == "area"
        return
    found = ours.grad.movedim(1, -1).numpy()
    assert np.abs(found - expected).max() <= 1e-6 * np.abs(expected).max()
