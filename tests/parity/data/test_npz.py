"""Reading `.npz` archives from anyone: damage, bombs, pickles and strange names are refused."""

import io
import struct
import zipfile

import numpy as np
import pytest
from helpers import refusal
from hypothesis import given, settings
from hypothesis import strategies as st

from parity.data import npz
from parity.data.npz import read_npz
from parity.errors import InputError

PIXELS = np.arange(12, dtype=np.uint8).reshape(3, 4)


def npy(array, **options):
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream.getvalue()


def archive(path, members, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in members:
            file.writestr(name, content)
    return path


def refused(path, keys=("x",)):
    return refusal(read_npz, path, keys)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data.npz"


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("dtype", ["uint8", ">i4", "float16", "float64"])
def test_arrays_come_back_as_numpy_saved_them(path, save, dtype):
    saved = PIXELS.astype(dtype)
    save(path, x=saved, other=np.zeros(2))
    arrays = read_npz(path, ["x"])
    assert list(arrays) == ["x"]
    assert arrays["x"].dtype == np.dtype(dtype)
    assert arrays["x"].tolist() == saved.tolist()
    assert not arrays["x"].flags.writeable


def test_fortran_order_is_understood(path):
    np.savez(path, x=np.asfortranarray(PIXELS))
    assert read_npz(path, ["x"])["x"].tolist() == PIXELS.tolist()


def test_a_missing_array_is_named_beside_those_that_are_there(path):
    np.savez(path, images=PIXELS, y=PIXELS)
    assert "lacks x (it holds images, y)" in refused(path, ["x", "y"])


def test_python_objects_are_refused_and_not_unpickled(path):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("the pickle was loaded",))

    trap = np.empty(1, object)
    trap[0] = Trap()
    archive(path, [("x.npy", npy(trap, allow_pickle=True))])
    assert "pickle" in refused(path)


def test_a_web_page_is_recognised(path):
    path.write_bytes(b"<html><body>Not found</body></html>")
    assert "web page" in refused(path)


@pytest.mark.parametrize(
    "name", ["../x.npy", "/x.npy", "a/../../x.npy", "C:x.npy", "a\\x.npy", "x\n.npy"]
)
def test_an_unsafe_member_name_is_refused(path, name):
    archive(path, [("x.npy", npy(PIXELS)), (name, b"")])
    assert "has a member named" in refused(path)


@pytest.mark.parametrize("second", ["x.npy", "X.npy"])
@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_an_ambiguous_member_name_is_refused(path, second):
    archive(path, [("x.npy", npy(PIXELS)), (second, npy(PIXELS + 1))])
    assert "two members" in refused(path)


def test_an_encrypted_member_is_refused(path):
    archive(path, [("x.npy", npy(PIXELS))], zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1  # bit 0 of the flags in the directory
    path.write_bytes(content)
    assert "encrypted" in refused(path)


def test_a_rare_compression_is_refused(path):
    archive(path, [("x.npy", npy(PIXELS))], zipfile.ZIP_LZMA)
    assert "rare compression" in refused(path)


def test_a_bomb_is_refused_by_its_compression_ratio(path):
    np.savez_compressed(path, x=np.zeros(2_000_000, np.uint8))
    message = refused(path)
    assert "at most 200 times" in message
    assert "np.savez" in message


def test_sorted_labels_compress_well_and_are_accepted(path):
    labels = np.repeat(np.arange(10), 6000)
    np.savez_compressed(path, x=labels)
    assert path.stat().st_size * npz.MAX_RATIO < labels.nbytes
    assert read_npz(path, ["x"])["x"].tolist() == labels.tolist()


def test_a_declared_size_of_gigabytes_is_refused_unread(path):
    archive(path, [("x.npy", npy(PIXELS)), ("y.npy", npy(PIXELS))], zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    for name in (b"x.npy", b"y.npy"):
        # The directory entry: its name stands 46 bytes after its start, its size 24 bytes after.
        entry = content.rindex(name) - 46
        content[entry + 24 : entry + 28] = struct.pack("<I", 0xF0000000)
    path.write_bytes(content)
    assert "at most 4294967296" in refused(path, ["x", "y"])


@pytest.mark.parametrize("shape", ["(10000000000000,)", "(-3, -4)", "(3, 3)"])
def test_a_shape_that_the_bytes_do_not_fill_is_refused(path, shape):
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}}}".encode().ljust(117)
    content = b"\x93NUMPY\x01\x00" + struct.pack("<H", 118) + header + b"\n" + bytes(12)
    archive(path, [("x.npy", content)])
    assert "stores 12 bytes" in refused(path)


@pytest.mark.parametrize("content", [b"", b"hello", npy(PIXELS)[:20], b"\x93NUMPY\x09\x00abc"])
def test_a_member_that_is_no_array_is_refused(path, content):
    archive(path, [("x.npy", content)])
    assert "has no array in x" in refused(path)


def edited(content, edits, keep):
    for position, replacement in edits:
        content = content[:position] + replacement + content[position + 1 :]
    return content[:keep]


@settings(max_examples=150, deadline=None, database=None)
@given(
    edits=st.lists(st.tuples(st.integers(0, 300), st.binary(max_size=3)), min_size=1, max_size=3),
    keep=st.integers(0, 300),
    inside=st.booleans(),
)
def test_a_mutated_archive_is_read_or_refused_but_never_crashes(
    tmp_path_factory, edits, keep, inside
):
    path = tmp_path_factory.mktemp("fuzz") / "data.npz"
    if inside:  # the array's bytes, under a valid checksum of the archive
        archive(path, [("x.npy", edited(npy(PIXELS), edits, keep))], zipfile.ZIP_STORED)
    else:
        archive(path, [("x.npy", npy(PIXELS))], zipfile.ZIP_STORED)
        path.write_bytes(edited(path.read_bytes(), edits, keep))
    try:
        arrays = read_npz(path, ["x"])
    except InputError:
        return
    assert isinstance(arrays["x"], np.ndarray)


@settings(max_examples=150, deadline=None, database=None)
@given(header=st.text("(){}[]':,<|uifO0123456789e- \ndescrshapefortan_o True", max_size=80))
def test_any_text_in_an_array_header_is_read_or_refused(tmp_path_factory, header):
    path = tmp_path_factory.mktemp("fuzz") / "data.npz"
    text = header.encode() + b"\n"
    content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text
    archive(path, [("x.npy", content)], zipfile.ZIP_STORED)
    assert refused(path)
