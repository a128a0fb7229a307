"""Reading `.npz` archives from anyone: damage, bombs, pickles and strange names are refused."""

import io
import struct
import zipfile

import numpy as np
import pytest
from helpers import refusal
from hypothesis import given, settings
from hypothesis import strategies as st
from rows import each_row

from parity.data import sources
from parity.data.sources import read_npz
from parity.errors import InputError

PIXELS = np.arange(12, dtype=np.uint8).reshape(3, 4)


def npy(array, **options):
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream.getvalue()


def archive(folder, members, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(folder / "data.npz", "w", compression) as file:
        for name, content in members:
            file.writestr(name, content)
    return folder / "data.npz"


# Sorted labels compress well, and are accepted.
LABELS = np.repeat(np.arange(10), 6000)


@each_row(
    "saved",
    [
        *(PIXELS.astype(dtype) for dtype in ("uint8", ">i4", "float16", "float64")),
        np.asfortranarray(PIXELS),
        LABELS,
    ],
)
def test_arrays_come_back_as_numpy_saved_them(tmp_path, saved):
    paths = tmp_path / "plain.npz", tmp_path / "packed.npz"
    for save, path in zip((np.savez, np.savez_compressed), paths, strict=True):
        save(path, x=saved, other=np.zeros(2))
        ((name, found),) = read_npz(path, ["x"]).items()
        assert (name, found.dtype, found.flags.writeable) == ("x", saved.dtype, False)
        assert found.tolist() == saved.tolist()
    if saved is LABELS:
        assert paths[1].stat().st_size * sources.MAX_RATIO < saved.nbytes


class Trap:
    """What no pickle may be loaded for."""

    def __reduce__(self):
        return (pytest.fail, ("the pickle was loaded",))


def with_header(text, content=b""):
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + content


def of_shape(shape):
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}}}".encode().ljust(117)
    return with_header(text + b"\n", bytes(12))


PLAIN = ("x.npy", npy(PIXELS))
UNSAFE = ("../x.npy", "/x.npy", "a/../../x.npy", "C:x.npy", "a\\x.npy", "x\n.npy")


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
@each_row(
    ("members", "options", "message"),
    [
        ([("images.npy", npy(PIXELS)), ("y.npy", b"")], {}, "lacks x (it holds images, y)"),
        ([("x.npy", npy(np.array([Trap()]), allow_pickle=True))], {}, "pickle"),
        *(([PLAIN, (name, b"")], {}, "has a member named") for name in UNSAFE),
        *(([PLAIN, (name, npy(PIXELS + 1))], {}, "two members") for name in ("x.npy", "X.npy")),
        ([PLAIN], {"compression": zipfile.ZIP_LZMA}, "rare compression"),
        ([("x.npy", npy(np.zeros(2_000_000, np.uint8)))], {}, "at most 200 times"),
        *(
            ([("x.npy", of_shape(shape))], {}, "stores 12 bytes")
            for shape in ("(10000000000000,)", "(-3, -4)", "(3, 3)")
        ),
        *(
            ([("x.npy", content)], {}, "has no array in x")
            for content in (b"", b"hello", npy(PIXELS)[:20], b"\x93NUMPY\x09\x00abc")
        ),
    ],
)
def test_an_archive_of_anyone_is_refused_with_the_reason(tmp_path, members, options, message):
    assert message in refusal(read_npz, archive(tmp_path, members, **options), ["x"])


@each_row(
    ("offset", "value", "message"),
    [(8, b"\1\0", "encrypted"), (24, struct.pack("<I", 0xF0000000), "at most 4294967296")],
)
def test_what_the_directory_says_is_looked_at_before_a_member_is_read(
    tmp_path, offset, value, message
):
    """Bit 0 of the flags, and the sizes: a name stands 46 bytes after the start of its entry."""
    path = archive(tmp_path, [PLAIN, ("y.npy", npy(PIXELS))], zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    for name in (b"x.npy", b"y.npy"):
        entry = content.rindex(name) - 46 + offset
        content[entry : entry + len(value)] = value
    path.write_bytes(content)
    assert message in refusal(read_npz, path, ["x", "y"])
    path.write_bytes(b"<html><body>Not found</body></html>")
    assert "web page" in refusal(read_npz, path, ["x"])


@settings(max_examples=100, deadline=None, database=None)
@given(
    edits=st.lists(st.tuples(st.integers(0, 300), st.binary(max_size=3)), min_size=1, max_size=3),
    keep=st.integers(0, 300),
    header=st.none()
    | st.text("(){}[]':,<|uifO0123456789e- \ndescrshapefortan_o True", max_size=80),
    inside=st.booleans(),
)
def test_a_mutated_archive_is_read_or_refused_but_never_crashes(
    tmp_path_factory, edits, keep, header, inside
):
    folder = tmp_path_factory.mktemp("fuzz")
    if inside:  # the array's bytes, under a valid checksum of the archive
        content = edited(npy(PIXELS), edits, keep)
        content = content if header is None else with_header(header.encode() + b"\n")
        path = archive(folder, [("x.npy", content)], zipfile.ZIP_STORED)
    else:
        path = archive(folder, [PLAIN], zipfile.ZIP_STORED)
        path.write_bytes(edited(path.read_bytes(), edits, keep))
    try:
        arrays = read_npz(path, ["x"])
    except InputError:
        return
    assert isinstance(arrays["x"], np.ndarray)


def edited(content, edits, keep):
    for position, replacement in edits:
        content = content[:position] + replacement + content[position + 1 :]
    return content[:keep]
