"""The table of a checkpoint's index: keys in order, in blocks with a checksum, as LevelDB has it.

    block ... block | metaindex | index | footer        footer: where the other two are, and a magic
    block:  entries | restarts | type | checksum        entry: what its key shares with the last one

The form is that of https://github.com/google/leveldb/blob/main/doc/table_format.md. TensorFlow does
not compress the blocks of an index.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from parity.weights.crc32c import crc32c, unmasked
from parity.weights.protobuf import varint

_MAGIC = 0xDB4775248B80FB57
_FOOTER, _TRAILER = 48, 5
MAX_TABLE = 64 * 2**20  # bytes; the index of a network of 1,000 layers has 0.3 MB
_MAX_ENTRIES = 1_000_000


def read_table(path: Path) -> dict[str, bytes]:
    """Returns the values of a table by their keys.

    Raises:
        ValueError: it is damaged, or no such table.
    """
    size = path.stat().st_size
    if not _FOOTER <= size <= MAX_TABLE:
        raise ValueError(f"{path.name} has {size:,} bytes")
    data = path.read_bytes()
    footer = data[-_FOOTER:]
    if int.from_bytes(footer[-8:], "little") != _MAGIC:
        raise ValueError(f"{path.name} is cut off, or no table")
    place = 0
    for _ in range(2):  # the metaindex, which is empty here
        _, place = varint(footer, place)
    start, place = varint(footer, place)
    length, _ = varint(footer, place)
    found: dict[str, bytes] = {}
    last = b""
    for _, handle in _entries(_block(data, start, length)):
        start, place = varint(handle, 0)
        length, _ = varint(handle, place)
        for key, value in _entries(_block(data, start, length)):
            if found and key <= last:
                raise ValueError("its keys are not in order")
            last, found[key.decode("utf-8")] = key, value
            if len(found) > _MAX_ENTRIES:
                raise ValueError(f"it has more than {_MAX_ENTRIES:,} entries")
    return found


def _block(data: bytes, start: int, length: int) -> bytes:
    end = start + length
    if end + _TRAILER > len(data) - _FOOTER:
        raise ValueError("a block is outside of the table")
    if data[end] != 0:
        raise ValueError("a block is compressed; TensorFlow writes none that is")
    stored = int.from_bytes(data[end + 1 : end + _TRAILER], "little")
    if crc32c(data[start : end + 1]) != unmasked(stored):
        raise ValueError("a block has another checksum than it says")
    return data[start:end]


def _entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    num_restarts = int.from_bytes(block[-4:], "little")
    end = len(block) - 4 * (num_restarts + 1)
    if len(block) < 4 or end < 0:
        raise ValueError("a block is too short")
    place, key = 0, b""
    while place < end:
        shared, place = varint(block, place)
        own, place = varint(block, place)
        length, place = varint(block, place)
        if shared > len(key) or place + own + length > end:
            raise ValueError("an entry is outside of its block")
        key = key[:shared] + block[place : place + own]
        yield key, block[place + own : place + own + length]
        place += own + length
