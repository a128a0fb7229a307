"""Probes begin with weights that constraints change, and Keras's epsilon in them is noise."""

import keras
import numpy as np
import pytest
from rows import each_row

from parity.halves.keras.check.noise import (
    constrained,
    constraints_of,
    perturb_constants,
)

C = keras.constraints
WEIGHT = np.random.default_rng(0).normal(scale=0.1, size=(6, 8))
pytestmark = pytest.mark.usefixtures("in_float64")


def norms(weight):
    return np.sqrt((np.asarray(weight) ** 2).sum(axis=0))


def test_a_weight_is_enlarged_until_its_constraint_changes_it():
    begun = constrained("kernel", WEIGHT.copy(), {"kernel": C.MaxNorm(2)})
    assert norms(WEIGHT).max() < 2 < norms(begun).max()
    # By no more than is needed: the next smaller one would be changed by less than a tenth.
    assert norms(begun / 1.25).max() < 2 * 1.5
    np.testing.assert_array_equal(begun, begun.astype(np.float32))


@each_row("constraint", [C.NonNeg(), C.UnitNorm(), C.MaxNorm(0.01)])
def test_a_weight_that_is_changed_as_it_is_stays(constraint):
    begun = constrained("kernel", WEIGHT.copy(), {"kernel": constraint})
    np.testing.assert_array_equal(begun, WEIGHT.astype(np.float32))


def model():
    dense = keras.layers.Dense(8, kernel_constraint=C.MaxNorm(2), bias_constraint=lambda w: w)
    return keras.Sequential([keras.Input((6,)), dense])


def test_constraints_are_known_by_the_names_of_weights():
    found = {n.rpartition(".")[2]: type(c).__name__ for n, c in constraints_of(model()).items()}
    assert found == {"kernel": "MaxNorm", "bias": "function"}


def test_a_perturbed_model_adds_nothing_to_the_norm():
    net, before = model(), C.MaxNorm(2)
    perturb_constants(net)
    after = net.layers[0].kernel.constraint
    np.testing.assert_allclose(after(WEIGHT), WEIGHT, rtol=1e-15)
    shrunk = np.broadcast_to(1 - 1e-7 / norms(WEIGHT), WEIGHT.shape)
    np.testing.assert_allclose(before(WEIGHT) / WEIGHT, shrunk, rtol=1e-12)
    assert after.get_config() == before.get_config()
