"""The checksum of TensorFlow's checkpoints: CRC-32C (Castagnoli, RFC 3720), computed with NumPy.

Python would need a second for every megabyte. Here a long text is cut into pieces of one length,
all of which go through the table together. The checksum of two pieces in a row follows from those
of both: that of the first is multiplied by a power of x, as in zlib's `crc32_combine`.
"""

from __future__ import annotations

import numpy as np

_POLYNOMIAL = 0x82F63B78  # reflected
_PIECE = 256  # bytes
_MASK_DELTA = 0xA282EAD8  # of LevelDB's tables, which keep no checksum as it is


def _table() -> np.ndarray:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(_POLYNOMIAL), table >> 1)
    return table


_TABLE = _table()


def crc32c(data: bytes) -> int:
    """Returns the checksum of some bytes."""
    whole = np.frombuffer(data, np.uint8)
    num_pieces = 1 << max(0, (len(whole) // _PIECE).bit_length() - 1)  # a power of two
    length = len(whole) // num_pieces
    pieces = whole[: num_pieces * length].reshape(num_pieces, length)
    sums = _each(pieces)
    operator = _zeros(length)
    while len(sums) > 1:
        sums = _applied(operator, sums[::2]) ^ sums[1::2]
        operator = _applied(operator, operator)  # twice as many zeros
    rest = whole[num_pieces * length :]
    found = int(sums[0])
    if len(rest):
        found = int(
            (_applied(_zeros(len(rest)), np.array([found], np.uint32)) ^ _each(rest[None]))[0]
        )
    return found


def unmasked(stored: int) -> int:
    """Returns the checksum that a table keeps in its own form."""
    turned = (stored - _MASK_DELTA) & 0xFFFFFFFF
    return ((turned >> 17) | (turned << 15)) & 0xFFFFFFFF


def _each(pieces: np.ndarray) -> np.ndarray:
    """Returns the checksums (pieces,) of the rows of (pieces, length) bytes."""
    sums = np.full(len(pieces), 0xFFFFFFFF, np.uint32)
    for column in np.ascontiguousarray(pieces.T):
        sums = _TABLE[(sums ^ column) & 0xFF] ^ (sums >> 8)
    return sums ^ np.uint32(0xFFFFFFFF)


def _zeros(length: int) -> np.ndarray:
    """Returns what `length` bytes of zero make of each bit of a checksum: a matrix over GF(2)."""
    bits = np.uint32(1) << np.arange(32, dtype=np.uint32)
    one = _TABLE[bits & 0xFF] ^ (bits >> 8)
    found = bits
    while length:
        if length & 1:
            found = _applied(one, found)
        one = _applied(one, one)
        length >>= 1
    return found


def _applied(operator: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Returns the product of a matrix, given by its columns, with each of some bit vectors."""
    found = np.zeros_like(values)
    for bit in range(32):
        found ^= np.where((values >> np.uint32(bit)) & 1, operator[bit], np.uint32(0))
    return found
