"""What is accepted as data, and that everything else is refused with a way out."""

import gzip
import struct

import numpy as np
import pytest
from rows import each_row

from parity.data.dataset import MAX_CLASSES
from parity.data.sources import check_arrays, open_source
from parity.errors import InputError


def arrays(**changes):
    """A data set of six training and three test images, 2 by 2, classes 0..2."""
    return {
        "x_train": np.arange(24, dtype=np.uint8).reshape(6, 2, 2),
        "y_train": np.array([0, 1, 2, 0, 1, 2], np.uint8),
        "x_test": np.arange(12, dtype=np.uint8).reshape(3, 2, 2),
        "y_test": np.array([2, 1, 0], np.uint8),
    } | changes


def refused(**changes):
    with pytest.raises(InputError) as error:
        check_arrays(arrays(**changes), "mine.npz")
    message = str(error.value)
    assert "\n" not in message
    assert "mine.npz" in message
    assert "expected" in message
    return message


def test_images_get_a_channel_and_labels_become_int64():
    source = check_arrays(arrays(), "mine.npz")
    assert source.x_train.shape == (6, 2, 2, 1)
    assert source.x_train.dtype == np.uint8
    assert source.y_test.dtype == np.int64
    assert source.y_test.tolist() == [2, 1, 0]
    assert source.num_classes == 3
    assert source.name == "mine.npz"


def test_floats_up_to_255_are_refused_with_both_remedies():
    message = refused(x_train=np.full((6, 2, 2), 255.0))
    assert "up to 255" in message
    assert "divide" in message
    assert "uint8" in message


@each_row("value", [np.nan, np.inf, -np.inf])
def test_a_pixel_that_is_no_number_is_refused(value):
    images = np.zeros((3, 2, 2), np.float32)
    images[1, 0, 1] = value
    assert "x_test of mine.npz has pixels that are NaN or infinite" in refused(x_test=images)


def test_a_negative_pixel_is_refused():
    images = np.zeros((6, 2, 2), np.float32)
    images[5, 1, 1] = -0.5
    assert "down to -0.5" in refused(x_train=images)


@each_row("dtype", ["int64", "bool", "complex64", "U3"])
def test_images_of_another_dtype_are_refused(dtype):
    assert "expected uint8" in refused(x_train=np.zeros((6, 2, 2), dtype))


@each_row("shape", [(6, 4), (6, 2, 2, 1, 1), (6, 0, 2), (0, 2, 2), ()])
def test_images_of_another_rank_or_without_pixels_are_refused(shape):
    assert "(N, H, W)" in refused(x_train=np.zeros(shape, np.uint8))


def test_parts_whose_images_differ_in_shape_are_refused():
    assert "(2, 2, 1) in x_train but (2, 3, 1)" in refused(x_test=np.zeros((3, 2, 3), np.uint8))


def test_a_label_too_few_is_refused():
    assert "6 images but y_train has 5 labels" in refused(y_train=np.array([0, 1, 2, 0, 1]))


@each_row("dtype", ["float32", "bool", "U1"])
def test_labels_of_another_dtype_are_refused(dtype):
    assert "integer labels" in refused(y_train=np.ones(6, dtype))


def test_one_hot_labels_are_refused_with_the_remedy():
    assert "argmax" in refused(y_train=np.eye(6, dtype=np.int64))


def test_an_empty_list_of_labels_is_refused():
    assert "is empty" in refused(y_test=np.zeros(0, np.int64))


@each_row("label", [-1, MAX_CLASSES, 2**62])
def test_labels_outside_their_range_are_refused(label):
    assert f"{label}" in refused(y_train=np.array([0, 1, 2, 0, 1, label]))


@each_row("label", [0, 5])
def test_training_data_of_one_class_are_refused(label):
    assert f"one class only (label {label})" in refused(y_train=np.full(6, label))


def test_a_folder_of_idx_files_is_a_source(tmp_path):
    files = {"train-images-idx3-ubyte": 6, "t10k-images-idx3-ubyte": 3}
    for name, count in files.items():
        header = b"\0\0\x08\x03" + struct.pack(">3I", count, 2, 2)
        (tmp_path / name).write_bytes(header + bytes(range(4 * count)))
        labels = b"\0\0\x08\x01" + struct.pack(">I", count) + bytes([0, 1, 2] * (count // 3))
        labels_name = name.replace("images-idx3", "labels-idx1")
        (tmp_path / f"{labels_name}.gz").write_bytes(gzip.compress(labels))
    source = open_source(str(tmp_path))
    assert source.x_train[5].ravel().tolist() == [20, 21, 22, 23]
    assert source.y_test.tolist() == [0, 1, 2]
    assert source.name == str(tmp_path)


def test_an_archive_is_a_source(tmp_path):
    path = tmp_path / "mine.npz"
    np.savez(path, **arrays())
    assert open_source(path).y_train.tolist() == [0, 1, 2, 0, 1, 2]


@each_row("name", ["nothing", "nothing.npz", "folder/nothing"])
def test_a_source_that_is_not_there_is_refused_with_the_choices(name):
    with pytest.raises(InputError, match="does not exist; expected embedded, mnist, a folder"):
        open_source(name)


def test_a_file_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("1,2,3")
    with pytest.raises(InputError, match="another kind"):
        open_source(path)
