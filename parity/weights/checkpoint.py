"""A checkpoint of TensorFlow: `variables.index` and `.data` of a SavedModel, or a prefix."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from parity.weights.stored import MAX_NAME, Stored, StoredArray, check_array, widened

# --------------------------------------------------------------------------------------------------
#
# The checksum of TensorFlow's checkpoints: CRC-32C (Castagnoli, RFC 3720), computed with NumPy.
#
# Python would need a second for every megabyte. Here a long text is cut into pieces of one length,
# all of which go through the table together. The checksum of two pieces in a row follows from those
# of both: that of the first is multiplied by a power of x, as in zlib's `crc32_combine`.


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


# --- Protocol buffers, as far as a checkpoint needs them: the fields of a message, by number ------
#
# The encoding is that of https://protobuf.dev/programming-guides/encoding. No schema is needed, and
# no library: a message is a row of (number, value), and a nested message is bytes.


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
    return [_field_bytes(value) for number, value in fields(data) if number == field]


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


def _field_bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("a field of a message is a number")
    return value


# --------------------------------------------------------------------------------------------------
#
# The table of a checkpoint's index: keys in order, in blocks with a checksum, as LevelDB has it.
#
#     block ... block | metaindex | index | footer        footer: where the other two are, and a
#         magic
#     block:  entries | restarts | type | checksum        entry: what its key shares with the
#         last one
#
# The form is that of https://github.com/google/leveldb/blob/main/doc/table_format.md. TensorFlow
# does not compress the blocks of an index.


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
        unshared, place = varint(block, place)
        length, place = varint(block, place)
        if shared > len(key) or place + unshared + length > end:
            raise ValueError("an entry is outside of its block")
        key = key[:shared] + block[place : place + unshared]
        yield key, block[place + unshared : place + unshared + length]
        place += unshared + length


# --------------------------------------------------------------------------------------------------
#
# A checkpoint of TensorFlow: `variables/variables.index` and `.data` of a SavedModel, or a prefix.
#
# The index is a table of protocol buffers (`sorted_table`): of each tensor its dtype, its shape and
# its place in a data file. One tensor is a text, the graph of the objects that were saved, with the
# name that each variable has in its program:
#
#     variables/0/.ATTRIBUTES/VARIABLE_VALUE                    full name "inner/dense_1/kernel"
#     layer_with_weights-0/kernel/.ATTRIBUTES/VARIABLE_VALUE    of Keras 2
#     optimizer/_trainable_variables/0/.ATTRIBUTES/VARIABLE_VALUE    a weight, of Keras 3
#     optimizer/_variables/2/.ATTRIBUTES/VARIABLE_VALUE         a slot of its optimizer
#
# The messages are those of tensorflow/core/protobuf/tensor_bundle.proto and
# trackable_object_graph.proto.


_GRAPH, _VALUE = "_CHECKPOINTABLE_OBJECT_GRAPH", "/.ATTRIBUTES/VARIABLE_VALUE"
# A checkpoint has every variable once, by its shortest path: of Keras 3, a weight that is trained
# often is among those that its optimizer has.
_METRICS = "keras_api/metrics/"  # of Keras 2: what they count is no weight
_OF_OPTIMIZER = re.compile(r"(^|/)_?optimizer/(?!_trainable_variables/)")
_MAX_SHARDS = 10_000
_TEXT = 7  # DT_STRING
# DataType of tensorflow/core/framework/types.proto.
_DTYPES: dict[int, Any] = {
    1: np.float32,
    2: np.float64,
    3: np.int32,
    4: np.uint8,
    5: np.int16,
    6: np.int8,
    9: np.int64,
    10: np.bool_,
    17: np.uint16,
    19: np.float16,
    22: np.uint32,
    23: np.uint64,
}
_BFLOAT16 = 14
_AGAIN = "_all_variables/"  # where `model.export` keeps the same variables once more
# What a state of the program is called that no layer computes with.
_STATES = ("seed_generator_state", "save_counter", "saved_model_checkpoint")


def index_of(path: Path) -> Path | None:
    """Returns the index of the checkpoint that a path means; None if it is none.

    Args:
        path: of a SavedModel, of its index, or the prefix of a checkpoint.
    """
    ways = (path / "variables" / "variables.index", path, Path(f"{path}.index"))
    return next((way for way in ways if way.suffix == ".index" and way.is_file()), None)


@dataclass(frozen=True)
class _Entry:
    """Where a tensor is.

    Attributes:
        dtype: a number of DataType.
        shape: of the tensor.
        shard: number of the data file.
        start: of its bytes in this file.
        size: bytes.
        checksum: of the bytes, masked.
    """

    dtype: int
    shape: tuple[int, ...]
    shard: int
    start: int
    size: int
    checksum: int


def stored_checkpoint(index: Path) -> Stored:
    """Reads a checkpoint.

    Args:
        index: path of its index.

    Raises:
        ValueError: it is damaged, or no checkpoint.
    """
    table = read_table(index)
    header = table.pop("", None)
    if header is None:
        raise ValueError("its index has no header")
    num_shards = number_of(header, 1)
    if number_of(header, 2) != 0 or not 1 <= num_shards <= _MAX_SHARDS:
        raise ValueError("it is not in the order of bytes of this machine, or has no data files")
    entries = {key: _entry(value, num_shards) for key, value in table.items()}
    if _GRAPH not in entries:
        raise ValueError("it has no graph of objects, as checkpoints before TensorFlow 2 have none")
    data = [
        Path(f"{index.with_suffix('')}.data-{n:05d}-of-{num_shards:05d}") for n in range(num_shards)
    ]
    names, is_slot = _names(_text(data, entries.pop(_GRAPH)))
    weights: list[StoredArray] = []
    slots: list[StoredArray] = []
    once = {name for key, name in names.items() if not key.startswith(_AGAIN)}
    for key, entry in sorted(entries.items(), key=lambda item: _in_order(item[0])):
        if entry.dtype == _TEXT or key not in names or not key.endswith(_VALUE):
            continue  # tables of words, and paths of files
        name = names[key]
        if name.rpartition("/")[2] in _STATES or key.startswith((*_STATES, _METRICS)):
            continue
        if key.startswith(_AGAIN) and name in once:
            continue
        found = slots if key in is_slot else weights
        found.append(_array(key, name, entry, data, len(found)))
    if not weights:
        raise ValueError("it holds no weights")
    return Stored("checkpoint", weights, slots)


def _in_order(key: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in key.split("/")]


def _entry(value: bytes, num_shards: int) -> _Entry:
    if messages(value, 7):
        raise ValueError("a tensor of it is in slices")
    shape = tuple(number_of(side, 1) for each in messages(value, 2) for side in messages(each, 2))
    entry = _Entry(
        number_of(value, 1),
        shape,
        number_of(value, 3),
        number_of(value, 4),
        number_of(value, 5),
        number_of(value, 6),
    )
    if entry.shard >= num_shards:
        raise ValueError(f"a tensor of it is in the data file {entry.shard}, which is not there")
    return entry


def _names(graph: bytes) -> tuple[dict[str, str], set[str]]:
    """Returns the full name of each variable by its key, and the keys of those of an optimizer."""
    names: dict[str, str] = {}
    slots: set[str] = set()
    nodes = messages(graph, 1)
    for node in nodes:
        for attribute in messages(node, 2):
            key, full = text_of(attribute, 3), text_of(attribute, 2)
            if len(key) > MAX_NAME or len(full) > MAX_NAME:
                raise ValueError("a variable of it has a name without end")
            names.setdefault(key, full)
    for node in nodes:
        for slot in messages(node, 3):
            (number,) = numbers(slot, 3) or (-1,)
            if not 0 <= number < len(nodes):
                raise ValueError("a slot of its optimizer is not among its objects")
            slots |= {text_of(attribute, 3) for attribute in messages(nodes[number], 2)}
    return names, slots | {key for key in names if _OF_OPTIMIZER.search(key)}


def _array(key: str, name: str, entry: _Entry, data: list[Path], number: int) -> StoredArray:
    is_half = entry.dtype == _BFLOAT16
    if not is_half and entry.dtype not in _DTYPES:
        raise ValueError(f"{key[:80]!r} is of the data type {entry.dtype}; expected numbers")
    dtype = np.dtype(np.uint16 if is_half else _DTYPES[entry.dtype])
    # Its own bytes are all of it: a tensor is not compressed.
    check_array(key, entry.shape, dtype, entry.size)
    if int(np.prod(entry.shape, dtype=object)) * dtype.itemsize != entry.size:
        raise ValueError(f"{key[:80]!r} has {entry.size:,} bytes; its shape says another number")

    def load() -> np.ndarray:
        content = _bytes(data, entry, key)
        if crc32c(content) != unmasked(entry.checksum):
            raise ValueError(f"{key[:80]!r} has another checksum than the index says")
        array = np.frombuffer(content, dtype).reshape(entry.shape)
        return widened(array) if is_half else array

    holder, _, last = name.removesuffix(":0").rpartition("/")
    read_dtype = np.dtype(np.float32) if is_half else dtype
    return StoredArray(key, holder, last, number, entry.shape, read_dtype, load)


def _bytes(data: list[Path], entry: _Entry, key: str) -> bytes:
    path = data[entry.shard]
    if not path.is_file():
        raise ValueError(f"its file {path.name} is missing")
    if entry.start + entry.size > path.stat().st_size:
        raise ValueError(f"{path.name} is cut off: it lacks bytes of {key[:80]!r}")
    with path.open("rb") as file:
        file.seek(entry.start)
        return file.read(entry.size)


def _text(data: list[Path], entry: _Entry) -> bytes:
    """Returns a tensor that is one text: its length, a checksum of the length, and its bytes."""
    if entry.dtype != _TEXT or entry.shape or entry.size > MAX_TABLE:
        raise ValueError("its graph of objects is no text")
    path = data[entry.shard]
    if not path.is_file() or entry.start + entry.size > path.stat().st_size:
        raise ValueError(f"{path.name} is missing, or cut off")
    with path.open("rb") as file:
        file.seek(entry.start)
        found = file.read(entry.size)
    length, place = varint(found, 0)
    if place + 4 + length != len(found):
        raise ValueError("its graph of objects has another length than it says")
    text = found[place + 4 :]
    # The checksum runs over the length as a number of 4 bytes, its own checksum, and the text.
    width = 4 if length < 2**32 else 8
    whole = length.to_bytes(width, "little") + found[place : place + 4] + text
    if crc32c(whole) != unmasked(entry.checksum):
        raise ValueError("its graph of objects has another checksum than the index says")
    fields(text)
    return text
