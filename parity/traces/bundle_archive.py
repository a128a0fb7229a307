"""The archive of a bundle: what it may hold and how large that may be, before anything is read."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from parity.errors import InputError

FACTS, ARRAYS = "bundle.json", "arrays.safetensors"
# Bytes. A network of 500 layers has 3 MB of facts; as empty lists, 16 MB of JSON fill 0.5 GB.
MAX_FACTS = MAX_HEADER = 16 * 2**20
MAX_ARRAYS = 8 * 2**30
# How many times as large as the archive arrays may be, and how much more. Those of a network
# without normalisation, on large images, are 130 times as large.
MAX_GROWTH, SLACK = 256, 2**20
MAX_DIRECTORY = 2**10  # of the archive; that of two entries has 200
MAX_MESSAGE = 300  # characters
# What zipfile raises on damaged bytes; RuntimeError covers encryption.
_DAMAGE = (
    OSError,
    EOFError,
    ValueError,
    RuntimeError,
    NotImplementedError,
    OverflowError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


@contextmanager
def refusals(path: Path) -> Iterator[None]:
    """Turns what damaged bytes of a bundle raise into an InputError with one sentence."""
    try:
        yield
    except _DAMAGE as error:
        # Names from the file are in it, of any length and with anything that a terminal would obey.
        why = (str(error) or type(error).__name__)[:MAX_MESSAGE]
        shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in why)
        raise InputError(f"{path}: not a bundle that can be used: {shown}") from error


def check_archive(path: Path) -> None:
    """Looks at the table of contents of a bundle, which takes some milliseconds.

    Raises:
        InputError: the file is missing, too large, or no archive of a bundle.
    """
    if not path.is_file():
        raise InputError(f"{path}: there is no such bundle; write one with `parity record`")
    with refusals(path):
        _check_directory(path)
        with zipfile.ZipFile(path) as archive:
            _check_entries(archive, path.stat().st_size)


def most_arrays(num_bytes: int) -> int:
    """Returns how many bytes of arrays an archive of `num_bytes` may hold."""
    return min(MAX_ARRAYS, MAX_GROWTH * num_bytes + SLACK)


def _check_directory(path: Path) -> None:
    """Looks at the end of the archive, where the size of its directory stands.

    zipfile reads a directory whole, whatever its size, and makes an object of every entry.
    """
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 22 - 20 - 56))  # with the records of zip64
        tail = file.read()
    end = tail[-22:]
    if len(end) < 22 or end[:4] != b"PK\5\6":
        raise ValueError("it is no zip archive, or something follows its end")
    number, size = struct.unpack("<HL", end[10:16])
    if tail[-42:-38] == b"PK\6\7":
        if tail[-98:-94] != b"PK\6\6":
            raise ValueError("its directory is not where it ends")
        number, size = struct.unpack("<QQ", tail[-66:-50])
    if number != 2 or size > MAX_DIRECTORY:
        raise ValueError(f"it has {number} entries; expected {FACTS} and {ARRAYS}, each once")


def _check_entries(archive: zipfile.ZipFile, num_bytes: int) -> None:
    names = archive.namelist()
    if sorted(names) != sorted((FACTS, ARRAYS)):
        shown = ", ".join(repr(name)[:40] for name in names[:5])
        raise ValueError(f"it has the entries {shown}; expected {FACTS} and {ARRAYS}, each once")
    for name, most in ((FACTS, MAX_FACTS), (ARRAYS, most_arrays(num_bytes))):
        entry = archive.getinfo(name)
        if entry.compress_type != zipfile.ZIP_DEFLATED:
            raise ValueError(f"{name} is compressed by another method, or not; expected deflate")
        if entry.flag_bits & 0x1:
            raise ValueError(f"{name} is encrypted")
        if entry.compress_size > num_bytes or entry.file_size > most:
            raise ValueError(f"{name} claims {entry.file_size:,} bytes; at most {most:,}")
