"""The means of channels are TensorFlow's, bit for bit, whatever the order of its sums."""

import pytest
import tensorflow as tf
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from image_pairs import pixels, same, turn

from torch_impl.layers.image.resample import channel_mean

lengths = st.one_of(st.integers(1, 20), st.integers(1, 140))


def tensorflows(x):
    means = tf.reduce_mean(tf.reduce_mean(x, axis=-3, keepdims=True), axis=-2, keepdims=True)
    return means.numpy()[:, 0, 0]


@given(st.integers(1, 20), lengths, lengths, st.integers(1, 9), st.sampled_from("48"))
@settings(max_examples=150)
@example(2, 15, 17, 3, "4")  # one by one
@example(2, 16, 17, 3, "4")  # in four sums, but for what fills no register
@example(1, 3, 33, 1, "4")  # register by register, and a number more
@example(1, 131, 255, 1, "8")
@example(3, 1, 1, 1, "4")
def test_means_are_tensorflows(count, height, width, channels, size):
    x = pixels((count, height, width, channels), height, f"f{size}")
    assert same(channel_mean(turn(x))[:, :, 0, 0].numpy(), tensorflows(x))


def test_a_mean_by_hand_and_its_gradient():
    x = torch.arange(12.0, requires_grad=True)
    mean = channel_mean(x.reshape(1, 2, 2, 3))
    assert mean.flatten().tolist() == [2.5, 8.5]
    mean[0, 1].sum().backward()
    assert x.grad.tolist() == [0] * 6 + [pytest.approx(1 / 6)] * 6
