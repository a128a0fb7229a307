"""Full MNIST: finds its files on this machine, and downloads them if they are missing.

In: only the environment. Out: a folder with the four IDX files, and a check that they are MNIST's.
Nothing is downloaded unless the user asks for `mnist` and a file is missing.

A download is kept in memory (the largest has 10 MB) and compared with the size and SHA-256 below.
Only then is it written, atomically: the folder never has an unverified or half-written file.

Sources: addresses and names as in torchvision/datasets/mnist.py (its second mirror no longer
answers; the mirror of TensorFlow Datasets replaces it). SHA-256 of the unzipped files: recomputed;
of the published .gz files: as listed by several public registries of data sets.
"""

import contextlib
import hashlib
import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from parity.data.idx import IDX_FILES, find_idx, idx_sha256, looks_like_html
from parity.errors import InputError
from parity.files.atomic import atomic_path

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
