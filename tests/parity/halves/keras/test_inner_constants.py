"""What is in float32 in a user's code, or in wrapped layers, moves in a perturbed pass alone."""

import keras
import numpy as np
import pytest
from own_classes import own_class
from rows import each_row
from small_keras import net

from parity.halves.keras.calls import recorded_calls
from parity.halves.keras.rounding import Perturbation
from parity.ladder.rounding import NOISE_FACTOR

L, ops = keras.layers, keras.ops
X = np.random.default_rng(4).normal(size=(2, 4, 6, 3))
SHARE = 2.0**-23 / NOISE_FACTOR  # of a value that a constant in float32 may change


pytestmark = pytest.mark.usefixtures("in_float64")


def own(function):
    """A layer with code, which holds another one."""
    return own_class(lambda self, x: self.inner(function(x)), inner=L.Identity)()


def moves(layer):
    """How far each value moves, what it was, and what the perturbation met."""
    model, perturbation = net(layer, shape=X.shape[1:]), Perturbation(1)
    with recorded_calls(X):
        before = np.asarray(model(X), np.float64)
    with recorded_calls(X, perturbation):
        return np.asarray(model(X), np.float64) - before, before, perturbation


def test_the_slope_in_the_code_of_a_layer_moves_what_is_below_zero():
    moved, made, _ = moves(own(lambda x: ops.leaky_relu(x, negative_slope=0.2)))
    np.testing.assert_allclose(moved, np.where(made < 0, SHARE * made, 0), rtol=1e-5, atol=1e-17)


def test_a_scale_inside_of_a_wrapper_moves_and_an_activation_against_it():
    inside = keras.Sequential([L.Rescaling(0.1), L.Dense(2, activation="gelu")])
    _, _, both = moves(L.TimeDistributed(inside))
    assert (both.met, bool(both.needs_another)) == ({"scale", "activation"}, True)
    for kind, signs in (("activation:gelu", [1, -1]), ("rescaling", [1, 1])):
        assert [Perturbation(seed).sign_of(kind) for seed in (1, 2)] == signs
    moved, made, alone = moves(L.TimeDistributed(keras.Sequential([L.Rescaling(0.1)])))
    np.testing.assert_allclose(moved, SHARE * made, rtol=1e-5)
    assert not alone.needs_another


@each_row("how, is_moved", [("bilinear", True), ("nearest", False)])
def test_an_image_that_tensorflow_resizes_in_float32_moves(how, is_moved):
    layer = own(lambda x: ops.cast(ops.image.resize(x, (3, 5), interpolation=how), "float64"))
    moved, made, perturbation = moves(layer)
    assert bool(np.any(moved)) == perturbation.needs_another == is_moved
    assert np.abs(moved).max() < 2.0**-22 * np.abs(made).max()
