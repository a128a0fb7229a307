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
RUN_FACTS, RUN_ARRAYS = "run.json", "run.safetensors"  # of a whole training, beside them
KINDS = {2: (FACTS, ARRAYS), 4: (FACTS, ARRAYS, RUN_FACTS, RUN_ARRAYS)}  # by number of entries
# Bytes. A network of 500 layers has 3 MB of facts; as empty lists, 16 MB of JSON fill 0.5 GB.
MAX_FACTS = MAX_HEADER = 16 * 2**20
MAX_ARRAYS = 8 * 2**30
# How many times as large as the archive arrays may be, and how much more. Those of a network
# without normalisation, on large images, are 130 times as large.
MAX_GROWTH, SLACK = 256, 2**20
MAX_DIRECTORY = 2**10  # of the archive; that of four entries has 300
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


def check_archive(path: Path) -> bool:
    """Looks at the table of contents of a bundle, which takes some milliseconds.

    Returns:
        Whether it holds a whole run, beside the check.

    Raises:
        InputError: the file is missing, too large, or no archive of a bundle.
    """
    if not path.is_file():
        raise InputError(f"{path}: there is no such bundle; write one with `parity record`")
    with refusals(path):
        number = _check_directory(path)
        with zipfile.ZipFile(path) as archive:
            _check_entries(archive, KINDS[number], path.stat().st_size)
    return len(KINDS[number]) > 2


def most_arrays(num_bytes: int) -> int:
    """Returns how many bytes of arrays an archive of `num_bytes` may hold."""
    return min(MAX_ARRAYS, MAX_GROWTH * num_bytes + SLACK)


def _check_directory(path: Path) -> int:
    """Looks at the end of the archive, where the size of its directory stands.

    Returns:
        The number of its entries.

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
    if number not in KINDS or size > MAX_DIRECTORY:
        raise ValueError(f"it has {number} entries; expected {FACTS} and {ARRAYS}, each once")
    return int(number)


def _check_entries(archive: zipfile.ZipFile, expected: tuple[str, ...], num_bytes: int) -> None:
    names = archive.namelist()
    if sorted(names) != sorted(expected):
        shown = ", ".join(repr(name)[:40] for name in names[:5])
        told = " and ".join(expected[:2]) if len(expected) == 2 else ", ".join(expected)
        raise ValueError(f"it has the entries {shown}; expected {told}, each once")
    for name in expected:
        entry = archive.getinfo(name)
        most = MAX_FACTS if name.endswith(".json") else most_arrays(num_bytes)
        if entry.compress_type != zipfile.ZIP_DEFLATED:
            raise ValueError(f"{name} is compressed by another method, or not; expected deflate")
        if entry.flag_bits & 0x1:
            raise ValueError(f"{name} is encrypted")
        if entry.compress_size > num_bytes or entry.file_size > most:
            raise ValueError(f"{name} claims {entry.file_size:,} bytes; at most {most:,}")
