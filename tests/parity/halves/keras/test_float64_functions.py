"""The user's code computes in float64 in a block, and only there, whatever asks for float32."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from rows import each_row

from parity.halves.keras.float64 import (
    as_asked,
    float32_places,
    forget_places,
    functions_in_float64,
    is_mixed,
    not_followed,
)

X = tf.constant([[0.1, 0.7], [0.3, 0.2]], tf.float64)
TABLE = np.array([[0.1, 0.2], [0.3, 0.4]], np.float32)
ONES = np.ones((2, 2), np.float32)

MAKERS = {
    "ones": lambda: tf.ones((2,)),
    "zeros of float32": lambda: tf.zeros((2,), tf.float32),
    "normal": lambda: tf.random.normal((2,)),
    "uniform": lambda: tf.random.uniform((2,), 0.0, 1.0),
    "cast": lambda: tf.cast(tf.range(2), tf.float32),
    "constant": lambda: tf.constant([0.5]),
    "constant of float32": lambda: tf.constant([0.5], tf.float32),
    "tensor": lambda: tf.convert_to_tensor(0.5, tf.float32),
    "range": lambda: tf.range(4, dtype=tf.float32),
    "range of Keras": lambda: keras.ops.arange(0, 4, 2, dtype="float32"),
    "space": lambda: tf.linspace(0.0, 1.0, 3),
    "array": lambda: tf.TensorArray(tf.float32, 1).write(0, tf.ones((2,))).stack(),
}
WHOLE = {
    "ones": lambda: tf.ones((2,), tf.int32),
    "uniform": lambda: tf.random.uniform((2,), 0, 9, tf.int32),
    "constant": lambda: tf.constant([1]),
}


@each_row("maker", MAKERS.values(), ids=MAKERS)
def test_real_numbers_are_float64_in_the_block(maker):
    with functions_in_float64():
        inside = maker()
    assert (inside.dtype, maker().dtype) == (tf.float64, tf.float32)


@each_row("maker", WHOLE.values(), ids=WHOLE)
def test_whole_numbers_stay(maker):
    with functions_in_float64():
        assert maker().dtype == tf.int32


def single(x):
    return tf.cast(x, tf.float32)


def in_node():
    given = keras.Input((2,), dtype="float64")
    return keras.Model(given, keras.ops.cast(given, "float32"))(X)


ASKED = {
    "cast": (lambda: single(X), X),
    "cast of Keras": (lambda: keras.ops.cast(X, "float32"), X),
    "saturated": (lambda: tf.saturate_cast(X, tf.float32), X),
    "softmax": (lambda: tf.nn.softmax(single(X)), tf.nn.softmax(X)),
    "graph": (lambda: tf.function(lambda x: single(x) * tf.constant(0.3))(X), X * 0.3),
    "map": (lambda: tf.map_fn(single, X, fn_output_signature=tf.float32), X),
    "node of a functional model": (in_node, X),
    "scale": (lambda: X / tf.sqrt(single(tf.shape(X)[-1])), X / 2**0.5),
}


@each_row("compute, expected", ASKED.values(), ids=ASKED)
def test_what_is_asked_for_in_float32_is_computed_in_float64_and_noted(compute, expected):
    forget_places()
    with functions_in_float64():
        made = compute()
    np.testing.assert_allclose(made, expected, rtol=1e-15)
    assert made.dtype == tf.float64
    assert float32_places()


MEETS = {
    "array": lambda: X * TABLE,
    "variable": lambda: tf.Variable(TABLE) * X,
    "joined": lambda: tf.concat([X, tf.Variable(TABLE)], 0)[2:] / TABLE.astype(float) * X * TABLE,
    "chosen": lambda: tf.where(X > 9, X, tf.Variable(TABLE)) * X,
    "product": lambda: tf.einsum("ij,ij->ij", X, tf.Variable(TABLE)),
    "graph": lambda: tf.function(lambda x: x * tf.constant(TABLE))(X),
    "quotient": lambda: X / (1.0 / tf.Variable(TABLE.astype("float64"))) / tf.Variable(ONES),
    "quotient without NaN": lambda: tf.math.divide_no_nan(X * TABLE, tf.Variable(ONES)),
}


@each_row("compute", MEETS.values(), ids=MEETS)
def test_float32_that_meets_float64_is_cast_to_it(compute):
    with functions_in_float64():
        made = compute()
    np.testing.assert_allclose(made, X.numpy() * TABLE.astype(np.float64), rtol=1e-15)


def test_bits_are_those_of_the_width_that_is_asked_for():
    numbers = tf.constant([[1.5, -0.0]], tf.float64)
    with functions_in_float64():
        found = [tf.bitcast(single(numbers), tf.int32), tf.bitcast(numbers, tf.int64)]
        # Keras takes 0 for larger than -0, by their bits.
        found.append(keras.metrics.sparse_categorical_accuracy([1], [[-0.0, 0.0]]))
    wide = numbers.numpy()
    expected = [wide.astype(np.float32).view(np.int32), wide.view(np.int64), np.ones(1)]
    np.testing.assert_equal([each.numpy() for each in found], expected)


def test_the_gradient_of_an_operation_without_a_kernel_goes_through_float32():
    x = tf.Variable(tf.reshape(X, (1, 1, 2, 2)))
    with functions_in_float64():
        with tf.GradientTape() as tape:
            made = tf.reduce_sum(tf.nn.local_response_normalization(x, depth_radius=1) ** 2)
        gradient = tape.gradient(made, x)
    assert made.dtype == gradient.dtype == tf.float64
    squares = 1 + np.sum(x.numpy() ** 2, -1, keepdims=True)  # of two channels, all are near
    # d/dx of s / (1 + s), where s is the sum of squares
    np.testing.assert_allclose(gradient, 2 * x.numpy() / squares**2, rtol=1e-6)


def test_a_pass_that_rounds_as_asked_is_off_by_units_of_float32_and_whole_numbers_are_not():
    with functions_in_float64(), as_asked(0):
        rounded = X * tf.cast(X, tf.float32)
        mask = X * tf.cast(X > 0.2, tf.float32)
        angle = X * 0 + tf.cos(100 * tf.range(2, dtype=tf.float32) ** 1.5)
    assert 0 < np.abs(rounded / X**2 - 1).max() <= 2 * 2.0**-24
    np.testing.assert_array_equal(mask, np.where(X > 0.2, X, 0))
    assert 0 < abs(float(angle[0, 1]) - np.cos(100.0)) < 100 * 2.0**-23


def test_float32_is_float32_where_it_is_not_followed():
    with functions_in_float64(), not_followed():
        assert tf.cast(X, tf.float32).dtype == tf.float32
        with pytest.raises(tf.errors.InvalidArgumentError) as raised:
            tf.multiply(X, tf.Variable(TABLE))
    assert is_mixed(raised.value)
    assert not is_mixed(ValueError("Dimensions must be equal"))
