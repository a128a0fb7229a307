"""The split of a source into the six arrays of a run."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parity.data import load_data
from parity.errors import InputError


@pytest.fixture(scope="module")
def numbered(tmp_path_factory):
    """A source of 12 training and 4 test images of one pixel, which is the image's number."""
    path = tmp_path_factory.mktemp("source") / "numbered.npz"
    np.savez(
        path,
        x_train=np.arange(12, dtype=np.uint8).reshape(12, 1, 1),
        y_train=np.arange(12) % 3,
        x_test=np.arange(100, 104, dtype=np.uint8).reshape(4, 1, 1),
        y_test=np.array([0, 1, 2, 0]),
    )
    return path


def numbers(images):
    """Which images of the source these are."""
    return np.rint(images.ravel() * 255).astype(int).tolist()


def refused(numbered, **options):
    with pytest.raises(InputError) as error:
        load_data(numbered, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_the_embedded_data_are_the_default():
    data = load_data()
    assert data.source == "embedded"
    assert data.input_shape == (28, 28, 1)
    assert data.num_classes == 10
    assert [len(x) for x in (data.x_train, data.x_val, data.x_test)] == [5000, 1000, 2000]


def test_the_contract_on_types_shapes_and_ranges():
    data = load_data("embedded", train=20, val=10, test=5, seed=42)
    for x, y, count in (
        (data.x_train, data.y_train, 20),
        (data.x_val, data.y_val, 10),
        (data.x_test, data.y_test, 5),
    ):
        assert (x.dtype, x.shape) == (np.float32, (count, 28, 28, 1))
        assert (y.dtype, y.shape) == (np.int64, (count,))
        assert x.min() == 0
        assert 0.9 < x.max() <= 1


def test_a_byte_becomes_its_quotient_by_255_in_float32(tmp_path):
    path = tmp_path / "all.npz"
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    two = np.concatenate([pixels, pixels])
    np.savez(path, x_train=two, y_train=[0, 1], x_test=two, y_test=[0, 1])
    expected = [np.float32(p) / np.float32(255) for p in range(256)]
    assert load_data(path).x_test[0].ravel().tolist() == [float(value) for value in expected]


def test_floats_are_taken_as_they_are(tmp_path):
    path = tmp_path / "floats.npz"
    pixels = np.array([0.1, 1.0, 0.0]).reshape(3, 1, 1)
    np.savez(path, x_train=pixels, y_train=[0, 1, 1], x_test=pixels, y_test=[0, 1, 1])
    expected = [float(np.float32(0.1)), 1.0, 0.0]
    assert load_data(path).x_test.ravel().tolist() == expected


def test_a_random_split_is_numpys_permutation(numbered):
    data = load_data(numbered, train=5, val=3, seed=7)
    order = np.random.default_rng(7).permutation(12).tolist()
    assert numbers(data.x_train) == order[:5]
    assert numbers(data.x_val) == order[5:8]
    assert data.y_train.tolist() == [number % 3 for number in order[:5]]
    assert numbers(data.x_test) == [100, 101, 102, 103]


def test_a_larger_training_set_of_the_same_seed_begins_with_the_smaller(numbered):
    small, large = (load_data(numbered, train=n, val=2, seed=1) for n in (4, 8))
    assert numbers(large.x_train)[:4] == numbers(small.x_train)


def test_another_seed_is_another_split(numbered):
    assert load_data(numbered, seed=1).sha256 != load_data(numbered, seed=2).sha256


def test_the_last_split_is_the_rule_of_keras(numbered):
    data = load_data(numbered, train=5, val=3, seed=7, split="last")
    assert numbers(data.x_train) == [0, 1, 2, 3, 4]
    assert numbers(data.x_val) == [5, 6, 7]


def test_without_sizes_a_sixth_is_validation_and_the_rest_training(numbered):
    data = load_data(numbered, split="last")
    assert numbers(data.x_train) == list(range(10))
    assert numbers(data.x_val) == [10, 11]


def test_without_a_training_size_all_but_validation_is_training(numbered):
    assert len(load_data(numbered, val=1).x_train) == 11


def test_the_first_test_images_are_used(numbered):
    data = load_data(numbered, test=2)
    assert numbers(data.x_test) == [100, 101]
    assert data.y_test.tolist() == [0, 1]


@settings(max_examples=40, deadline=None, database=None)
@given(
    train=st.integers(1, 11),
    val=st.integers(1, 11),
    seed=st.integers(0, 2**32),
    split=st.sampled_from(["random", "last"]),
)
def test_training_and_validation_never_overlap(numbered, train, val, seed, split):
    if train + val > 12:
        assert "has 12 images" in refused(numbered, train=train, val=val, split=split)
        return
    data = load_data(numbered, train=train, val=val, seed=seed, split=split)
    used = numbers(data.x_train) + numbers(data.x_val)
    assert len(set(used)) == len(used) == train + val


def test_numpys_global_state_is_neither_read_nor_changed(numbered):
    np.random.seed(1)
    before = np.random.get_state()[1].tolist()
    first = load_data(numbered, seed=3).sha256
    assert np.random.get_state()[1].tolist() == before
    np.random.seed(2)
    assert load_data(numbered, seed=3).sha256 == first


def test_arrays_are_contiguous_and_cannot_be_changed(numbered):
    data = load_data(numbered)
    for _, array in data.arrays():
        assert array.flags.c_contiguous
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


@pytest.mark.parametrize("name", ["train", "val", "test"])
@pytest.mark.parametrize("size", [0, -1])
def test_an_empty_part_is_refused(numbered, name, size):
    assert f"{name} is {size}; expected at least 1" in refused(numbered, **{name: size})


@pytest.mark.parametrize("value", [2.0, "2", True])
@pytest.mark.parametrize("name", ["train", "val", "test", "seed"])
def test_a_size_or_seed_that_is_no_whole_number_is_refused(numbered, name, value):
    assert f"{name} is {value!r}; expected an integer" in refused(numbered, **{name: value})


def test_a_numpy_integer_is_a_whole_number(numbered):
    assert len(load_data(numbered, train=np.int64(4)).x_train) == 4


@pytest.mark.parametrize("sizes", [{"train": 12}, {"val": 12}, {"train": 11, "val": 2}])
def test_more_training_images_than_there_are_is_refused(numbered, sizes):
    assert "has 12 images; expected at least train + val" in refused(numbered, **sizes)


def test_more_test_images_than_there_are_is_refused(numbered):
    assert "has 4 images; expected at least test = 5" in refused(numbered, test=5)


def test_a_negative_seed_is_refused(numbered):
    assert "seed is -1" in refused(numbered, seed=-1)


def test_an_unknown_split_is_refused_with_the_choices(numbered):
    assert "random, last" in refused(numbered, split="first")


def test_wrong_sizes_are_told_before_the_source_is_looked_at():
    with pytest.raises(InputError, match="train is 0"):
        load_data("nothing.npz", train=0)


def test_each_array_has_its_hash_by_name(numbered):
    hashes = load_data(numbered).sha256
    assert list(hashes) == ["x_train", "y_train", "x_val", "y_val", "x_test", "y_test"]
    assert all(len(digest) == 64 for digest in hashes.values())


def test_importing_the_module_imports_neither_a_framework_nor_the_network():
    script = (
        "import sys; before = set(sys.modules); import numpy; import parity.data\n"
        "late = {'torch', 'tensorflow', 'keras', 'safetensors', 'urllib.request', 'zipfile'}\n"
        "print(sorted(late & (set(sys.modules) - before)))"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment
    )
    assert result.stdout == "[]\n"
