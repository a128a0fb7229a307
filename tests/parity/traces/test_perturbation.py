"""A perturbation moves every weight by exactly one unit in the last place, and nothing else."""

import copy

import numpy as np
from helpers import assert_same_weights
from rows import each_row

from parity.traces.anchors import Anchor, perturbed, perturbed_state

DTYPES = [np.float32, np.float64]


def weights(dtype):
    generator = np.random.default_rng(5)
    return {
        "conv2d.kernel": generator.normal(size=(3, 3, 2, 4)).astype(dtype),
        "conv2d.bias": np.zeros(4, dtype),
        "scale": np.array([1.0, -1.0, 2.0, 1e-30, 1e30], dtype),
        "scalar": np.array(0.5, dtype),
    }


def expected(before, number):
    """Each entry one unit up or down, by a generator of this number; zeros stay."""
    generator, after = np.random.default_rng(number), {}
    for name, array in before.items():
        up = generator.random(array.shape) >= 0.5
        ends = np.where(up, np.inf, -np.inf).astype(array.dtype)
        after[name] = np.where(array == 0, array, np.nextafter(array, ends))
    return after


@each_row("dtype", DTYPES)
def test_every_weight_moves_by_exactly_one_ulp_and_zeros_stay(dtype):
    """A large one as a whole, though its pieces move one by one."""
    before = weights(dtype) | {"zeros": np.array([0.0, -0.0], dtype)}
    before["large"] = np.random.default_rng(1).normal(size=(3, 2**16 + 5)).astype(dtype)
    before["next"] = np.ones(7, dtype)
    same, state = copy.deepcopy(before), np.random.get_state()[1].copy()
    assert_same_weights(perturbed(before, 1), expected(before, 1))
    np.testing.assert_array_equal(np.random.get_state()[1], state)
    assert_same_weights(before, same)


def test_a_weight_may_move_by_one_ulp_of_another_dtype():
    before = {name: array.astype(np.float64) for name, array in weights(np.float32).items()}
    after = perturbed(before, 1, "float32")
    singles = expected(weights(np.float32), 1)
    assert_same_weights(after, {name: array.astype(np.float64) for name, array in singles.items()})


def test_the_same_perturbation_repeats_and_another_differs():
    before = weights(np.float32)
    assert_same_weights(perturbed(before, 1), perturbed(before, 1))
    others = [perturbed(before, number)["conv2d.kernel"].tobytes() for number in range(1, 9)]
    assert len(set(others)) == 8


def test_a_perturbed_anchor_moves_weights_and_slots_by_one_unit_of_float64_and_no_mask():
    anchor = Anchor(
        7,
        {"conv2d.kernel": np.float32([[1.5, 0.0]])},
        {"momentum": {"conv2d.kernel": np.float32([[0.75, 0.25]])}},
        {"dropout": np.array([3, 8])},
    )
    found = perturbed_state(anchor, 1)
    for ours, before in (
        (found.weights, anchor.weights),
        (found.slots["momentum"], anchor.slots["momentum"]),
    ):
        assert_same_weights(ours, expected({k: np.float64(a) for k, a in before.items()}, 1))
    assert found.masks is anchor.masks
