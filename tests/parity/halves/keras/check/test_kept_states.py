"""States of pieces come back bit by bit, from memory, from a file, and without a disk for it."""

import errno
import tempfile
import tracemalloc

import numpy as np
import pytest
from helpers import assert_same_bits

from parity.halves.keras.check import steps
from parity.halves.keras.check.steps import KeptStates

START = [np.array(0, np.int64), np.array(0.5, np.float32), np.zeros(5)]


def state(number):
    return [np.array(number, np.int64), START[1], np.arange(5) + number / 3]


class Full:
    """A file on a disk that takes some bytes, and no more."""

    def __init__(self, file, free):
        self._file, self._free = file, free

    def seek(self, place):
        self._file.seek(place)

    def write(self, content):
        if self._free < len(content):
            raise OSError(errno.ENOSPC, "No space left on device")
        self._free -= len(content)
        return self._file.write(content)

    def fileno(self):
        return self._file.fileno()

    def tell(self):
        return self._file.tell()

    def close(self):
        self._file.close()


@pytest.fixture(params=["memory", "file", "no_file", "full"])
def kept(request, monkeypatch):
    monkeypatch.setattr(steps, "MOST_IN_MEMORY", 0 if request.param != "memory" else 2**20)
    real = tempfile.TemporaryFile

    def opened(**arguments):
        if request.param == "no_file":
            raise OSError(errno.EROFS, "Read-only file system")
        file = real(**arguments)
        return Full(file, 100) if request.param == "full" else file

    monkeypatch.setattr(tempfile, "TemporaryFile", opened)
    return KeptStates(START, 4)


def assert_state(found, expected):
    for ours, theirs in zip(found, expected, strict=True):
        assert_same_bits(ours, theirs)


def test_each_piece_has_what_it_was_given_last(kept):
    for number in (2, 0, 3, 2, 1):
        kept[number] = state(number)
    kept[0] = state(7)
    for number, expected in enumerate((7, 1, 2, 3)):
        assert_state(kept[number], state(expected))


def test_a_piece_that_was_given_nothing_begins_as_all_do(kept):
    kept[1] = state(1)
    assert_state(kept[0], START)
    assert_state(kept[3], START)


def test_what_is_in_a_file_takes_no_memory(monkeypatch):
    monkeypatch.setattr(steps, "MOST_IN_MEMORY", 2**20)
    tracemalloc.start()
    kept = KeptStates([np.zeros(2**14)], 32)  # 4 MiB of all
    for number in range(32):
        kept[number] = [np.full(2**14, number / 3)]
    assert all((kept[n][0] == n / 3).all() for n in range(32))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2**20
