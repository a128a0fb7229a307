"""What float32 inside of Keras may change is covered where it acts, and nowhere else."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch

from keras_impl.harness.rounding import moved
from parity.ladder.tolerance import NOISE_FACTOR

X = np.linspace(-30, 30, 2001)


def largest_move(kind, output, given=X, config=None):
    after = moved(
        kind, config or {}, tf.constant(given), tf.constant(output), np.random.default_rng(0)
    )
    return np.abs(after.numpy() - output).max() * NOISE_FACTOR


@pytest.fixture(autouse=True)
def _float64():
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")


@pytest.mark.parametrize(
    ("kind", "ours", "exact"),
    [
        (
            "activation:gelu",
            keras.activations.gelu,
            lambda x: x * 0.5 * torch.erfc(-x / 2**0.5),
        ),
        (
            "activation:leaky_relu",
            keras.activations.leaky_relu,
            lambda x: torch.where(x > 0, x, 0.2 * x),
        ),
        ("rescaling", lambda x: keras.layers.Rescaling(0.1)(x), lambda x: x * 0.1),
        (
            "normalization",
            lambda x: keras.layers.Normalization(mean=5.1, variance=0.3)(x),
            lambda x: (x - 5.1) / 0.3**0.5,
        ),
        ("activation:softplus", keras.activations.softplus, torch.nn.functional.softplus),
    ],
)
def test_what_is_allowed_covers_the_rounded_constant(kind, ours, exact):
    """The difference is there, and the move is larger, but not ten times the unit of float32."""
    output = np.asarray(ours(tf.constant(X)))
    difference = np.abs(output - exact(torch.tensor(X)).numpy()).max()
    assert difference > 1e-12
    config = {"mean": 5.1, "variance": 0.3} if kind == "normalization" else {}
    allowed = largest_move(kind, output, config=config)
    assert difference < allowed
    assert allowed < 5e-7 * np.abs(output).max()


@pytest.mark.parametrize("kind", ["activation:relu", "conv", "activation:silu"])
def test_what_has_no_such_constant_is_not_moved(kind):
    assert largest_move(kind, X) == 0


def test_pixels_that_are_only_repeated_are_not_moved():
    assert largest_move("upsampling", X, config={"interpolation": "nearest"}) == 0
    assert largest_move("upsampling", X, config={"interpolation": "bilinear"}) > 0


def test_hard_sigmoid_keeps_its_value_and_changes_its_derivative():
    """As torch does, whose derivative has 1 / 6 in float32."""
    x = tf.constant([-4.0, 0.3, 1.0, 5.0], tf.float64)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        plain = keras.activations.hard_sigmoid(x)
        changed = moved("activation:hard_sigmoid", {}, x, plain, np.random.default_rng(0))
    np.testing.assert_array_equal(changed, plain)
    slope = tape.gradient(changed, x).numpy() - tape.gradient(plain, x).numpy()
    given = torch.tensor(x.numpy(), requires_grad=True)
    torch.nn.functional.hardsigmoid(given).sum().backward()
    differs = np.abs(given.grad.numpy() - tape.gradient(plain, x).numpy())
    assert differs.max() > 1e-12
    assert (differs <= slope * NOISE_FACTOR).all()


def test_softplus_is_moved_beyond_torchs_limit_only():
    given = np.linspace(-30, 19, 100)
    assert largest_move("activation:softplus", np.logaddexp(given, 0), given) == 0


def rounded(kind, values, seed=0):
    draw = np.random.default_rng(seed)
    return moved(kind, {}, None, tf.constant(values, tf.float64), draw, "float32").numpy()


UNIT = 2.0**-24


def test_a_sum_in_float32_is_off_by_a_share_of_its_largest_term():
    values = np.array([-1.0, 1e-6, 0.5])
    change = np.abs(rounded("conv", values) - values)
    assert change[1] > 1e-6 * UNIT * 4  # more than a share of itself
    assert (change > 0).all()
    assert change.max() <= 4 * UNIT


def test_numbers_of_one_sign_are_off_by_a_share_of_themselves():
    """The logarithm of a probability of 1e-20 is as sure as that of another."""
    values = np.array([1.0, 1e-20, 0.3])
    change = np.abs(rounded("activation:softmax", values) - values)
    assert (change <= 4 * UNIT * values).all()
    assert (change > 0).all()


def test_equal_numbers_move_alike_and_zeros_stay():
    """So a pool that has to choose between them chooses as before."""
    values = np.array([0.25, -3.0, 0.0, 0.25, 0.25 * (1 + 1e-9), -0.0])
    after = rounded("dense", values)
    assert after[0] == after[3] != values[0]
    assert after[4] - values[4] != after[0] - values[0]  # as good as independent
    assert (after[[2, 5]] == 0).all()


def test_seeds_differ_and_repeat():
    values = np.linspace(-1, 1, 50)
    np.testing.assert_array_equal(rounded("conv", values, 1), rounded("conv", values, 1))
    assert (rounded("conv", values, 1) != rounded("conv", values, 2)).all()
    up = (rounded("conv", values, 1) > values).mean()
    assert 0.2 < up < 0.8


@pytest.mark.parametrize("kind", ["activation:relu", "max_pool", "flatten", "dropout", "reshape"])
def test_what_only_returns_its_numbers_does_not_round(kind):
    np.testing.assert_array_equal(rounded(kind, X), X)


def test_tokens_and_nothing_are_left_alone():
    tokens = tf.constant([1, 2, 3])
    draw = np.random.default_rng(0)
    assert moved("unknown:Table", {}, None, tokens, draw, "float32") is tokens
    assert rounded("conv", np.zeros((0, 3))).shape == (0, 3)
    np.testing.assert_array_equal(rounded("conv", np.zeros(3)), np.zeros(3))


def test_a_gradient_is_rounded_on_its_way_back():
    """So a sum of gradients that cancels, as that of a bias, is known as little as float32 sums."""
    x = tf.Variable([1.0, -2.0, 5.0], dtype=tf.float64)
    upstream = tf.constant([1.0, -1e-6, 0.0], tf.float64)
    with tf.GradientTape() as tape:
        y = moved("dense", {}, None, 3 * x, np.random.default_rng(0), "float32")
    found = tape.gradient(y, x, output_gradients=upstream).numpy()
    change = np.abs(found - 3 * upstream.numpy())
    assert 0 < change[0] <= 3 * 4 * UNIT
    assert 3 * 4e-6 * UNIT < change[1] <= 3 * 4 * UNIT
    assert change[2] == 0
