"""What a layer in float32 may be off by is as large as what float32 does, and no larger."""

import numpy as np
import tensorflow as tf
from rows import each_row

from parity.halves.keras.rounding import rounded_layer, with_rounded_gradient
from parity.ladder.rounding import FACTOR_OF_FLOAT32, NOISE_FACTOR

X, UNIT = np.linspace(-30, 30, 2001), 2.0**-24


def rounded(kind, values, given=None):
    draw = np.random.default_rng(0)
    return rounded_layer(kind, given, tf.convert_to_tensor(values, tf.float64), draw)


def slopes(function, x, upstream):
    """Gradients behind what a function makes of a variable."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        made = function(x)
    return tape.gradient(made, x, output_gradients=tf.constant(upstream)).numpy()


def test_a_sum_is_off_by_a_share_of_its_largest_term_and_numbers_of_one_sign_by_one_of_their_own():
    """In float32."""
    values = np.array([-1.0, 1e-6, 0.5])
    change = np.abs(rounded("conv", values) - values)
    assert change[1] > 1e-6 * UNIT * 4  # more than a share of itself
    assert ((change > 0) & (change <= 4 * UNIT)).all()
    values = np.array([1.0, 1e-20, 0.3])
    change = np.abs(rounded("activation:softmax", values) - values)
    assert ((change > 0) & (change <= 4 * UNIT * values)).all()


def test_equal_numbers_move_alike_and_zeros_stay():
    """So a pool that has to choose between them chooses as before."""
    values = np.array([0.25, -3.0, 0.0, 0.25, 0.25 * (1 + 1e-9), -0.0])
    after = rounded("dense", values).numpy()
    assert after[0] == after[3] != values[0]
    assert after[4] - values[4] != after[0] - values[0]  # as good as independent
    assert (after[[2, 5]] == 0).all()


@each_row("kind", ["activation:relu", "max_pool", "flatten", "dropout", "reshape"])
def test_what_only_returns_its_numbers_does_not_round(kind):
    np.testing.assert_array_equal(rounded(kind, X), X)


def test_tokens_and_nothing_are_left_alone():
    tokens = tf.constant([1, 2, 3])
    assert rounded_layer("unknown:Table", None, tokens, np.random.default_rng(0)) is tokens
    assert rounded("conv", np.zeros((0, 3))).shape == (0, 3)
    np.testing.assert_array_equal(rounded("conv", np.zeros(3)), np.zeros(3))


def test_a_gradient_is_rounded_on_its_way_back():
    """So a sum of gradients that cancels, as that of a bias, is known as little as float32 sums."""
    x, upstream = tf.constant([1.0, -2.0, 5.0], tf.float64), np.array([1.0, -1e-6, 0.0])
    change = np.abs(slopes(lambda x: rounded("dense", 3 * x), x, upstream) - 3 * upstream)
    assert 0 < change[0] <= 3 * 4 * UNIT
    assert 3 * 4e-6 * UNIT < change[1] <= 3 * 4 * UNIT
    assert change[2] == 0


def test_a_mean_of_many_is_off_by_a_unit_for_each_of_them():
    """1,000 equal numbers, added one after the other in float32."""
    term = np.float32(0.1)
    error = abs(float(sum([term] * 1000, np.float32(0))) / 1000 - float(term))
    given = tf.constant(np.full((1, 1000, 1), float(term)))
    mean = tf.reduce_mean(given, 1)
    allowed = FACTOR_OF_FLOAT32 * np.abs(rounded("global_average_pool", mean, given) - mean).max()
    assert 10 * UNIT * float(term) < error < allowed  # more than a few roundings
    assert allowed < (1000 + 4 * FACTOR_OF_FLOAT32) * UNIT * float(term) * 1.001
    assert np.abs(rounded("conv", mean, given) - mean).max() <= 4 * UNIT


def test_a_sum_of_gradients_is_off_by_a_unit_for_each_of_them():
    """The gradient of a bias adds those of all samples and places."""
    bias, upstream = tf.zeros(2, tf.float64), np.full((4, 10, 25, 2), 1e-3)
    found = slopes(
        lambda x: rounded("conv", tf.zeros(upstream.shape, "float64") + x), bias, upstream
    )
    share = np.abs(found - 1.0) * FACTOR_OF_FLOAT32
    assert ((share > 900 * UNIT) & (share < (1000 + 4 * FACTOR_OF_FLOAT32) * UNIT)).all()


@each_row("dtype, factor", [("float64", NOISE_FACTOR), ("float32", 10)])
def test_gradients_of_moved_images_are_off_by_a_share_of_the_sides(dtype, factor):
    images = tf.constant(np.random.default_rng(1).normal(size=(2, 9, 6, 3)))
    upstream = np.random.default_rng(2).normal(size=(2, 9, 6, 3))

    def made(x):
        return with_rounded_gradient(x, dtype, np.random.default_rng(0))

    np.testing.assert_array_equal(made(images), images)
    change = np.abs(slopes(made, images, upstream) - upstream).max()
    assert 3 < change / (15 * UNIT / factor * np.abs(upstream).max()) <= 5
