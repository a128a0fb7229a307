"""A file of Keras gets other weights only if these are its own, one by one."""

import h5py
import numpy as np
import pytest
from safetensors.numpy import save_file

from parity.errors import InputError
from parity.weights.read import read_weights, write_back

KERNEL, BIAS = "layers/dense/vars/0", "layers/dense/vars/1"


@pytest.fixture
def like(tmp_path):
    path = tmp_path / "like.weights.h5"
    with h5py.File(path, "w") as file:
        file[KERNEL], file[BIAS] = np.ones((2, 3), "f4"), np.ones(3, "f4")
    return path


def written(like, arrays, tmp_path):
    save_file(arrays, tmp_path / "arrays.safetensors")
    write_back(like, tmp_path / "arrays.safetensors", tmp_path, tmp_path / "made.weights.h5")
    return read_weights(tmp_path / "made.weights.h5")


def test_the_copy_has_the_given_weights_and_the_file_keeps_its_own(like, tmp_path):
    given = {KERNEL: np.arange(6, dtype="f4").reshape(2, 3), BIAS: np.zeros(3, "f4")}
    made = written(like, given, tmp_path)
    assert made.keys() == given.keys()
    assert all(np.array_equal(made[key], given[key]) for key in given)
    assert np.array_equal(read_weights(like)[BIAS], np.ones(3))


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ([KERNEL], f"'{BIAS}' is in this file alone"),
        ([KERNEL, BIAS, "layers/other/vars/0"], "'layers/other/vars/0' is in the module alone"),
    ],
)
def test_a_weight_of_one_side_alone_is_told_with_its_side(given, where, like, tmp_path):
    arrays = {key: np.zeros((2, 3) if key != BIAS else 3, "f4") for key in given}
    with pytest.raises(InputError, match=where):
        written(like, arrays, tmp_path)


def test_a_weight_of_another_shape_is_refused(like, tmp_path):
    with pytest.raises(InputError, match=r"has the shape \(2, 3\), not \(3, 2\)"):
        written(like, {KERNEL: np.zeros((3, 2), "f4"), BIAS: np.zeros(3, "f4")}, tmp_path)
