"""Functions of TensorFlow make float64 tensors for the user's code in a block, and only there."""

import keras
import pytest
import tensorflow as tf

from keras_impl.harness.float64_functions import functions_in_float64

MAKERS = {
    "ones": lambda: tf.ones((2,)),
    "zeros of float32": lambda: tf.zeros((2,), tf.float32),
    "normal": lambda: tf.random.normal((2,)),
    "uniform": lambda: tf.random.uniform((2,), 0.0, 1.0),
    "cast": lambda: tf.cast(tf.range(2), tf.float32),
    "constant": lambda: tf.constant([0.5]),
}
WHOLE = {
    "ones": lambda: tf.ones((2,), tf.int32),
    "uniform": lambda: tf.random.uniform((2,), 0, 9, tf.int32),
    "constant": lambda: tf.constant([1]),
}


@pytest.mark.parametrize("name", MAKERS)
def test_real_numbers_are_float64_in_the_block(name):
    with functions_in_float64():
        assert MAKERS[name]().dtype == tf.float64
    assert MAKERS[name]().dtype == tf.float32


@pytest.mark.parametrize("name", WHOLE)
def test_whole_numbers_stay(name):
    with functions_in_float64():
        assert WHOLE[name]().dtype == tf.int32


def test_keras_gets_what_it_asks_for():
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
    with functions_in_float64():
        assert schedule(tf.range(3)[1]).dtype == tf.float32
