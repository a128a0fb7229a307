"""ArrayFile: a safetensors file that is written array by array, and read before it is complete.

The library writes such a file only at once, from arrays that are all in memory.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from parity.files.atomic import atomic_path

DTYPES: dict[str, type[np.generic]] = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "I64": np.int64,
    "I32": np.int32,
    "I16": np.int16,
    "I8": np.int8,
    "U64": np.uint64,
    "U32": np.uint32,
    "U16": np.uint16,
    "U8": np.uint8,
    "BOOL": np.bool_,
}
_NAMES = {np.dtype(dtype): name for name, dtype in DTYPES.items()}


def name_of(array: np.ndarray) -> str:
    """Returns the name that safetensors has for the dtype of an array."""
    return _NAMES[array.dtype]


def num_bytes(dtype: str, shape: tuple[int, ...]) -> int:
    """Returns the size of an array."""
    return math.prod(shape) * np.dtype(DTYPES[dtype]).itemsize


class ArrayFile:
    """A context manager; every array has to be set once, and can be read from then on.

    Args:
        path: of the file, which is made.
        entries: dtype and shape of every array, by key.
    """

    def __init__(self, path: Path, entries: Mapping[str, tuple[str, tuple[int, ...]]]) -> None:
        # Large entries first, so that each array lies where its dtype can be read.
        order = sorted(entries, key=lambda key: (-num_bytes(entries[key][0], ()), key))
        header, starts, end = {}, {}, 0
        for key in order:
            dtype, shape = entries[key]
            starts[key], end = end, end + num_bytes(dtype, shape)
            offsets = [starts[key], end]
            header[key] = {"dtype": dtype, "shape": shape, "data_offsets": offsets}
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        self._entries = entries
        self._starts = {key: 8 + len(text) + start for key, start in starts.items()}
        self._file = path.open("w+b")
        self._file.write(len(text).to_bytes(8, "little") + text)

    def __enter__(self) -> ArrayFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()

    def __setitem__(self, key: str, array: np.ndarray) -> None:
        self._file.seek(self._starts[key])
        self._file.write(np.ascontiguousarray(array).data)

    def __getitem__(self, key: str) -> np.ndarray:
        dtype, shape = self._entries[key]
        self._file.flush()
        with open(self._file.name, "rb") as file:
            file.seek(self._starts[key])
            return np.fromfile(file, DTYPES[dtype], math.prod(shape)).reshape(shape)


# Bytes of a file whose content a reader keeps: to open it takes longer than to read a small array.
MOST_KEPT = 2**22


class ArrayReader:
    """Reads the arrays of a complete file one by one, without a map of it in memory.

    Args:
        path: of a file that safetensors has found to be one.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            self._header: dict[str, Any] = json.loads(file.read(length))
            self._start = 8 + length
            size = path.stat().st_size - self._start
            self._kept = file.read() if size <= MOST_KEPT else None

    def __getitem__(self, key: str) -> np.ndarray:
        """Returns an array.

        Raises:
            OSError, ValueError, LookupError: the file has changed, or NumPy lacks the dtype.
        """
        entry = self._header[key]
        shape, dtype = tuple(entry["shape"]), DTYPES[entry["dtype"]]
        place, size = entry["data_offsets"][0], math.prod(shape)
        if self._kept is not None:
            # A copy, since the caller may write to it.
            return np.frombuffer(self._kept, dtype, size, place).reshape(shape).copy()
        with self._path.open("rb") as file:
            file.seek(self._start + place)
            return np.fromfile(file, dtype, size).reshape(shape)


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes arrays to a file, completely or not at all, without another copy of them in memory."""
    entries = {key: (name_of(array), array.shape) for key, array in arrays.items()}
    with atomic_path(path) as temporary, ArrayFile(temporary, entries) as file:
        for key, array in arrays.items():
            file[key] = array
