"""read_stored, read_weights: the weights of any file of Keras; copied, or written back."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from parity.errors import InputError
from parity.files.atomic import private_folder
from parity.files.json_io import write_json
from parity.traces.trace import DTYPES, ArrayFile
from parity.weights import hdf5
from parity.weights.checkpoint import index_of, stored_checkpoint
from parity.weights.copied import ARRAYS, SUCCESS, TOLD
from parity.weights.hdf5 import stored_keras_archive, stored_legacy_h5, stored_weights_h5
from parity.weights.stored import Stored, StoredArray

# --------------------------------------------------------------------------------------------------
#
# read_stored, read_weights: the weights of any file of Keras, by its content, not by its name.


EXPECTED = (
    "a .keras, .weights.h5 or .h5 file, the folder of a SavedModel, the prefix of a checkpoint, or "
    "a bundle of `parity record`"
)
_DAMAGE = (
    *(OSError, EOFError, ValueError, RuntimeError, NotImplementedError, OverflowError, MemoryError),
    *(KeyError, TypeError, AttributeError, IndexError, RecursionError, zipfile.BadZipFile),
)
_MAX_MESSAGE = 300  # characters


def read_weights(path: Path | str) -> dict[str, np.ndarray]:
    """Returns all weights of a file by their paths in it, as they are stored.

    Args:
        path: of a .keras, .weights.h5 or .h5 file, of a SavedModel, or the prefix of a checkpoint.

    Raises:
        InputError: it is none of these, or damaged.
    """
    with private_folder("weights") as folder:
        stored = read_stored(Path(path), folder)
        with refusals(Path(path)):
            return {array.key: array.load() for array in stored.weights}


def read_stored(path: Path, folder: Path) -> Stored:
    """Returns what a file says of its weights; they are read later, one by one.

    Args:
        path: as above.
        folder: private, for what is unpacked; it stays until the weights are read.

    Raises:
        InputError: it is no file of weights, or damaged.
    """
    with refusals(path):
        if (index := index_of(path)) is not None:
            return stored_checkpoint(index)
        if not path.is_file():
            raise ValueError(f"there is no such file; expected {EXPECTED}")
        with path.open("rb") as file:
            start = file.read(len(hdf5.MAGIC))
        if start.startswith(hdf5.ZIP_MAGIC):
            return stored_keras_archive(path, folder)
        if start == hdf5.MAGIC:
            with hdf5.opened(path) as file:
                is_legacy = hdf5.is_one(file)
            return stored_legacy_h5(path) if is_legacy else stored_weights_h5(path)
        raise ValueError(f"it is no file of weights, or damaged; expected {EXPECTED}")


@contextmanager
def refusals(path: Path) -> Iterator[None]:
    """Turns what damaged bytes raise into an InputError with one sentence."""
    try:
        yield
    except InputError:
        raise
    except _DAMAGE as error:
        raise refused(path, str(error) or type(error).__name__) from None


def refused(path: Path, why: str) -> InputError:
    """Returns the error of a file, in one line in which nothing moves a terminal."""
    text = " ".join(why.split())[:_MAX_MESSAGE]
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    return InputError(f"{path}: no weights that can be used: {shown}")


# --- copy_stored: copies a file of weights into one of arrays and one of text, for any half -------


_NAMES = {kind: name for name, kind in DTYPES.items()}


def copy_stored(path: Path, folder: Path) -> None:
    """Reads a file of weights into a folder, array by array.

    Args:
        path: of the file.
        folder: which exists.

    Raises:
        InputError: the file cannot be used.
    """
    stored = read_stored(path, folder)
    description: dict[str, Any] = {
        "form": stored.form,
        "config": stored.config,
        "compiled": stored.compiled,
        "weights": [array.told() for array in stored.weights],
        "slots": [array.told() for array in stored.slots],
    }
    keyed: dict[str, StoredArray] = {}
    for part, arrays in (("weights", stored.weights), ("slots", stored.slots)):
        keyed |= {f"{part}/{array.key}": array for array in arrays}
    entries = {key: (_NAMES[array.dtype.type], array.shape) for key, array in keyed.items()}
    with refusals(path), ArrayFile(folder / ARRAYS, entries) as file:
        for key, array in keyed.items():
            file[key] = array.load()
    write_json(folder / TOLD, description)
    (folder / SUCCESS).touch()


# --- write_back: other weights in a copy of a `.weights.h5` or `.h5`, whose structure stays -------


def write_back(like: Path, arrays: Path, folder: Path, to: Path) -> None:
    """Writes a copy of a file with other weights; the state of its optimizer stays as it was.

    Args:
        like: a `.weights.h5` or `.h5`.
        arrays: a safetensors file with arrays by their paths in it.
        folder: private.
        to: path of the copy.

    Raises:
        InputError: it is another file, or has another weight or shape.
    """
    from safetensors.numpy import load_file

    stored = read_stored(like, folder)
    if stored.form not in (".weights.h5", ".h5"):
        raise InputError(f"{like}: expected a .weights.h5 or .h5, not a {stored.form}")
    given = load_file(arrays)
    keys = {array.key for array in stored.weights}
    if left := sorted(keys ^ set(given)):
        where = "this file" if left[0] in keys else "the module"
        raise InputError(
            f"{like}: {left[0][:80]!r} is in {where} alone; expected the same weights in both"
        )
    shutil.copyfile(like, to)
    with refusals(like), h5py.File(to, "r+") as file:
        for array in stored.weights:
            value = given[array.key]
            if value.shape != array.shape:
                raise InputError(
                    f"{like}: {array.key!r} has the shape {array.shape}, not {value.shape}"
                )
            dataset = file[array.key]
            if dataset.dtype.kind == "V":
                raise InputError(f"{like}: {array.key!r} is in bfloat16, which would round")
            dataset[...] = np.asarray(value, dtype=dataset.dtype)
