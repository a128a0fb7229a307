"""Reading IDX files: what is accepted, and that everything else is refused in one line."""

import gzip
import struct

import numpy as np
import pytest
from helpers import refusal
from hypothesis import given, settings
from hypothesis import strategies as st

from parity.data.idx import IDX_FILES, find_idx, read_idx, read_idx_folder
from parity.errors import InputError

# Two images of 2 by 3 pixels, written by hand: magic, three dimensions, twelve bytes.
IMAGES = bytes.fromhex("00000803 00000002 00000002 00000003") + bytes(range(12))
LABELS = bytes.fromhex("00000801 00000002") + bytes([7, 1])


def refused(path, ndim=3):
    return refusal(read_idx, path, ndim)


@pytest.fixture
def write(tmp_path):
    def write(content, name="images"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


@pytest.mark.parametrize("content", [IMAGES, gzip.compress(IMAGES)], ids=["plain", "gzipped"])
@pytest.mark.parametrize("name", ["images", "images-idx3-ubyte"])
def test_images_are_read_row_by_row(write, content, name):
    images = read_idx(write(content, name), 3)
    assert images.dtype == np.uint8
    assert images.tolist() == [[[0, 1, 2], [3, 4, 5]], [[6, 7, 8], [9, 10, 11]]]
    assert not images.flags.writeable


def test_a_truncated_gzip_file_is_refused(write):
    assert "ends in the middle" in refused(write(gzip.compress(IMAGES)[:-9], "images.gz"))


@pytest.mark.parametrize("wrap", [bytes, gzip.compress], ids=["plain", "gzipped"])
def test_a_byte_too_many_is_refused(write, wrap):
    assert "more than the 12 bytes" in refused(write(wrap(IMAGES + b"\0")))


def test_a_flipped_bit_is_found_by_the_checksum_of_gzip(write):
    # Stored without compression, so that the flip hits a pixel and not the code of deflate.
    content = bytearray(gzip.compress(IMAGES, compresslevel=0))
    content[content.index(bytes(range(12)))] ^= 1
    assert "CRC check failed" in refused(write(bytes(content), "images.gz"))


@pytest.mark.parametrize("name", ["images.gz", "images"])
def test_a_web_page_is_recognised(write, name):
    assert "web page" in refused(write(b"\n<!DOCTYPE html><html>404</html>", name))


def test_a_gz_name_with_other_content_is_refused(write):
    assert "is not gzip data" in refused(write(IMAGES, "images.gz"))


@pytest.mark.parametrize("wrap", [bytes, gzip.compress], ids=["plain", "gzipped"])
@pytest.mark.parametrize(
    ("magic", "reason"),
    [("00000801", "labels in place of images"), ("00000d03", "floats"), ("01000803", "no IDX")],
)
def test_a_wrong_magic_number_is_named_beside_the_right_one(write, wrap, magic, reason):
    message = refused(write(wrap(bytes.fromhex(magic) + IMAGES[4:])))
    assert f"0x{magic}" in message, reason
    assert "0x00000803" in message


def test_an_empty_shape_is_refused(write):
    assert "empty shape" in refused(write(IMAGES[:4] + struct.pack(">3I", 0, 2, 3)))


@pytest.mark.parametrize("wrap", [bytes, gzip.compress], ids=["plain", "gzipped"])
def test_an_absurd_size_is_refused_before_anything_is_allocated(write, wrap):
    declared = struct.pack(">3I", 2**32 - 1, 2**32 - 1, 2**32 - 1)
    assert "at most 1073741824" in refused(write(wrap(IMAGES[:4] + declared)))


def test_a_size_that_no_gzip_file_of_this_length_can_hold_is_refused(write):
    declared = struct.pack(">3I", 1000, 1000, 1000)
    assert "too short" in refused(write(gzip.compress(IMAGES[:4] + declared + bytes(100))))


def test_a_bomb_is_not_unpacked_beyond_its_declared_size(write):
    bomb = gzip.compress(IMAGES + bytes(50_000_000))
    assert "more than the 12 bytes" in refused(write(bomb))


def test_a_file_that_is_not_there_is_named(tmp_path):
    assert "No such file" in refused(tmp_path / "images.gz")


def test_a_folder_in_place_of_a_file_is_named(tmp_path):
    (tmp_path / "images.gz").mkdir()
    assert "directory" in refused(tmp_path / "images.gz")


def test_a_folder_may_hold_plain_and_gzipped_files(tmp_path):
    for number, (name, ndim) in enumerate(IDX_FILES.values()):
        content = IMAGES if ndim == 3 else LABELS
        if number % 2:
            (tmp_path / name).write_bytes(content)
        else:
            (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content))
    arrays = read_idx_folder(tmp_path)
    assert list(arrays) == ["x_train", "y_train", "x_test", "y_test"]
    assert arrays["x_test"].shape == (2, 2, 3)
    assert arrays["y_test"].tolist() == [7, 1]


def test_the_gzipped_file_is_taken_when_both_are_there(tmp_path):
    name, _ = IDX_FILES["y_test"]
    (tmp_path / name).write_bytes(LABELS)
    (tmp_path / f"{name}.gz").write_bytes(gzip.compress(LABELS))
    assert find_idx(tmp_path, "y_test") == tmp_path / f"{name}.gz"


def test_a_folder_with_files_missing_names_them(tmp_path):
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(LABELS)
    with pytest.raises(InputError, match="lacks train-images-idx3-ubyte, train-labels-idx1-ubyte"):
        read_idx_folder(tmp_path)


@settings(max_examples=150, deadline=None, database=None)
@given(
    edits=st.lists(st.tuples(st.integers(0, 80), st.binary(max_size=3)), min_size=1, max_size=3),
    keep=st.integers(0, 80),
    gzipped=st.sampled_from(["no", "before the edits", "after the edits"]),
)
def test_a_mutated_file_is_read_or_refused_but_never_crashes(
    tmp_path_factory, edits, keep, gzipped
):
    content = gzip.compress(IMAGES) if gzipped == "before the edits" else IMAGES
    for position, replacement in edits:
        content = content[:position] + replacement + content[position + 1 :]
    content = content[:keep]
    path = tmp_path_factory.mktemp("fuzz") / "images"
    path.write_bytes(gzip.compress(content) if gzipped == "after the edits" else content)
    try:
        images = read_idx(path, 3)
    except InputError:
        return
    assert images.ndim == 3
    assert images.size > 0
