"""What float32 inside of Keras may change is covered where it acts, and nowhere else."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from rows import each_row

from parity.halves.keras.rounding import moved
from parity.ladder.rounding import NOISE_FACTOR

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


@each_row(
    "kind, ours, exact",
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


@each_row("kind", ["activation:relu", "conv", "activation:silu"])
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


@each_row("alpha", [0.7, 1.3])
def test_celu_keeps_its_value_and_changes_its_derivative_as_torch_does(alpha):
    x = tf.constant(np.linspace(-3, 2, 50))  # at 0 the two have other slopes
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        plain = keras.activations.celu(x, alpha)
        config = {"alpha": alpha}
        changed = moved("activation:celu", config, x, plain, np.random.default_rng(0))
    np.testing.assert_array_equal(changed, plain)
    allowed = tape.gradient(changed, x) - tape.gradient(plain, x)
    ours = torch.tensor(x.numpy(), requires_grad=True)
    torch.nn.functional.celu(ours, alpha).sum().backward()
    found = ours.grad.numpy() - tape.gradient(plain, x).numpy()
    # How far float32 rounds alpha, in parts of what is allowed: the same at every place.
    share = abs(float(np.float32(alpha)) / alpha - 1) / 2.0**-23
    expected = share * NOISE_FACTOR * np.abs(allowed)
    np.testing.assert_allclose(np.abs(found), expected, rtol=1e-4, atol=1e-13)
    assert np.abs(found).max() > 1e-9


def test_a_port_in_float32_rounds_in_every_layer():
    draw = np.random.default_rng(0)
    assert (moved("conv", {}, None, tf.constant(X), draw, "float32").numpy() != X)[X != 0].all()
    np.testing.assert_array_equal(moved("conv", {}, None, tf.constant(X), draw).numpy(), X)


@each_row("kind", ["upsampling", "resizing", "activation:relu"])
@each_row("dtype", ["uint8", "int32"])
def test_whole_numbers_stay(kind, dtype):
    pixels = tf.constant(np.arange(24).reshape(1, 2, 4, 3).astype(dtype))
    for of_port in ("float64", "float32"):
        generator = np.random.default_rng(0)
        assert (
            moved(kind, {"interpolation": "bilinear"}, pixels, pixels, generator, of_port) is pixels
        )
