"""A file of arrays, written one by one, is one that the library reads."""

import numpy as np
import pytest
from helpers import assert_same_bits
from rows import each_row
from safetensors.numpy import load_file, save_file

from parity.traces import trace
from parity.traces.trace import DTYPES, ArrayFile, ArrayReader, name_of, num_bytes, write_arrays

ARRAYS = {
    "b/scalar": np.array(0.1),
    "a": np.arange(12, dtype=np.float64).reshape(3, 4) / 7,
    "flags": np.array([[True, False, True]]),
    "whole": np.array([2**62, -1]),
    "small": np.array([1, 2], np.int32),
    "half": np.array([0.5], np.float32),
    "bytes": np.array([7], np.uint8),
}


def entries():
    return {key: (name_of(array), array.shape) for key, array in ARRAYS.items()}


def test_an_array_is_read_before_the_file_is_complete(tmp_path):
    with ArrayFile(tmp_path / "x", entries()) as file:
        file["whole"] = ARRAYS["whole"]
        file["a"] = ARRAYS["a"].T.copy().T  # not contiguous
        assert_same_bits(file["a"], ARRAYS["a"])
        assert_same_bits(file["whole"], ARRAYS["whole"])
        file["a"][:] = 0  # a copy
        assert_same_bits(file["a"], ARRAYS["a"])


@pytest.mark.parametrize("most_kept", [0, 2**22], ids=["opened_each_time", "kept"])
def test_arrays_are_read_one_by_one_from_a_file_of_ours_or_of_the_library(
    most_kept, tmp_path, monkeypatch
):
    monkeypatch.setattr(trace, "MOST_KEPT", most_kept)
    write_arrays(tmp_path / "ours", ARRAYS)
    save_file(ARRAYS, tmp_path / "theirs")
    assert set(load_file(tmp_path / "ours")) == set(ARRAYS)
    for name in ("ours", "theirs"):
        reader = ArrayReader(tmp_path / name)
        for key, array in ARRAYS.items():
            found = reader[key]
            assert_same_bits(load_file(tmp_path / name)[key], array)
            assert_same_bits(found, array)
            found[...] = 0  # a copy
            assert_same_bits(reader[key], array)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(("most_kept", "error"), [(0, "reshape"), (2**22, "buffer")])
def test_a_file_that_is_cut_is_an_error_and_a_small_one_is_read_once(
    most_kept, error, tmp_path, monkeypatch
):
    monkeypatch.setattr(trace, "MOST_KEPT", most_kept)
    write_arrays(tmp_path / "x", ARRAYS)
    reader = ArrayReader(tmp_path / "x")
    (tmp_path / "x").write_bytes((tmp_path / "x").read_bytes()[:-40])
    if most_kept:
        assert_same_bits(reader["whole"], ARRAYS["whole"])
        reader = ArrayReader(tmp_path / "x")
    with pytest.raises(ValueError, match=error):
        [reader[key] for key in ARRAYS]


@each_row("name", DTYPES)
def test_each_dtype_has_its_name_and_size(name):
    array = np.zeros((2, 3), DTYPES[name])
    assert name_of(array) == name
    assert num_bytes(name, (2, 3)) == array.nbytes
