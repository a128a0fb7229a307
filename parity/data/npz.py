"""A reader of NumPy's `.npz` archives from anyone, which trusts no size and runs no code.

In: a path and the names of the wanted arrays. Out: those arrays, read-only.

`numpy.load` with `allow_pickle=False` runs no code either. But it allocates the memory that a
header declares before it checks that the bytes exist, and accepts two members with one name. Here
every declared size is limited and compared with the bytes, in this order: the archive's directory,
the compression ratio, the array's header.
"""

import io
import math
import re
import struct
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from parity.data.idx import looks_like_html
from parity.errors import InputError

MAX_BYTES = 4 << 30  # all wanted arrays together; full MNIST has 0.06e9, CIFAR-10 0.18e9
MAX_RATIO = 200  # real images stay below 20
# Sorted labels compress a thousandfold and are harmless: only large members need the limit.
RATIO_MATTERS_ABOVE = 1 << 20

# numpy.savez and savez_compressed write the first two; the embedded data use the third.
COMPRESSIONS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2}

# Absolute, with a drive, with a backslash, or climbing out of its folder.
_UNSAFE_NAME = re.compile(r"^/|^[A-Za-z]:|\\|(^|/)\.\.(/|$)")

# Errors of zipfile and its decompressors for damaged bytes; RuntimeError covers encryption.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    RuntimeError,
    NotImplementedError,
    OverflowError,
)

# Errors of NumPy's header parser for text that is not an array header.
_NO_HEADER = (
    ValueError,
    TypeError,
    KeyError,
    SyntaxError,
    tokenize.TokenError,
    RecursionError,
    MemoryError,
)


def read_npz(path: Path, keys: Sequence[str]) -> dict[str, np.ndarray]:
    """Reads the arrays named `keys` and ignores other members.

    Args:
        path: an archive that `numpy.savez` or `numpy.savez_compressed` wrote.
        keys: array names, without ".npy".

    Returns:
        One array per key, read-only, of the shape and dtype it was saved with.

    Raises:
        InputError: the file cannot be read, is not such an archive, is damaged, lacks a key, holds
            Python objects, has unsafe or ambiguous member names, or declares too many bytes.
    """
    try:
        with path.open("rb") as file:
            if looks_like_html(file.read(64)):
                raise _bad(path, "is a web page (HTML)", "a NumPy .npz archive")
            file.seek(0)
            with zipfile.ZipFile(file) as archive:
                members = _members(path, archive, keys)
                return {key: _array(path, archive, member) for key, member in members.items()}
    except InputError:  # it is a ValueError too
        raise
    except _DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise _bad(path, f"cannot be read ({reason})", "an intact NumPy .npz archive") from None


def _members(
    path: Path, archive: zipfile.ZipFile, keys: Sequence[str]
) -> dict[str, zipfile.ZipInfo]:
    """Finds the wanted members, after checking all names and the declared sizes."""
    infos = archive.infolist()
    seen: set[str] = set()
    for info in infos:
        # Nothing is extracted, but such names are a sign of a malicious archive.
        name = info.orig_filename
        if _UNSAFE_NAME.search(name) or not name.isprintable():
            raise _bad(path, f"has a member named {name!r}", "plain array names in it")
        if info.filename.casefold() in seen:
            raise _bad(path, f"has two members named {info.filename!r}", "each name once")
        seen.add(info.filename.casefold())
    by_name = {info.filename: info for info in infos}
    missing = [key for key in keys if f"{key}.npy" not in by_name]
    if missing:
        held = ", ".join(name.removesuffix(".npy") for name in list(by_name)[:8]) or "nothing"
        raise InputError(
            f"{path} lacks {', '.join(missing)} (it holds {held}); expected the arrays "
            f"{', '.join(keys)}; save it with np.savez_compressed(path, {keys[0]}=..., ...)"
        )
    wanted = {key: by_name[f"{key}.npy"] for key in keys}
    total = sum(info.file_size for info in wanted.values())
    if total > MAX_BYTES:
        raise _bad(path, f"declares {total} bytes of arrays", f"at most {MAX_BYTES}")
    for key, info in wanted.items():
        if info.compress_type not in COMPRESSIONS or info.flag_bits & 1:
            raise _bad(path, f"has {key} encrypted or in a rare compression", "a plain archive")
        too_dense = info.file_size > MAX_RATIO * max(info.compress_size, 1)
        if too_dense and info.file_size > RATIO_MATTERS_ABOVE:
            raise InputError(
                f"{path} has {key} compressed {info.file_size // max(info.compress_size, 1)} "
                f"times; expected at most {MAX_RATIO} times, since a small archive could fill the "
                "memory; save such data without compression, with np.savez"
            )
    return wanted


def _array(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    """Reads one member. `zipfile` delivers no more than the declared bytes and checks their CRC."""
    key = member.filename.removesuffix(".npy")
    content = archive.read(member)
    stream = io.BytesIO(content)
    try:
        shape, fortran_order, dtype = _header(stream)
    except _NO_HEADER as error:
        reason = " ".join(str(error).split())[:200]
        raise _bad(path, f"has no array in {key} ({reason})", "NumPy's .npy format") from None
    if dtype.hasobject:
        raise InputError(
            f"{path} stores {key} as Python objects (pickle), which could run code; expected "
            "a numeric array; save it with a numeric dtype, such as uint8"
        )
    start = stream.tell()
    declared, there = math.prod(shape) * dtype.itemsize, len(content) - start
    if min(shape, default=1) < 0 or declared != there or dtype.itemsize == 0:
        raise _bad(
            path,
            f"stores {there} bytes for {key}, declared as {dtype.name} {str(shape)[:80]}",
            "exactly the bytes of that shape",
        )
    array = np.frombuffer(content, dtype, offset=start)
    return array.reshape(shape, order="F" if fortran_order else "C")


def _header(stream: io.BytesIO) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(stream)
    with warnings.catch_warnings():
        # NumPy warns about headers from Python 2, but reads them.
        warnings.simplefilter("ignore")
        if version == (1, 0):
            return np.lib.format.read_array_header_1_0(stream)
        if version == (2, 0):
            return np.lib.format.read_array_header_2_0(stream)
    raise ValueError(f"format version {version}")


def _bad(path: Path, found: str, expected: str) -> InputError:
    return InputError(f"{path} {found}; expected {expected}; make or download the file again")
