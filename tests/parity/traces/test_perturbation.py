"""A perturbation moves every weight by exactly one unit in the last place, and nothing else."""

import numpy as np
from helpers import assert_same_bits, assert_same_weights
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


def ulps(a, b):
    """How many floats b lies above a, zero not crossed."""
    kind = {4: np.int32, 8: np.int64}[a.dtype.itemsize]
    # The bits of floats of one sign are ordered as their absolute values are.
    return (np.abs(b).view(kind) - np.abs(a).view(kind)) * np.sign(a).astype(kind)


@each_row("dtype", DTYPES)
def test_every_weight_moves_by_exactly_one_ulp_and_zeros_stay(dtype):
    before, same = weights(dtype), weights(dtype)
    before["zeros"] = same["zeros"] = np.array([0.0, -0.0], dtype)
    state = np.random.get_state()[1].copy()
    after = perturbed(before, 1)
    np.testing.assert_array_equal(np.random.get_state()[1], state)
    assert_same_weights(before, same)
    assert list(after) == list(before)
    for name, array in before.items():
        assert (after[name].shape, after[name].dtype) == (array.shape, array.dtype)
        if name in ("zeros", "conv2d.bias"):
            assert_same_bits(after[name], array)
        else:
            assert np.unique(np.abs(ulps(array, after[name]))).tolist() == [1]
            assert (np.sign(after[name]) == np.sign(array)).all()
    assert 0.3 < (after["conv2d.kernel"] > before["conv2d.kernel"]).mean() < 0.7


def test_a_weight_may_move_by_one_ulp_of_another_dtype():
    before = {name: array.astype(np.float64) for name, array in weights(np.float32).items()}
    after = perturbed(before, 1, "float32")
    for name, array in after.items():
        assert array.dtype == np.float64
        single = array.astype(np.float32)
        np.testing.assert_array_equal(single, array)  # float32 holds it
        moved = np.unique(np.abs(ulps(weights(np.float32)[name], single)))
        assert moved.tolist() == ([0] if name == "conv2d.bias" else [1])


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
    moved = found.weights["conv2d.kernel"] - anchor.weights["conv2d.kernel"]
    assert np.abs(moved).tolist() == [[np.spacing(1.5), 0]]
    moved = found.slots["momentum"]["conv2d.kernel"] - anchor.slots["momentum"]["conv2d.kernel"]
    # Below a power of two a unit is half as large.
    assert (np.abs(moved) > 0).all()
    assert (np.abs(moved) <= np.spacing([[0.75, 0.25]])).all()
    assert found.masks is anchor.masks


def test_a_large_weight_moves_as_a_whole_though_its_pieces_move_one_by_one():
    weight = np.random.default_rng(1).normal(size=(3, 2**16 + 5))
    after = perturbed({"w": weight, "next": np.ones(7)}, 1)
    generator = np.random.default_rng(1)
    up = generator.random(weight.shape) >= 0.5
    assert_same_bits(after["w"], np.nextafter(weight, np.where(up, np.inf, -np.inf)))
    up = generator.random(7) >= 0.5
    assert_same_bits(after["next"], np.nextafter(np.ones(7), np.where(up, np.inf, -np.inf)))
