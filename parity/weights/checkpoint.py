"""A checkpoint of TensorFlow: `variables/variables.index` and `.data` of a SavedModel, or a prefix.

The index is a table of protocol buffers (`sorted_table`): of each tensor its dtype, its shape and
its place in a data file. One tensor is a text, the graph of the objects that were saved, with the
name that each variable has in its program:

    variables/0/.ATTRIBUTES/VARIABLE_VALUE                    full name "inner/dense_1/kernel"
    layer_with_weights-0/kernel/.ATTRIBUTES/VARIABLE_VALUE    of Keras 2
    optimizer/_trainable_variables/0/.ATTRIBUTES/VARIABLE_VALUE    a weight, of Keras 3
    optimizer/_variables/2/.ATTRIBUTES/VARIABLE_VALUE         a slot of its optimizer

The messages are those of tensorflow/core/protobuf/tensor_bundle.proto and
trackable_object_graph.proto.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from parity.weights import protobuf
from parity.weights.crc32c import crc32c, unmasked
from parity.weights.protobuf import messages, number_of, numbers, text_of, varint
from parity.weights.sorted_table import MAX_TABLE, read_table
from parity.weights.stored import MAX_NAME, Stored, StoredArray, check_array

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
        array = np.frombuffer(_bytes(data, entry, key), dtype).reshape(entry.shape)
        if is_half:
            return (array.astype(np.uint32) << 16).view(np.float32)
        return array

    holder, _, last = name.removesuffix(":0").rpartition("/")
    told = np.dtype(np.float32) if is_half else dtype
    return StoredArray(key, holder, last, number, entry.shape, told, load)


def _bytes(data: list[Path], entry: _Entry, key: str) -> bytes:
    path = data[entry.shard]
    if not path.is_file():
        raise ValueError(f"its file {path.name} is missing")
    if entry.start + entry.size > path.stat().st_size:
        raise ValueError(f"{path.name} is cut off: it lacks bytes of {key[:80]!r}")
    with path.open("rb") as file:
        file.seek(entry.start)
        found = file.read(entry.size)
    return _checked(found, entry, key)


def _checked(found: bytes, entry: _Entry, key: str) -> bytes:
    if crc32c(found) != unmasked(entry.checksum):
        raise ValueError(f"{key[:80]!r} has another checksum than the index says")
    return found


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
    protobuf.fields(text)
    return text
