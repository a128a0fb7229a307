"""Sine and cosine have TensorFlow's bits, at every place of a batch."""

import numpy as np
import pytest
import tensorflow as tf
from covering import one_test
from image_pairs import ON_X86

from torch_impl.layers.image.projective import sine_and_cosine

SIZES = (1, 2, 7, 8, 9, 13, 16, 23, 64, 1001)


@one_test
@pytest.mark.skipif(not ON_X86, reason="TensorFlow fuses products and sums on other processors")
@pytest.mark.parametrize("size", SIZES)
def test_the_bits_are_tensorflows(size):
    generator = np.random.default_rng(size)
    for _ in range(50):
        angles = (generator.uniform(-2, 2, size) * np.pi).astype(np.float32)
        ours = sine_and_cosine(angles)
        np.testing.assert_array_equal(ours[0], tf.sin(angles))
        np.testing.assert_array_equal(ours[1], tf.cos(angles))


def test_no_angles_give_none():
    assert [len(part) for part in sine_and_cosine(np.zeros(0, np.float32))] == [0, 0]
