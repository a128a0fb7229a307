"""Arrays in a folder, a file each, so that a large network is in memory once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, unquote

import numpy as np


class Arrays:
    """Arrays by kind and name.

    Args:
        folder: of the files; it is made.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, kind: str, name: str, array: np.ndarray) -> None:
        """Writes an array."""
        path = self._path(kind, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, array)

    def get(self, kind: str, name: str) -> np.ndarray:
        """Returns an array, which is read from its file where it is used."""
        array: np.ndarray = np.load(self._path(kind, name), mmap_mode="r")
        return array

    def has(self, kind: str, name: str) -> bool:
        """Whether there is an array of this kind and name."""
        return self._path(kind, name).exists()

    def names(self, kind: str) -> Iterator[str]:
        """Yields the names of a kind, in their order."""
        for path in sorted((self._folder / kind).glob("*.npy")):
            yield unquote(path.stem)

    def _path(self, kind: str, name: str) -> Path:
        return self._folder / kind / f"{quote(name, safe='')}.npy"
