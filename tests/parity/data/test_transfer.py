"""Data written for the two children come back bit by bit, or not at all."""

import numpy as np
import pytest
from helpers import refusal
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save_file

from parity.data.dataset import Data
from parity.data.load import read_data, save_data
from parity.errors import InputError


@pytest.fixture(scope="module")
def data():
    random = np.random.default_rng(5)
    x = random.random((6, 3, 2, 2), dtype=np.float32)
    y = np.array([0, 1, 2, 2, 1, 0])
    return Data(x[:3], y[:3], x[3:5], y[3:5], x[5:], y[5:], num_classes=3, source="é/mine.npz")


@pytest.fixture
def path(tmp_path, data):
    path = tmp_path / "data.safetensors"
    save_data(data, path)
    return path


def refused(path):
    return refusal(read_data, path)


def rewritten(path, change):
    """Writes the file anew after `change(arrays, metadata)`."""
    with safe_open(path, framework="numpy") as file:
        metadata, names = file.metadata(), file.keys()
        arrays = {name: file.get_tensor(name) for name in names}
    change(arrays, metadata)
    save_file(arrays, path, metadata)
    return path


def test_all_fields_come_back(path, data):
    back = read_data(path)
    for name, array in data.arrays():
        assert getattr(back, name).tobytes() == array.tobytes()
        assert not getattr(back, name).flags.writeable
    assert back.sha256 == data.sha256
    assert (back.num_classes, back.source) == (3, "é/mine.npz")
    assert back.input_shape == (3, 2, 2)


def test_nothing_but_the_file_is_written_and_it_may_be_replaced(path, data):
    save_data(data, path)
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_named(tmp_path, data):
    with pytest.raises(InputError, match="cannot be written to"):
        save_data(data, tmp_path / "no" / "data")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_array_is_found(path):
    assert "schema" in refused(rewritten(path, lambda arrays, metadata: arrays.pop("y_val")))


def test_a_file_of_other_tensors_is_refused(tmp_path):
    path = tmp_path / "weights.safetensors"
    save_file({"kernel": np.zeros(3)}, path)
    assert "schema is not parity.data/1" in refused(path)


@pytest.mark.parametrize("content", [b"", b"<html></html>", b"\xff" * 40])
def test_a_file_of_another_kind_is_refused(path, content):
    path.write_bytes(content)
    assert "intact file of save_data" in refused(path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    assert "No such file" in refused(tmp_path / "data")


@settings(max_examples=100, deadline=None, database=None)
@given(position=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), cut=st.booleans())
def test_no_single_damage_passes_unnoticed(tmp_path_factory, data, position, bit, cut):
    path = tmp_path_factory.mktemp("fuzz") / "data"
    save_data(data, path)
    content = bytearray(path.read_bytes())
    place = int(position * len(content))
    if cut:
        del content[place:]
    else:
        content[place] ^= 1 << bit
    path.write_bytes(content)
    try:
        back = read_data(path)
    except InputError:
        return
    # Only white space that pads the header can change without harm.
    assert back.sha256 == data.sha256
    assert (back.num_classes, back.source) == (data.num_classes, data.source)
