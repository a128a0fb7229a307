"""What an optimizer keeps for the pieces of a long variable, in a file if it is much.

The slots of Adam are as large as two models, and are asked for once in each step, one piece behind
the other. Without a place for a file, they stay in memory.
"""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Sequence
from contextlib import suppress
from typing import IO

import numpy as np

MOST_IN_MEMORY = 2**28  # bytes of all pieces; what is more goes to a file

State = list[np.ndarray]


class KeptStates:
    """The states of pieces: arrays of the same shapes for each, which nobody changes in place.

    Args:
        start: state of each piece until it is set.
        num_pieces: that there are.
    """

    def __init__(self, start: Sequence[np.ndarray], num_pieces: int) -> None:
        self._start = [np.array(array) for array in start]
        self._size = sum(array.nbytes for array in self._start)
        self._held: dict[int, State] = {}
        self._written: set[int] = set()
        self._file: IO[bytes] | None = None
        if self._size * num_pieces > MOST_IN_MEMORY:
            with suppress(OSError):
                self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - until `clear`
                weakref.finalize(self, self._file.close)

    def __getitem__(self, piece: int) -> State:
        if piece in self._written:
            assert self._file is not None
            self._file.seek(piece * self._size)
            return [
                np.fromfile(self._file, array.dtype, array.size).reshape(array.shape)
                for array in self._start
            ]
        return self._held.get(piece, self._start)

    def __setitem__(self, piece: int, state: Sequence[np.ndarray]) -> None:
        self._written.discard(piece)
        self._held.pop(piece, None)
        if self._file is not None:
            with suppress(OSError):  # the disk is full
                self._file.seek(piece * self._size)
                for array in state:
                    _write(self._file, array)
                self._written.add(piece)
                return
        self._held[piece] = list(state)

    def clear(self) -> None:
        """Gives all states up, and the file; no piece is asked for any more."""
        self._held.clear()
        self._written.clear()
        if self._file is not None:
            self._file.close()
        self._file = None


def _write(file: IO[bytes], array: np.ndarray) -> None:
    """Writes all of an array: a single call may write less."""
    left = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
    while left:
        left = left[file.write(left) :]
