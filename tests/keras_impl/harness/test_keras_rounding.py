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
        ("activation:softplus", keras.activations.softplus, torch.nn.functional.softplus),
    ],
)
def test_what_is_allowed_covers_the_rounded_constant(kind, ours, exact):
    """The difference is there, and the move is larger, but not ten times the unit of float32."""
    output = np.asarray(ours(tf.constant(X)))
    difference = np.abs(output - exact(torch.tensor(X)).numpy()).max()
    assert difference > 1e-12
    allowed = largest_move(kind, output)
    assert difference < allowed
    most = 3e-7 if kind.startswith("activation") else 2e-6
    assert allowed < most * np.abs(output).max()


@pytest.mark.parametrize("kind", ["activation:relu", "conv", "activation:silu"])
def test_what_has_no_such_constant_is_not_moved(kind):
    assert largest_move(kind, X) == 0


def test_pixels_that_are_only_repeated_are_not_moved():
    assert largest_move("upsampling", X, config={"interpolation": "nearest"}) == 0
    assert largest_move("upsampling", X, config={"interpolation": "bilinear"}) > 0


def test_softplus_is_moved_beyond_torchs_limit_only():
    given = np.linspace(-30, 19, 100)
    assert largest_move("activation:softplus", np.logaddexp(given, 0), given) == 0
