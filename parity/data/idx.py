"""IDX files, the format in which MNIST is published: a strict reader.

An IDX file of bytes is a four-byte magic `00 00 08 n`, then n big-endian 32-bit dimensions, then
exactly their product of unsigned bytes. It may be gzipped; the content decides, not the name.

In: a path. Out: a read-only uint8 array. Any other file is an `InputError`; in particular a file
that is truncated, damaged (gzip's CRC is always checked) or really a web page. A file cannot make
the reader allocate more than its own length allows.

Source: the format's description on MNIST's former home page, reproduced in
torchvision/datasets/mnist.py (`read_sn3_pascalvincent_tensor`, which is not strict).
"""

import gzip
import hashlib
import math
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from parity.errors import InputError

# The standard names, with or without ".gz", and the number of dimensions of each.
IDX_FILES = {
    "x_train": ("train-images-idx3-ubyte", 3),
    "y_train": ("train-labels-idx1-ubyte", 1),
    "x_test": ("t10k-images-idx3-ubyte", 3),
    "y_test": ("t10k-labels-idx1-ubyte", 1),
}

MAX_BYTES = 1 << 30  # the largest published relative, EMNIST ByClass, has 0.55e9 bytes
MAX_DEFLATE_RATIO = 1032  # the format's limit (zlib's technical details): beyond it a size is a lie

GZIP_MAGIC = b"\x1f\x8b"
UNSIGNED_BYTE = 0x08


def find_idx(folder: Path, key: str) -> Path | None:
    """Returns the file in `folder` for `key` of `IDX_FILES`, or None.

    If both forms exist, it takes the gzipped one, since that has a checksum.
    """
    name, _ = IDX_FILES[key]
    candidates = (folder / f"{name}.gz", folder / name)
    return next((path for path in candidates if path.is_file()), None)


def read_idx_folder(folder: Path) -> dict[str, np.ndarray]:
    """Reads the four files of `IDX_FILES` from `folder`.

    Returns:
        x_train and x_test, uint8 (N, H, W); y_train and y_test, uint8 (N,); all read-only.

    Raises:
        InputError: a file is missing or unusable.
    """
    paths = {key: find_idx(folder, key) for key in IDX_FILES}
    missing = ", ".join(IDX_FILES[key][0] for key, path in paths.items() if path is None)
    if missing:
        raise InputError(
            f"folder {folder} lacks {missing}; expected MNIST's four IDX files, each gzipped "
            "(with a name that ends in .gz) or not; add the missing files or name another folder"
        )
    return {key: read_idx(path, IDX_FILES[key][1]) for key, path in paths.items() if path}


def read_idx(path: Path, ndim: int) -> np.ndarray:
    """Reads one IDX file of unsigned bytes, gzipped or not.

    Args:
        path: the file.
        ndim: number of dimensions that the file must have, 1 (labels) to 255.

    Returns:
        A read-only, contiguous uint8 array of `ndim` dimensions, each at least 1.

    Raises:
        InputError: the file cannot be read or is not exactly such a file.
    """
    try:
        with path.open("rb") as file:
            start = file.read(64)
            file.seek(0)
            size = path.stat().st_size
            if start.startswith(GZIP_MAGIC):
                with gzip.GzipFile(fileobj=file) as unzipped:
                    return _parse(path, unzipped, ndim, size * MAX_DEFLATE_RATIO)
            if path.suffix == ".gz" or looks_like_html(start):
                found = "is a web page (HTML)" if looks_like_html(start) else "is not gzip data"
                raise _bad(path, found, "an IDX file, gzipped if its name ends in .gz")
            return _parse(path, file, ndim, size)
    except EOFError:
        raise _bad(path, "ends in the middle of its gzip data", "a complete file") from None
    except zlib.error as error:
        raise _bad(path, f"holds damaged gzip data ({error})", "an intact file") from None
    except gzip.BadGzipFile as error:
        raise _bad(path, f"holds damaged gzip data ({error})", "an intact file") from None
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror or error}); expected an IDX file; "
            "check the path and its permissions"
        ) from None


def idx_sha256(array: np.ndarray) -> str:
    """Returns the SHA-256 of the unzipped IDX file that holds `array` (uint8).

    `read_idx` is strict, so the array determines the file, which need not be read a second time.
    """
    header = bytes([0, 0, UNSIGNED_BYTE, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    digest = hashlib.sha256(header)
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def looks_like_html(start: bytes) -> bool:
    """Whether the start of a file is markup, such as a captive portal or a 404 page sends."""
    return start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")


def _parse(path: Path, file: BinaryIO | gzip.GzipFile, ndim: int, most: int) -> np.ndarray:
    """Parses the unzipped stream, which can hold at most `most` bytes."""
    expected_magic = bytes([0, 0, UNSIGNED_BYTE, ndim])
    magic = file.read(4)
    if magic != expected_magic:
        raise _bad(
            path,
            f"starts with the magic number 0x{magic.hex()}",
            f"0x{expected_magic.hex()}, an IDX file of bytes with {ndim} dimension(s)",
        )
    sizes = file.read(4 * ndim)
    if len(sizes) < 4 * ndim:
        raise _bad(path, "ends within its header", f"{ndim} dimension(s)")
    shape = struct.unpack(f">{ndim}I", sizes)
    count = math.prod(shape)
    if count == 0:
        raise _bad(path, f"declares an empty shape {shape}", "at least one item")
    if count > MAX_BYTES:
        raise _bad(path, f"declares the shape {shape}", f"at most {MAX_BYTES} bytes")
    header = 4 + 4 * ndim
    if header + count > most:
        raise _bad(
            path,
            f"declares {count} bytes of shape {shape} but is too short to hold them",
            "a complete file",
        )
    content = file.read(count)
    if len(content) < count:
        raise _bad(path, f"holds {len(content)} bytes of {count}", "a complete file")
    # Reading one byte more finds surplus bytes; at the end of a gzip stream it also makes Python
    # compare the CRC.
    if file.read(1):
        raise _bad(path, f"holds more than the {count} bytes of its shape {shape}", "no more")
    return np.frombuffer(content, np.uint8).reshape(shape)


def _bad(path: Path, found: str, expected: str) -> InputError:
    return InputError(f"{path} {found}; expected {expected}; download or copy the file again")
