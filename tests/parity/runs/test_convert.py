"""Weights go from a file into a module and back, by the children that a user's command starts."""

import numpy as np
import pytest
import torch
from damaged_weights import _archive, _with_layer
from rows import each_row
from safetensors.numpy import load_file
from weight_files import build, inputs, values, weight_files

from parity.errors import InputError
from parity.runs.convert import Conversion, check_ending, convert, optimizer_path, pairs_of
from parity.weights.read import read_weights

PORT = """
from torch import nn
from torch_impl import Port, optim

def build():
    return nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4), nn.Linear(4, 4))

def trained():
    net = build()
    return Port(net, optimizer=optim.SGD(net.parameters(), learning_rate=0.1, momentum=0.9))

def deep():
    return nn.Sequential(nn.Linear(4, 4))
"""
KERAS = """
import keras

def build():
    return keras.models.load_model({path!r})
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return weight_files(tmp_path_factory)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "port.py").write_text(PORT)
    return tmp_path


def given(files, folder, name="rows.keras", torch="port.py:build", **settings):
    source = settings.pop("weights", files / name)
    made = {"out": folder / "model.safetensors", "folder": folder, **settings}
    return Conversion(weights=source, torch=torch, **made)


def test_there_and_back_is_bit_by_bit_the_same_and_keras_loads_it(files, folder):
    there = given(files, folder, torch="port.py:trained", optimizer=True)
    done = convert(there)
    assert done.problems == []
    assert done.error < 1e-12
    assert done.optimizer["slots"] == ["momentum"]
    assert torch.load(optimizer_path(there.out), weights_only=True)["state"]
    theirs = values(files, "rows")
    assert np.array_equal(load_file(there.out)["2.weight"], theirs["dense_1/kernel"].T)
    # Other weights, so that what comes back cannot be what was there.
    state = {key: array * 2 for key, array in load_file(there.out).items()}
    torch.save({k: torch.from_numpy(v) for k, v in state.items()}, folder / "twice.pt")
    back = given(
        files,
        folder,
        weights=folder / "twice.pt",
        like=files / "rows.weights.h5",
        config=files / "rows.json",
        out=folder / "back.weights.h5",
    )
    assert convert(back).problems == []
    before, after = read_weights(files / "rows.weights.h5"), read_weights(back.out)
    assert before.keys() == after.keys()
    assert all(np.array_equal(after[key], 2 * before[key]) for key in before)
    model = build("rows")
    model.optimizer.build(model.trainable_variables)  # the file has its state, too
    model.load_weights(back.out)
    x = inputs("rows")
    expected = np.tanh(x @ (2 * theirs["dense/kernel"]) + 2 * theirs["dense/bias"])
    for layer in ("dense_1", "dense_2"):
        expected = expected @ (2 * theirs[f"{layer}/kernel"]) + 2 * theirs[f"{layer}/bias"]
    # Float32, numbers up to 50.
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-4, atol=1e-4)


def test_a_module_of_another_size_is_told_so(files, folder):
    done = convert(given(files, folder, torch="port.py:deep"))
    assert not done.is_written
    assert any("no place in the module" in problem for problem in done.problems)
    assert not (folder / "model.safetensors").exists()


def test_pairs_name_each_layer_once():
    assert pairs_of(["a=x.0", "b=y"]) == {"a": "x.0", "b": "y"}


@each_row(
    "pairs, message",
    [*(([text], "--map") for text in ("a", "a=", "=b", "")), (["a=x", "a=y"], "each layer once")],
)
def test_pairs_of_another_form_are_refused(pairs, message):
    with pytest.raises(InputError, match=message):
        pairs_of(pairs)


def test_the_optimizer_lies_beside_the_weights(tmp_path):
    assert optimizer_path(tmp_path / "a.safetensors") == tmp_path / "a.optimizer.pt"
    assert optimizer_path(tmp_path / "a.bin") == tmp_path / "a.bin.optimizer.pt"


@pytest.mark.parametrize(
    ("form", "out"),
    [(".weights.h5", "a.weights.h5"), (".h5", "a.h5"), (".h5", "a.hdf5"), (".h5", "weights.h5")],
)
def test_the_ending_by_which_keras_knows_the_form_is_taken(form, out, tmp_path):
    check_ending(tmp_path / out, tmp_path / "like.h5", form)


@pytest.mark.parametrize(
    ("form", "out", "message"),
    [
        *(
            (form, out, rf"{out}: expected the ending \{form},")
            for form, out in (
                (".h5", "a.weights.h5"),
                (".weights.h5", "a.h5"),
                (".weights.h5", "a.hdf5"),
                (".h5", "a.safetensors"),
                (".weights.h5", "weights.h5"),
                (".h5", "a.keras"),
            )
        ),
        *(
            (form, "a.weights.h5", r"expected a \.weights\.h5 or \.h5 of the model, not a ")
            for form in (".keras", "checkpoint", "bundle")
        ),
    ],
)
def test_another_form_is_refused_before_anything_is_computed(form, out, message, tmp_path):
    with pytest.raises(InputError, match=message):
        check_ending(tmp_path / out, tmp_path / "like.h5", form)


def _class(layers):
    layers[-1]["config"]["activation"] = {"module": "os", "class_name": "system", "config": "true"}


def _repeat(layers):
    config = {"name": "again", "n": 10**9}
    built = {"input_shape": [None, 4]}
    layers.append({"class_name": "RepeatVector", "config": config, "build_config": built})


def _units(layers):
    layers[-1]["config"]["units"] = 10**12


@pytest.mark.parametrize("change", [None, _units, _repeat, _class])
def test_a_damaged_or_hostile_file_is_refused_in_one_line_and_leaves_nothing(change, files, folder):
    path = folder / "given.keras"
    if change is None:
        path.write_bytes((files / "rows.keras").read_bytes()[:-300])
    else:
        _archive(files, path, _with_layer(files, change))
    with pytest.raises(InputError) as caught:
        convert(given(files, folder, weights=path))
    assert "\n" not in str(caught.value)
    assert not (folder / "model.safetensors").exists()


def test_code_in_a_state_dict_is_not_run(files, folder):
    mark = folder / "mark"
    (folder / "state.pt").write_bytes(f"cos\nsystem\n(S'touch {mark}'\ntR.".encode())
    settings = {"like": files / "rows.h5", "out": folder / "back.h5"}
    back = given(files, folder, weights=folder / "state.pt", **settings)
    with pytest.raises(InputError, match="no state_dict"):
        convert(back)
    assert not mark.exists()
