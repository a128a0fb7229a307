"""The weights of a pass are kept in less memory, and every number is what it was."""

import tracemalloc

import numpy as np
import pytest
from helpers import assert_same_bits, assert_same_weights
from rows import each_row

from parity.halves.keras.check.noise import HeldWeights, MovedWeights
from parity.traces.anchors import perturbed

GENERATOR = np.random.default_rng(5)
SINGLE = GENERATOR.normal(size=(3, 4)).astype(np.float32).astype(np.float64)
WEIGHTS = {
    "exact.kernel": SINGLE,
    "turned.kernel": SINGLE.T,
    "whole.kernel": GENERATOR.normal(size=(3, 4)),
    "large.kernel": np.array([1.0, 1e300]),
    "odd.kernel": np.array([-0.0, np.inf, np.nan, 2.0**-149, 2.0**-150]),
    "scalar": np.array(0.5),
    "none": np.zeros((0, 3)),
    "count": np.array([2**53 + 1, -1]),
    "single": SINGLE.astype(np.float32),
}


@each_row("name", WEIGHTS)
def test_each_weight_is_returned_bit_by_bit_in_an_array_of_its_own(name):
    held = HeldWeights(WEIGHTS.items())
    assert_same_bits(held[name], WEIGHTS[name])
    held[name][...] = 7
    assert_same_bits(held[name], WEIGHTS[name])


def test_what_float32_holds_takes_half_the_memory():
    array = np.ones(2**17)
    tracemalloc.start()
    held = HeldWeights([("kernel", array), ("other", array + 2.0**-40)])
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 1.5 * array.nbytes <= kept < 1.6 * array.nbytes
    assert len(held) == 2


@each_row("dtype", ["float64", "float32"])
@each_row("number", [1, 2])
def test_moved_weights_are_those_of_a_perturbation_as_often_as_they_are_asked_for(dtype, number):
    before = {"a.kernel": SINGLE, "b.bias": np.zeros(3), "c.kernel": WEIGHTS["whole.kernel"]}
    moved = MovedWeights(HeldWeights(before.items()), number, dtype)
    after = perturbed(before, number, dtype)
    assert (list(moved), len(moved)) == (list(before), len(before))
    for _ in range(2):
        assert_same_weights(dict(moved.items()), after)
    assert_same_bits(moved["c.kernel"], after["c.kernel"])
    with pytest.raises(KeyError):
        moved["other"]
