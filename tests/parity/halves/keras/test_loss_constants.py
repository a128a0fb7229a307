"""A loss is moved by what its constants in float32 change, and by nothing else."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from rows import each_row

from parity.halves.keras.loss_constants import moved_loss
from parity.ladder.rounding import NOISE_FACTOR

ops = keras.ops
Y = np.array([[0.5, -3.0], [1.0, 2.5]])
OUTPUT = np.array([[0.25, 1.0], [-3.0, 0.0]])
TENTHS = (0.1, 0.9)


def pinball(y, output, quantiles):
    error = y - output
    return ops.mean(ops.maximum(quantiles * error, (quantiles - 1) * error), axis=-1)


pytestmark = pytest.mark.usefixtures("in_float64")


def move_of(compute):
    """By how much a check lets a loss differ."""
    return (moved_loss(compute) - compute()).numpy() * NOISE_FACTOR


def test_log_cosh_is_moved_by_its_rounded_constant():
    y, zeros = np.array([[0.5], [3.0]]), tf.zeros((2, 1), tf.float64)
    found = move_of(lambda: keras.losses.log_cosh(y, zeros))
    expected = 2 * (np.log(np.cosh(y[:, 0])) - keras.losses.log_cosh(y, zeros))
    np.testing.assert_allclose(found, expected, atol=1e-14)
    assert np.abs(found).max() > 1e-9


def test_a_loss_with_tenths_that_are_cast_is_moved_to_those_of_python():
    output = tf.constant(OUTPUT)
    found = move_of(lambda: pinball(Y, output, ops.cast(TENTHS, "float64")))
    exact = pinball(Y, output, tf.constant(TENTHS, tf.float64))
    rounded = pinball(Y, output, tf.constant(np.float64(np.float32(TENTHS))))
    np.testing.assert_allclose(found, 2 * (exact - rounded), atol=1e-14)
    assert np.abs(found).max() > 1e-9


def test_a_softplus_is_moved_by_what_that_of_torch_leaves_out_from_twenty_on():
    found = move_of(lambda: keras.ops.softplus(tf.constant([20.0, 20.5], tf.float64)))
    assert found.tolist() == [0, pytest.approx(-2 * np.log1p(np.exp(-20.5)), rel=1e-4)]


@each_row("name", ["mse", "binary_crossentropy", "huber", "categorical_hinge"])
def test_a_loss_without_such_constants_is_not_moved(name):
    y, output = np.abs(np.tanh(Y)), tf.sigmoid(tf.constant(OUTPUT))
    np.testing.assert_array_equal(move_of(lambda: keras.losses.get(name)(y, output)), 0)
