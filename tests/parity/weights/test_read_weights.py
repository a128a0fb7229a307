"""Weights are read from every form bit by bit as Keras has them."""

import h5py
import numpy as np
import pytest
from weight_files import CHECKPOINT, FORMS, MODELS, values, weight_files

from parity.errors import InputError
from parity.weights.read import read_stored, read_weights


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return weight_files(tmp_path_factory)


def path_of(array):
    """Keras's path of a weight, as far as the file says it."""
    if array.name:
        path = array.name if "/" in array.name else f"{array.holder}/{array.name}"
        return path.removeprefix("sequential/")
    return array.holder


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", MODELS)
def test_every_weight_has_the_bits_and_the_name_of_keras(name, form, files, tmp_path):
    stored = read_stored(files / f"{name}{form}", tmp_path)
    theirs = values(files, name)
    assert len(stored.weights) == len(theirs)
    for array in stored.weights:
        path = path_of(array)
        own = [value for key, value in theirs.items() if key.rpartition("/")[0] == path]
        value = array.load()
        expected = theirs[path] if path in theirs else own[array.number]
        assert value.dtype == expected.dtype == array.dtype
        assert value.shape == array.shape
        assert np.array_equal(value, expected)


@pytest.mark.parametrize("form", FORMS[:3])
@pytest.mark.parametrize("name", MODELS)
def test_the_slots_of_the_optimizer_come_in_its_order(name, form, files, tmp_path):
    stored = read_stored(files / f"{name}{form}", tmp_path)
    with np.load(files / f"{name}_slots.npz") as theirs:
        expected = [theirs[key] for key in sorted(theirs.files)]
    for array, value in zip(stored.slots, expected, strict=True):
        assert np.array_equal(array.load(), value), array.key


def test_numbers_in_bfloat16_are_read_exactly(tmp_path):
    with h5py.File(tmp_path / "a.weights.h5", "w") as file:
        group = file.create_group("layers/dense/vars")
        bits = np.array([0x3F80, 0xC040, 0x7F80], np.uint16)  # 1, -3 and infinity
        group.create_dataset("0", data=bits.view("V2"))
        group["0"].attrs["dtype"] = "bfloat16"
    (array,) = read_weights(tmp_path / "a.weights.h5").values()
    assert (array.dtype, array.tolist()) == (np.float32, [1.0, -3.0, np.inf])


def test_a_file_of_keras_2_is_read_by_its_lists(tmp_path):
    """As `model.save_weights("x.h5")` of Keras 2 writes it: layers in the root, names with `:0`."""
    with h5py.File(tmp_path / "old.h5", "w") as file:
        file.attrs["layer_names"] = np.array([b"dense", b"flatten"])
        group = file.create_group("dense")
        group.attrs["weight_names"] = np.array([b"dense/kernel:0", b"dense/bias:0"])
        group["dense/kernel:0"] = np.arange(6.0, dtype="f4").reshape(2, 3)
        group["dense/bias:0"] = np.zeros(3, "f4")
        file.create_group("flatten").attrs["weight_names"] = np.zeros(0)
    stored = read_stored(tmp_path / "old.h5", tmp_path)
    assert [(a.name, a.shape) for a in stored.weights] == [
        ("dense/kernel", (2, 3)),
        ("dense/bias", (3,)),
    ]
    assert stored.config is None


def test_a_layer_whose_name_has_slashes_is_in_groups_of_groups(tmp_path):
    """As in the file of keras.applications.DenseNet121."""
    with h5py.File(tmp_path / "old.h5", "w") as file:
        file.attrs["layer_names"] = np.array([b"conv1/conv", b"conv1/bn"])
        for layer, name in (("conv1/conv", "kernel"), ("conv1/bn", "gamma")):
            group = file.create_group(layer)
            group.attrs["weight_names"] = np.array([f"{layer}/{name}:0".encode()])
            group[f"{layer}/{name}:0"] = np.arange(3.0, dtype="f4")
    assert [(a.holder, a.name) for a in read_stored(tmp_path / "old.h5", tmp_path).weights] == [
        ("conv1/conv", "conv1/conv/kernel"),
        ("conv1/bn", "conv1/bn/gamma"),
    ]
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file.attrs["layer_names"] = np.array([b"conv2/bn"])
    with pytest.raises(InputError, match="no group of the layer 'conv2'"):
        read_stored(tmp_path / "other.h5", tmp_path)


@pytest.mark.parametrize("name", MODELS)
def test_a_checkpoint_has_the_slots_of_the_optimizer_in_its_order(name, files, tmp_path):
    """Its weights are, in part, the trained variables of the optimizer."""
    stored = read_stored(files / f"{name}{CHECKPOINT}", tmp_path)
    assert len(stored.weights) == len(values(files, name))
    with np.load(files / f"{name}_slots.npz") as theirs:
        assert len(stored.slots) == len(theirs.files)
        for slot, key in zip(stored.slots, sorted(theirs.files), strict=True):
            assert np.array_equal(slot.load(), theirs[key]), slot.key


@pytest.mark.parametrize("name", ["none.keras", "none.h5", "none"])
def test_a_missing_file_is_told_in_one_line(name, tmp_path):
    with pytest.raises(InputError, match="there is no such file"):
        read_weights(tmp_path / name)


def test_the_prefix_and_the_index_of_a_checkpoint_mean_the_same(files):
    folder = files / "rows_saved_model"
    one, two, three = (
        read_weights(path)
        for path in (
            folder,
            folder / "variables" / "variables",
            folder / "variables" / "variables.index",
        )
    )
    assert one.keys() == two.keys() == three.keys()
    assert len(one) == 6
