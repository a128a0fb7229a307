"""The path of a whole model is looked at before any framework is imported."""

import h5py
import numpy as np
import pytest

from parity.errors import InputError
from parity.programs.check_spec import CheckSpec
from parity.runs.check import check_all
from parity.runs.check_halves import CheckOptions
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


_PORT = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, last):
        super().__init__()
        self.first, self.second, self.last = nn.Linear(3, 4), nn.Linear(4, 2), last

    def forward(self, x):
        return self.second(self.last(self.first(x)))


def right():
    return Net(torch.tanh)


def wrong():
    return Net(torch.sigmoid)
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A compiled model in both forms, beside a right and a wrong port."""
    import keras

    folder = tmp_path_factory.mktemp("saved")
    keras.utils.set_random_seed(2)
    layers = [keras.layers.Dense(4, activation="tanh"), keras.layers.Dense(2)]
    model = keras.Sequential([keras.Input((3,)), *layers])
    model.compile("sgd", "mse")
    for name in ("m.keras", "m.h5"):
        model.save(folder / name)
    (folder / "port.py").write_text(_PORT, encoding="utf-8")
    return folder


def test_a_check_takes_the_file_of_a_model(saved):
    specs = [
        CheckSpec(keras=form, torch=f"port.py:{name}", folder=str(saved), steps=1)
        for form, name in (("m.keras", "right"), ("m.keras", "wrong"), ("m.h5", "wrong"))
    ]
    results = check_all(specs, CheckOptions(levels=("structure", "forward")))
    found = [{level.id: level.status for level in each.levels} for each in results]
    assert [each["structure"] for each in found] == ["pass"] * 3
    assert [each["forward"] for each in found] == ["pass", "fail", "fail"]


def test_a_check_refuses_what_is_no_file_of_a_model_and_starts_no_child(tmp_path):
    spec = CheckSpec(keras="none.keras", torch="port.py:right", folder=str(tmp_path))
    with pytest.raises(InputError, match=r"none\.keras: there is no such file"):
        check_all([spec], CheckOptions())
