"""What is in float32 in a user's code, or in wrapped layers, moves in a perturbed pass alone."""

import keras
import numpy as np
import pytest
from rows import each_row

from parity.halves.keras.calls import recorded_calls
from parity.halves.keras.rounding import Perturbation
from parity.ladder.rounding import NOISE_FACTOR

L, ops = keras.layers, keras.ops
X = np.random.default_rng(4).normal(size=(2, 4, 6, 3))
SHARE = 2.0**-23 / NOISE_FACTOR  # of a value that a constant in float32 may change


@pytest.fixture(autouse=True)
def _float64():
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")


class Own(L.Layer):
    def __init__(self, function):
        super().__init__()
        self.function, self.inner = function, L.Identity()

    def call(self, x):
        return self.inner(self.function(x))


def moves(layer, seed=1):
    """How far each value moves, and what the perturbation met."""
    model = keras.Sequential([keras.Input(X.shape[1:]), layer])
    with recorded_calls(X):
        before = np.asarray(model(X), np.float64)
    perturbation = Perturbation(seed)
    with recorded_calls(X, perturbation):
        after = np.asarray(model(X), np.float64)
    return after - before, before, perturbation


def test_the_slope_in_the_code_of_a_layer_moves_what_is_below_zero():
    moved, made, _ = moves(Own(lambda x: ops.leaky_relu(x, negative_slope=0.2)))
    np.testing.assert_allclose(moved, np.where(made < 0, SHARE * made, 0), rtol=1e-5, atol=1e-17)


def test_a_scale_inside_of_a_wrapper_moves_and_an_activation_against_it():
    inside = keras.Sequential([L.Rescaling(0.1), L.Dense(2, activation="gelu")])
    _, _, perturbation = moves(L.TimeDistributed(inside))
    assert perturbation.met == {"scale", "activation"}
    assert perturbation.needs_another
    assert [Perturbation(seed).sign_of("activation:gelu") for seed in (1, 2)] == [1, -1]
    assert [Perturbation(seed).sign_of("rescaling") for seed in (1, 2)] == [1, 1]
    moved, made, alone = moves(L.TimeDistributed(keras.Sequential([L.Rescaling(0.1)])))
    np.testing.assert_allclose(moved, SHARE * made, rtol=1e-5)
    assert not alone.needs_another


@each_row("how, is_moved", [("bilinear", True), ("nearest", False)])
def test_an_image_that_tensorflow_resizes_in_float32_moves(how, is_moved):
    layer = Own(lambda x: ops.cast(ops.image.resize(x, (3, 5), interpolation=how), "float64"))
    moved, made, perturbation = moves(layer)
    assert bool(np.any(moved)) == is_moved
    assert np.abs(moved).max() < 2.0**-22 * np.abs(made).max()
    assert perturbation.needs_another == is_moved
