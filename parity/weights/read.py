"""read_stored, read_weights: the weights of any file of Keras, by its content, not by its name."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from parity.errors import InputError
from parity.files.private import private_folder
from parity.weights import hdf5, keras_config, legacy_h5
from parity.weights.checkpoint import index_of, stored_checkpoint
from parity.weights.keras_archive import stored_keras_archive
from parity.weights.legacy_h5 import stored_legacy_h5
from parity.weights.stored import Stored
from parity.weights.weights_h5 import stored_weights_h5

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
        if start.startswith(keras_config.MAGIC):
            return stored_keras_archive(path, folder)
        if start == hdf5.MAGIC:
            with hdf5.opened(path) as file:
                is_legacy = legacy_h5.is_one(file)
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
