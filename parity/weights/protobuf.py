"""Protocol buffers, as far as a checkpoint needs them: the fields of a message, by number.

The encoding is that of https://protobuf.dev/programming-guides/encoding. No schema is needed, and
no library: a message is a row of (number, value), and a nested message is bytes.
"""

from __future__ import annotations

from collections.abc import Iterator

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MOST = 10  # bytes of a varint


def varint(data: bytes, start: int) -> tuple[int, int]:
    """Returns a number of variable length, and where it ends.

    Raises:
        ValueError: the data end inside of it, or it has more than 64 bits.
    """
    value = 0
    for place in range(_MOST):
        if start + place >= len(data):
            raise ValueError("a message is cut off")
        byte = data[start + place]
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            if value >= 2**64:
                break
            return value, start + place + 1
    raise ValueError("a number of a message has more than 64 bits")


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yields number and value of each field of a message.

    Raises:
        ValueError: it is no message.
    """
    place = 0
    while place < len(data):
        tag, place = varint(data, place)
        number, kind = tag >> 3, tag & 7
        value: int | bytes
        if kind == _VARINT:
            value, place = varint(data, place)
        elif kind in (_FIXED32, _FIXED64):
            length = 4 if kind == _FIXED32 else 8
            value, place = int.from_bytes(_cut(data, place, length), "little"), place + length
        elif kind == _BYTES:
            length, place = varint(data, place)
            value, place = _cut(data, place, length), place + length
        else:
            raise ValueError(f"a message has a field of type {kind}")
        yield number, value


def _cut(data: bytes, start: int, length: int) -> bytes:
    if length > len(data) - start:
        raise ValueError("a message is cut off")
    return data[start : start + length]


def numbers(data: bytes, field: int) -> list[int]:
    """Returns the values of a field that holds numbers."""
    return [_number(value) for number, value in fields(data) if number == field]


def messages(data: bytes, field: int) -> list[bytes]:
    """Returns the values of a field that holds messages or texts."""
    return [_bytes(value) for number, value in fields(data) if number == field]


def number_of(data: bytes, field: int) -> int:
    """Returns the value of a field that holds one number; 0 if it is left out."""
    return (numbers(data, field) or [0])[-1]


def text_of(data: bytes, field: int) -> str:
    """Returns the value of a field that holds one text; "" if it is left out."""
    return (messages(data, field) or [b""])[-1].decode("utf-8")


def _number(value: int | bytes) -> int:
    if isinstance(value, bytes):
        raise ValueError("a field of a message is no number")
    return value


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("a field of a message is a number")
    return value
