"""In float64, a dropout drops what it drops in float32."""

import keras
import numpy as np
import tensorflow as tf
from rows import each_row

from parity.halves.keras.random_layers import float32_masks


def dropped(dtype, rate=0.4, noise_shape=None, seed=7):
    """Outputs of a new layer for ones, in two calls."""
    layer = keras.layers.Dropout(rate, noise_shape=noise_shape, seed=seed, dtype=dtype)
    x = tf.ones((5, 4, 3), dtype)
    return np.stack([layer(x, training=True).numpy() for _ in range(2)])


@each_row("noise_shape", [None, (None, 1, 3)])
def test_masks_are_those_of_float32_and_values_those_of_float64(noise_shape):
    expected = dropped("float32", noise_shape=noise_shape)
    with float32_masks():
        found = dropped("float64", noise_shape=noise_shape)
    np.testing.assert_array_equal(found != 0, expected != 0)
    np.testing.assert_allclose(found[found != 0], 1 / 0.6, rtol=1e-15)
    assert found.dtype == np.float64


def test_a_step_that_is_compiled_inside_keeps_its_masks_outside():
    layer = keras.layers.Dropout(0.5, seed=3, dtype="float64")
    call = tf.function(lambda: layer(tf.ones((5, 4, 3), "float64"), training=True))
    with float32_masks():
        call()
    np.testing.assert_array_equal(call() != 0, dropped("float32", rate=0.5, seed=3)[1] != 0)


def test_a_dropped_infinity_is_zero():
    layer = keras.layers.Dropout(0.5, seed=3, dtype="float64")
    with float32_masks():
        found = layer(tf.fill((50,), np.float64("inf")), training=True).numpy()
    assert set(found.tolist()) == {0.0, float("inf")}
