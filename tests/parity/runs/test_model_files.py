"""The path of a whole model is looked at before any framework is imported."""

import h5py
import numpy as np
import pytest

from parity.errors import InputError
from parity.programs.check_spec import CheckSpec
from parity.runs.model_files import check_model_file


def spec_of(folder, name):
    return CheckSpec(keras=name, folder=str(folder), described=True)


def folder_with(root, *files):
    (root / "saved").mkdir()
    for name in files:
        (root / "saved" / name).touch()
    return "saved"


@pytest.mark.parametrize(
    ("files", "told"),
    [
        (["saved_model.pb", "keras_metadata.pb"], r"a SavedModel of Keras 2.*save\('model\.h5'\)"),
        (["saved_model.pb"], r"without a Keras model.*save\('model\.keras'\)"),
        ([], "a folder; expected MODULE:FUNCTION"),
    ],
)
def test_a_folder_is_refused_with_what_to_do(tmp_path, files, told):
    with pytest.raises(InputError, match=told):
        check_model_file(spec_of(tmp_path, folder_with(tmp_path, *files)))


@pytest.mark.parametrize(
    ("content", "told"),
    [(None, "there is no such file"), (b"hello", "no file of weights"), (b"PK\3\4", "cut off")],
)
def test_what_is_no_file_of_a_model_is_refused_in_one_line(tmp_path, content, told):
    if content is not None:
        (tmp_path / "m.keras").write_bytes(content)
    with pytest.raises(InputError, match=told) as raised:
        check_model_file(spec_of(tmp_path, "m.keras"))
    assert "\n" not in str(raised.value)


def test_weights_without_a_model_are_refused(tmp_path):
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.attrs["layer_names"] = [b"dense"]
        group = file.create_group("dense")
        group.attrs["weight_names"] = [b"dense/kernel:0"]
        group["dense/kernel:0"] = np.zeros((2, 2), np.float32)
    with pytest.raises(InputError, match="it has weights, and no model"):
        check_model_file(spec_of(tmp_path, "w.h5"))


@pytest.mark.parametrize(
    ("keras", "is_file"),
    [("m.keras", True), ("a/m.h5", True), ("saved", True), ("app.keras:build", False)],
)
def test_a_path_of_a_model_is_told_from_a_factory(tmp_path, keras, is_file):
    folder_with(tmp_path)
    assert spec_of(tmp_path, keras).is_model_file is is_file
