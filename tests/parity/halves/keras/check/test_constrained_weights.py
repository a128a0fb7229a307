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


@pytest.fixture(autouse=True)
def _float64():
    keras.config.set_floatx("float64")


def weight():
    return np.random.default_rng(0).normal(scale=0.1, size=(6, 8))


def norms(weight):
    return np.sqrt((np.asarray(weight) ** 2).sum(axis=0))


def test_a_weight_is_enlarged_until_its_constraint_changes_it():
    begun = constrained("kernel", weight(), {"kernel": C.MaxNorm(2)})
    assert norms(weight()).max() < 2 < norms(begun).max()
    # By no more than is needed: the next smaller one would be changed by less than a tenth.
    assert norms(begun / 1.25).max() < 2 * 1.5
    np.testing.assert_array_equal(begun, begun.astype(np.float32))


@each_row("constraint", [C.NonNeg(), C.UnitNorm(), C.MaxNorm(0.01)])
def test_a_weight_that_is_changed_as_it_is_stays(constraint):
    begun = constrained("kernel", weight(), {"kernel": constraint})
    np.testing.assert_array_equal(begun, weight().astype(np.float32))


def model():
    dense = keras.layers.Dense(8, kernel_constraint=C.MaxNorm(2), bias_constraint=lambda w: w)
    return keras.Sequential([keras.Input((6,)), dense])


def test_constraints_are_known_by_the_names_of_weights():
    found = constraints_of(model())
    assert [type(each).__name__ for each in found.values()] == ["MaxNorm", "function"]
    assert [name.rpartition(".")[2] for name in found] == ["kernel", "bias"]


def test_a_perturbed_model_adds_nothing_to_the_norm():
    net = model()
    kernel, before = net.layers[0].kernel, C.MaxNorm(2)
    perturb_constants(net)
    w = weight()
    shrunk, kept = (np.asarray(each(w)) for each in (before, kernel.constraint))
    np.testing.assert_allclose(kept, w, rtol=1e-15)
    np.testing.assert_allclose(shrunk / w, 1 - 1e-7 / norms(w) * np.ones_like(w), rtol=1e-12)
    assert kernel.constraint.get_config() == before.get_config()
