"""A loss that names float32 computes in float64 where the program does, and only there."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from keras_impl.harness.loss_dtype import float32_as_float64, in_one_dtype

Y, P = np.array([[0.1, 0.7]]), tf.constant([[0.3, 0.4]], dtype="float64")
WANTED = 0.65 * np.sum((Y - P.numpy()) ** 2)


@pytest.fixture(autouse=True)
def _float64():
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")


def of_keras():
    y = ops.cast(ops.convert_to_tensor(Y), "float32")
    return 0.65 * ops.sum(ops.square(tf.subtract(y, P)))


def of_tensorflow():
    y = tf.cast(tf.convert_to_tensor(Y, tf.float32), tf.float32)
    return tf.constant(0.65, tf.float64) * tf.reduce_sum(tf.square(y - P))


def of_an_object():
    squares = keras.losses.MeanSquaredError(reduction="sum", dtype="float32")
    return 2 * 0.65 * tf.add(squares(Y, P), 0 * P[0, 0])


@pytest.mark.parametrize("compute", [of_keras, of_tensorflow, of_an_object])
def test_code_that_mixes_dtypes_is_computed_in_float64(compute):
    with pytest.raises((TypeError, tf.errors.InvalidArgumentError)):
        compute()
    value = in_one_dtype(compute)
    assert value.dtype == tf.float64
    assert float(value) == pytest.approx(WANTED, rel=1e-15)


def test_code_that_does_not_is_computed_once_and_as_it_stands():
    calls = []

    def compute():
        calls.append(1)
        return ops.cast(ops.convert_to_tensor(Y), "float32")

    assert in_one_dtype(compute).dtype == tf.float32
    assert len(calls) == 1


@pytest.mark.parametrize("floatx", ["float32", "float64"])
def test_other_errors_are_raised_and_so_are_all_of_a_program_of_float32(floatx):
    keras.config.set_floatx(floatx)
    raised = [lambda: ops.reshape(P, (3,))] + ([of_tensorflow] if floatx == "float32" else [])
    for compute in raised:
        with pytest.raises((ValueError, TypeError, tf.errors.InvalidArgumentError)):
            in_one_dtype(compute)


def test_behind_the_block_float32_is_float32_again():
    before = tf.cast, tf.convert_to_tensor
    with float32_as_float64():
        assert tf.cast(P, tf.float32).dtype == tf.float64
        assert tf.cast(P, tf.int32).dtype == tf.int32
        assert tf.convert_to_tensor([1.0]).dtype == tf.float32  # nobody has named it
    assert (tf.cast, tf.convert_to_tensor) == before
    assert ops.cast(P, "float32").dtype == tf.float32
