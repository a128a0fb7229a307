"""Reading IDX files: what is accepted, and that everything else is refused in one line."""

import gzip
import struct

import numpy as np
import pytest
from helpers import refusal
from hypothesis import given, settings
from hypothesis import strategies as st
from rows import each_row

from parity.data.sources import IDX_FILES, read_idx, read_idx_folder
from parity.errors import InputError

# Two images of 2 by 3 pixels, written by hand: magic, three dimensions, twelve bytes.
IMAGES = bytes.fromhex("00000803 00000002 00000002 00000003") + bytes(range(12))
LABELS = bytes.fromhex("00000801 00000002") + bytes([7, 1])


@each_row("content", [IMAGES, gzip.compress(IMAGES)])
@each_row("name", ["images", "images-idx3-ubyte"])
def test_images_are_read_row_by_row(tmp_path, content, name):
    (tmp_path / name).write_bytes(content)
    images = read_idx(tmp_path / name, 3)
    assert (images.dtype, images.flags.writeable) == (np.uint8, False)
    assert images.tolist() == [[[0, 1, 2], [3, 4, 5]], [[6, 7, 8], [9, 10, 11]]]


def sized(*sizes):
    """A file of images that declares other sizes."""
    return IMAGES[:4] + struct.pack(">3I", *sizes)


PAGE = b"\n<!DOCTYPE html><html>404</html>"
# Stored without compression, so that a flip hits a pixel and not the code of deflate.
STORED = gzip.compress(IMAGES, compresslevel=0)
REFUSED_EVERYWHERE = [
    (IMAGES + b"\0", "more than the 12 bytes"),
    *((bytes.fromhex(magic) + IMAGES[4:], f"0x{magic}") for magic in ("00000801", "00000d03")),
    (bytes.fromhex("01000803") + IMAGES[4:], "0x00000803"),
    (sized(0, 2, 3), "empty shape"),
    (sized(2**32 - 1, 2**32 - 1, 2**32 - 1), "at most 1073741824"),
]


@each_row(
    ("name", "content", "message"),
    [
        ("images.gz", gzip.compress(IMAGES)[:-9], "ends in the middle"),
        (
            "images.gz",
            STORED.replace(bytes(range(12)), b"\1" + bytes(range(1, 12))),
            "CRC check failed",
        ),
        ("images.gz", PAGE, "web page"),
        ("images.gz", IMAGES, "is not gzip data"),
        ("images.gz", gzip.compress(sized(1000, 1000, 1000) + bytes(100)), "too short"),
        ("images.gz", gzip.compress(IMAGES + bytes(50_000_000)), "more than the 12 bytes"),
        ("images.gz", None, "No such file"),
        ("images", PAGE, "web page"),
        *(("images", *row) for row in REFUSED_EVERYWHERE),
        *(("images.gz", gzip.compress(content), text) for content, text in REFUSED_EVERYWHERE),
    ],
)
def test_what_is_no_such_file_is_refused(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert message in refusal(read_idx, tmp_path / name, 3)


def test_a_folder_may_hold_plain_and_gzipped_files(tmp_path):
    for number, (name, ndim) in enumerate(IDX_FILES.values()):
        content = IMAGES if ndim == 3 else LABELS
        path = tmp_path / (name if number % 2 else f"{name}.gz")
        path.write_bytes(content if number % 2 else gzip.compress(content))
    arrays = read_idx_folder(tmp_path)
    assert list(arrays) == ["x_train", "y_train", "x_test", "y_test"]
    assert (arrays["x_test"].shape, arrays["y_test"].tolist()) == ((2, 2, 3), [7, 1])


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
    content = gzip.compress(content[:keep]) if gzipped == "after the edits" else content[:keep]
    path = tmp_path_factory.mktemp("fuzz") / "images"
    path.write_bytes(content)
    try:
        images = read_idx(path, 3)
    except InputError:
        return
    assert (images.ndim, images.size > 0) == (3, True)
