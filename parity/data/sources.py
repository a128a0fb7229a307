"""Sources of data, read strictly: MNIST and its download, `.npz`, embedded images."""

from __future__ import annotations

import contextlib
import functools
import gzip
import hashlib
import http.client
import io
import math
import os
import re
import struct
import tokenize
import urllib.error
import urllib.request
import warnings
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from parity.data.dataset import MAX_CLASSES, check_unit_range
from parity.errors import InputError
from parity.files.atomic import atomic_path

# --- IDX files, the format in which MNIST is published: a strict reader ---------------------------
#
# An IDX file of bytes is a four-byte magic `00 00 08 n`, then n big-endian 32-bit dimensions, then
# exactly their product of unsigned bytes. It may be gzipped; the content decides, not the name.
#
# In: a path. Out: a read-only uint8 array. Any other file is an `InputError`; in particular a file
# that is truncated, damaged (gzip's CRC is always checked) or really a web page. A file cannot make
# the reader allocate more than its own length allows.
#
# Source: the format's description on MNIST's former home page, reproduced in
# torchvision/datasets/mnist.py (`read_sn3_pascalvincent_tensor`, which is not strict).


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


# --- Full MNIST: finds its files on this machine, and downloads them if they are missing ----------
#
# In: only the environment. Out: a folder with the four IDX files, and a check that they are
# MNIST's. Nothing is downloaded unless the user asks for `mnist` and a file is missing.
#
# A download is kept in memory (the largest has 10 MB) and compared with the size and SHA-256 below.
# Only then is it written, atomically: the folder never has an unverified or half-written file.
#
# Sources: addresses and names as in torchvision/datasets/mnist.py (its second mirror no longer
# answers; the mirror of TensorFlow Datasets replaces it). SHA-256 of the unzipped files:
# recomputed; of the published .gz files: as listed by several public registries of data sets.


MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)

TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True)
class RemoteFile:
    """One published file: `size` and `sha256` of the .gz, `idx_sha256` of its content."""

    size: int
    sha256: str
    idx_sha256: str


MNIST = {
    "x_train": RemoteFile(
        9_912_422,
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    "y_train": RemoteFile(
        28_881,
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    "x_test": RemoteFile(
        1_648_877,
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    "y_test": RemoteFile(
        4_542,
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
}


def mnist_folder() -> Path:
    """Returns the folder for full MNIST; it need not exist.

    It is `PARITY_DATA_DIR` if set, else `keras-torch-parity/mnist` in the user's cache folder
    (`XDG_CACHE_HOME` if it is an absolute path, else `~/.cache`; XDG base directory specification).

    Raises:
        InputError: the home folder is unknown, or the path is a file.
    """
    named = os.environ.get("PARITY_DATA_DIR")
    if named:
        try:
            folder = Path(named).expanduser()
        except RuntimeError:
            raise InputError(
                f"PARITY_DATA_DIR={named} is in the home folder of an unknown user; set it to a "
                "folder for MNIST's four files"
            ) from None
    else:
        cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
        try:
            folder = cache if cache.is_absolute() else Path.home() / ".cache"
        except RuntimeError:
            raise InputError(
                "the home folder is unknown, so there is no cache folder for MNIST; "
                "set PARITY_DATA_DIR to a folder for MNIST's four files"
            ) from None
        folder = folder / "keras-torch-parity" / "mnist"
    if folder.exists() and not folder.is_dir():
        raise InputError(
            f"{folder} is not a folder; expected a folder for MNIST's four files; "
            "set PARITY_DATA_DIR to a folder"
        )
    return folder


def has_mnist() -> bool:
    """Whether all files for `--data mnist` are on this machine, so that nothing is downloaded."""
    folder = mnist_folder()
    return all(find_idx(folder, key) is not None for key in IDX_FILES)


def fetch_mnist(
    folder: Path,
    *,
    mirrors: Sequence[str] | None = None,
    files: Mapping[str, RemoteFile] | None = None,
) -> None:
    """Downloads the files of MNIST that `folder` lacks; a file there may be gzipped or not.

    Args:
        folder: created, if it is missing, when the first file has been verified.
        mirrors: addresses that end in "/", tried in order; `MIRRORS` by default.
        files: size and hashes of each file, by key of `IDX_FILES`; `MNIST` by default.

    Raises:
        InputError: no mirror delivered a file (the message says why, and where to put the files
            by hand), or the folder cannot be written.
    """
    mirrors = MIRRORS if mirrors is None else mirrors
    files = MNIST if files is None else files
    for key in IDX_FILES:
        if find_idx(folder, key) is None:
            _write(folder, f"{IDX_FILES[key][0]}.gz", _download(folder, key, mirrors, files[key]))


def check_is_mnist(
    arrays: Mapping[str, np.ndarray], folder: Path, files: Mapping[str, RemoteFile] | None = None
) -> None:
    """Checks the four arrays of `read_idx_folder(folder)` against MNIST's SHA-256.

    It compares the unzipped content, so another program may have gzipped the files.

    Raises:
        InputError: an array is not MNIST's.
    """
    for key, file in (MNIST if files is None else files).items():
        actual = idx_sha256(arrays[key])
        if actual != file.idx_sha256:
            raise InputError(
                f"{find_idx(folder, key)} is not MNIST's file: its unzipped content has SHA-256 "
                f"{actual}; expected {file.idx_sha256}; delete it to download it again, or pass "
                "the folder's path as the data source if these are other data"
            )


def _download(folder: Path, key: str, mirrors: Sequence[str], file: RemoteFile) -> bytes:
    name = f"{IDX_FILES[key][0]}.gz"
    reasons = []
    for mirror in mirrors:
        try:
            return _get(mirror + name, file)
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = " ".join(str(getattr(error, "reason", None) or error).split())
            host = mirror.partition("://")[2].partition("/")[0] or mirror
            reasons.append(f"{host}: {reason or type(error).__name__}")
            if isinstance(error, urllib.error.HTTPError):
                error.close()  # an error page is an open connection
    names = ", ".join(f"{name}.gz" for name, _ in IDX_FILES.values())
    raise InputError(
        f"{name} could not be downloaded ({'; '.join(reasons)}); put MNIST's files {names} into "
        f"{folder}, set PARITY_DATA_DIR to a folder with them, or use the data source embedded"
    )


def _get(address: str, file: RemoteFile) -> bytes:
    """Downloads one file and verifies it; a `ValueError` says what is wrong with it."""
    with urllib.request.urlopen(address, timeout=TIMEOUT_SECONDS) as response:
        body: bytes = response.read(file.size + 1)
    if looks_like_html(body[:64]):
        raise ValueError("sent a web page (HTML) instead of the file")
    if len(body) < file.size:
        raise ValueError(f"sent {len(body)} bytes of {file.size}")
    if len(body) > file.size:
        raise ValueError(f"sent more than the {file.size} bytes expected")
    actual = hashlib.sha256(body).hexdigest()
    if actual != file.sha256:
        raise ValueError(f"sent a file with SHA-256 {actual}, expected {file.sha256}")
    return body


def _write(folder: Path, name: str, body: bytes) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_path(folder / name) as temporary:
            temporary.write_bytes(body)
    except OSError as error:
        with contextlib.suppress(OSError):
            folder.rmdir()  # fails if the folder is not empty
        raise InputError(
            f"{name} cannot be written to {folder} ({error.strerror or error}); expected a "
            "folder with room for 12 MB; set PARITY_DATA_DIR to one"
        ) from None


# --- A reader of NumPy's `.npz` archives from anyone, which trusts no size and runs no code -------
#
# In: a path and the names of the wanted arrays. Out: those arrays, read-only.
#
# `numpy.load` with `allow_pickle=False` runs no code either. But it allocates the memory that a
# header declares before it checks that the bytes exist, and accepts two members with one name. Here
# every declared size is limited and compared with the bytes, in this order: the archive's
# directory, the compression ratio, the array's header.


MAX_NPZ_BYTES = 4 << 30  # all wanted arrays together; full MNIST has 0.06e9, CIFAR-10 0.18e9
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
                raise _bad_npz(path, "is a web page (HTML)", "a NumPy .npz archive")
            file.seek(0)
            with zipfile.ZipFile(file) as archive:
                members = _members(path, archive, keys)
                return {key: _array(path, archive, member) for key, member in members.items()}
    except InputError:  # it is a ValueError too
        raise
    except _DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise _bad_npz(path, f"cannot be read ({reason})", "an intact NumPy .npz archive") from None


def _members(
    path: Path, archive: zipfile.ZipFile, keys: Sequence[str]
) -> dict[str, zipfile.ZipInfo]:
    """Finds the wanted members, after checking all names and the declared sizes."""
    infos = archive.infolist()
    known_names: set[str] = set()
    for info in infos:
        # Nothing is extracted, but such names are a sign of a malicious archive.
        name = info.orig_filename
        if _UNSAFE_NAME.search(name) or not name.isprintable():
            raise _bad_npz(path, f"has a member named {name!r}", "plain array names in it")
        if info.filename.casefold() in known_names:
            raise _bad_npz(path, f"has two members named {info.filename!r}", "each name once")
        known_names.add(info.filename.casefold())
    by_name = {info.filename: info for info in infos}
    missing = [key for key in keys if f"{key}.npy" not in by_name]
    if missing:
        listed = ", ".join(name.removesuffix(".npy") for name in list(by_name)[:8]) or "nothing"
        raise InputError(
            f"{path} lacks {', '.join(missing)} (it holds {listed}); expected the arrays "
            f"{', '.join(keys)}; save it with np.savez_compressed(path, {keys[0]}=..., ...)"
        )
    wanted = {key: by_name[f"{key}.npy"] for key in keys}
    total = sum(info.file_size for info in wanted.values())
    if total > MAX_NPZ_BYTES:
        raise _bad_npz(path, f"declares {total} bytes of arrays", f"at most {MAX_NPZ_BYTES}")
    for key, info in wanted.items():
        if info.compress_type not in COMPRESSIONS or info.flag_bits & 1:
            raise _bad_npz(path, f"has {key} encrypted or in a rare compression", "a plain archive")
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
        raise _bad_npz(path, f"has no array in {key} ({reason})", "NumPy's .npy format") from None
    if dtype.hasobject:
        raise InputError(
            f"{path} stores {key} as Python objects (pickle), which could run code; expected "
            "a numeric array; save it with a numeric dtype, such as uint8"
        )
    start = stream.tell()
    declared, there = math.prod(shape) * dtype.itemsize, len(content) - start
    if min(shape, default=1) < 0 or declared != there or dtype.itemsize == 0:
        raise _bad_npz(
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


def _bad_npz(path: Path, found: str, expected: str) -> InputError:
    return InputError(f"{path} {found}; expected {expected}; make or download the file again")


# --- Sources of data, and the checks that data must pass ------------------------------------------
#
# In: the name that the user gave: `embedded`, `mnist`, a folder of IDX files, or a `.npz`. Out: a
# `Source`, the four arrays of a data set with their training and test parts, checked but not yet
# split. Pixels keep their stored dtype, so that only the used ones are converted.
#
# Nothing is repaired silently: pixels in 0..255 stored as floats, labels that are one-hot or start
# at -1, NaN and data of one class are an `InputError` that says what to do.


KEYS = ("x_train", "y_train", "x_test", "y_test")
NAMED = ("embedded", "mnist")

EMBEDDED = Path(__file__).parent / "embedded" / "mnist_subset.npz"


@dataclass(frozen=True, eq=False)
class Source:
    """A checked data set.

    Attributes:
        name: the name that the user gave.
        x_train: uint8 in 0..255, or floating point in [0, 1]; (N, H, W, C).
        y_train: int64 (N,) in 0..num_classes-1, of at least two classes.
        x_test: as x_train, with the same H, W and C.
        y_test: as y_train, but one class is enough.
        num_classes: the largest label of both parts plus one.
    """

    name: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    num_classes: int


def open_source(source: str | os.PathLike[str]) -> Source:
    """Reads and checks a data source; `load_data` lists the possible names.

    Raises:
        InputError: the source does not exist, cannot be read, or is not usable as data.
    """
    name = os.fspath(source)
    if name == "embedded":
        return check_arrays(_embedded(), name)
    if name == "mnist":
        return check_arrays(_mnist(), name)
    try:
        path = Path(name).expanduser()
    except RuntimeError:
        raise InputError(
            f"data source {name!r} is in the home of an unknown user; check the name behind ~"
        ) from None
    if path.is_dir():
        return check_arrays(read_idx_folder(path), name)
    if path.is_file() and path.suffix == ".npz":
        return check_arrays(_npz(path), name)
    found = "is a file of another kind" if path.exists() else "does not exist"
    raise InputError(
        f"data source {name!r} {found}; expected embedded, mnist, a folder with MNIST's four IDX "
        "files, or a .npz with x_train, y_train, x_test and y_test; check the path"
    )


def check_arrays(arrays: Mapping[str, np.ndarray], name: str) -> Source:
    """Checks the four arrays of a data set and brings them into the shapes of `Source`.

    Args:
        arrays: x_train and x_test, uint8 or floating point, (N, H, W) or (N, H, W, C); y_train and
            y_test, any integer dtype, (N,) or (N, 1).
        name: name of the data set in messages.

    Raises:
        InputError: an array has another dtype, shape or range, or the parts do not match.
    """
    images = {key: _images(arrays[key], f"{key} of {name}") for key in ("x_train", "x_test")}
    labels = {key: _labels(arrays[key], f"{key} of {name}") for key in ("y_train", "y_test")}
    for part in ("train", "test"):
        pictures, classes = len(images[f"x_{part}"]), len(labels[f"y_{part}"])
        if pictures != classes:
            raise InputError(
                f"x_{part} of {name} has {pictures} images but y_{part} has {classes} labels; "
                "expected one label per image; save the matching arrays"
            )
    shapes = [images[key].shape[1:] for key in ("x_train", "x_test")]
    if shapes[0] != shapes[1]:
        raise InputError(
            f"images of {name} have the shape {shapes[0]} in x_train but {shapes[1]} in x_test; "
            "expected one shape; resize one of the parts"
        )
    if labels["y_train"].min() == labels["y_train"].max():
        raise InputError(
            f"y_train of {name} has one class only (label {labels['y_train'][0]}); expected at "
            "least two; a classifier has nothing to learn from one class, so add another"
        )
    return Source(
        name=name,
        x_train=images["x_train"],
        y_train=labels["y_train"],
        x_test=images["x_test"],
        y_test=labels["y_test"],
        num_classes=int(max(labels["y_train"].max(), labels["y_test"].max())) + 1,
    )


def _images(array: np.ndarray, what: str) -> np.ndarray:
    if array.ndim not in (3, 4) or array.size == 0:
        raise InputError(
            f"{what} has the shape {array.shape}; expected images (N, H, W) or (N, H, W, C), with "
            "no side 0; reshape the array"
        )
    if array.dtype.kind == "f":
        check_unit_range(array, what)
    elif array.dtype != np.uint8:
        raise InputError(
            f"{what} has the dtype {array.dtype.name}; expected uint8 (0..255) or floating point "
            "in 0..1; convert it with .astype('uint8') if its values are 0..255"
        )
    return array if array.ndim == 4 else array[..., np.newaxis]


def _labels(array: np.ndarray, what: str) -> np.ndarray:
    if array.dtype.kind not in "iu":
        raise InputError(
            f"{what} has the dtype {array.dtype.name}; expected integer labels 0..K-1; "
            "convert them with .astype('int64'), one-hot rows with .argmax(axis=1)"
        )
    if array.shape != (array.size,) and array.shape != (array.size, 1):
        raise InputError(
            f"{what} has the shape {array.shape}; expected labels (N,) or (N, 1); "
            "convert one-hot rows with .argmax(axis=1)"
        )
    if array.size == 0:
        raise InputError(f"{what} is empty; expected at least one label; save a larger part")
    low, high = int(array.min()), int(array.max())
    if low < 0 or high >= MAX_CLASSES:
        raise InputError(
            f"{what} has labels {low}..{high}; expected 0..K-1 with K at most {MAX_CLASSES}; "
            "number the classes from 0"
        )
    return array.reshape(-1).astype(np.int64)


def _npz(path: Path) -> dict[str, np.ndarray]:
    return read_npz(path, KEYS)


@functools.cache
def _embedded() -> dict[str, np.ndarray]:
    """Reads the package's own data once in a process: read-only arrays, 6.3 MB."""
    return _npz(EMBEDDED)


def _mnist() -> dict[str, np.ndarray]:
    folder = mnist_folder()
    fetch_mnist(folder)
    arrays = read_idx_folder(folder)
    check_is_mnist(arrays, folder)
    return arrays
