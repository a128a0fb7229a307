"""Data written for the two children come back bit by bit, or not at all."""

import numpy as np
import pytest
import safetensors.numpy
from helpers import refusal
from hypothesis import given, settings
from hypothesis import strategies as st
from rows import each_row
from safetensors import safe_open
from safetensors.numpy import save_file

from parity.data.dataset import Data
from parity.data.load import read_data, save_data
from parity.errors import InputError


@pytest.fixture(scope="module")
def data():
    x = np.random.default_rng(5).random((6, 3, 2, 2), dtype=np.float32)
    y = np.array([0, 1, 2, 2, 1, 0])
    return Data(x[:3], y[:3], x[3:5], y[3:5], x[5:], y[5:], num_classes=3, source="é/mine.npz")


@pytest.fixture
def path(tmp_path, data):
    path = tmp_path / "data.safetensors"
    save_data(data, path)
    return path


def test_all_fields_come_back_and_nothing_but_the_file_is_written(path, data):
    save_data(data, path)  # a second time
    assert list(path.parent.iterdir()) == [path]
    back = read_data(path)
    for name, array in data.arrays():
        assert getattr(back, name).tobytes() == array.tobytes()
        assert not getattr(back, name).flags.writeable
    assert (back.sha256, back.num_classes, back.source) == (data.sha256, 3, "é/mine.npz")
    assert back.input_shape == (3, 2, 2)


def test_a_folder_that_is_not_there_is_named(tmp_path, data):
    with pytest.raises(InputError, match="cannot be written to"):
        save_data(data, tmp_path / "no" / "data")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_array_is_found(path):
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
        arrays = {name: file.get_tensor(name) for name in file.keys() if name != "y_val"}  # noqa: SIM118
    save_file(arrays, path, metadata)
    assert "schema" in refusal(read_data, path)


OTHER = safetensors.numpy.save({"kernel": np.zeros(3)})


@each_row(
    ("content", "told"),
    [
        (OTHER, "schema is not parity.data/1"),
        *(
            (content, "intact file of save_data")
            for content in (b"", b"<html></html>", b"\xff" * 40)
        ),
        (None, "No such file"),
    ],
)
def test_a_file_of_another_kind_or_none_is_refused(content, told, tmp_path):
    if content is not None:
        (tmp_path / "data").write_bytes(content)
    assert told in refusal(read_data, tmp_path / "data")


@settings(max_examples=100, deadline=None, database=None)
@given(position=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), cut=st.booleans())
def test_no_single_damage_passes_unnoticed(tmp_path_factory, data, position, bit, cut):
    path = tmp_path_factory.mktemp("fuzz") / "data"
    save_data(data, path)
    content = path.read_bytes()
    place = int(position * len(content))
    rest = b"" if cut else bytes([content[place] ^ 1 << bit]) + content[place + 1 :]
    path.write_bytes(content[:place] + rest)
    try:
        back = read_data(path)
    except InputError:
        return
    # Only white space that pads the header can change without harm.
    found = (back.sha256, back.num_classes, back.source)
    assert found == (data.sha256, data.num_classes, data.source)
