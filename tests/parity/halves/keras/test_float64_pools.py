"""Pools of volumes in float64: TensorFlow's in float32, and their gradients."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from rows import each_row

from parity.halves.keras import float64

WINDOWS = [((2, 3, 2), (2, 2, 2)), ((3, 1, 2), (1, 2, 3)), ((2, 2, 2), (2, 2, 2))]


@pytest.fixture(autouse=True)
def _installed():
    float64.install_pools()
    float64.install_pools()  # a second time changes nothing


@each_row("padding", ["same", "valid"])
@each_row("window, strides", WINDOWS)
@each_row("pool", [keras.ops.max_pool, keras.ops.average_pool])
def test_a_pool_of_volumes_is_that_of_float32(pool, window, strides, padding):
    x = np.random.default_rng(3).normal(size=(2, 6, 5, 7, 3))
    made, slopes = {}, {}
    for dtype in ("float32", "float64"):
        given = tf.constant(x.astype(dtype))
        with tf.GradientTape() as tape:
            tape.watch(given)
            y = pool(given, window, strides, padding)
            # Each value counts by its place, so that the gradient shows where it went.
            loss = tf.reduce_sum(y * tf.cast(tf.reshape(tf.range(tf.size(y)), y.shape), dtype))
        made[dtype], slopes[dtype] = y.numpy(), tape.gradient(loss, given).numpy()
    assert made["float64"].dtype == np.float64
    for found, allowed in ((made, 1e-6), (slopes, 1e-5 * np.abs(slopes["float32"]).max())):
        np.testing.assert_allclose(found["float64"], found["float32"], atol=allowed)


def test_pools_of_volumes_are_compiled_too():
    pool = tf.function(lambda x: keras.ops.max_pool(x, 2))
    x = np.random.default_rng(0).normal(size=(2, 4, 4, 4, 3))
    np.testing.assert_array_equal(pool(tf.constant(x)), keras.ops.max_pool(tf.constant(x), 2))
