"""HDF5 from anyone: groups, arrays and texts, looked at before they are read.

Only what Keras writes is taken: hard links to groups and to arrays of numbers whose bytes are in
the file itself. Links to other files, links by name, virtual arrays, arrays that are stored
outside, groups that contain themselves, and filters other than the library's own are refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from parity.weights.stored import MAX_CONFIG, MAX_NAME, MAX_WEIGHTS, StoredArray, check_array

MAX_DEPTH = 64
MAGIC = b"\x89HDF\r\n\x1a\n"
# What the library raises on damaged bytes.
_DAMAGE = (OSError, RuntimeError, KeyError, TypeError, AttributeError, IndexError, OverflowError)


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """Opens a file for the block.

    Raises:
        ValueError: it is damaged, also if that shows inside of the block.
    """
    try:
        with h5py.File(path, "r") as file:
            yield file
    except _DAMAGE as error:
        why = str(error) or type(error).__name__
        raise ValueError(f"damaged HDF5 ({why[:200]})") from None


class Tree:
    """The groups of a file, each of which is entered once.

    Args:
        file: that is open.
    """

    def __init__(self, file: h5py.File) -> None:
        self._seen: set[tuple[int, int]] = set()
        self._count = 0
        self.root = file

    def members(self, group: h5py.Group) -> dict[str, h5py.Group | h5py.Dataset]:
        """Returns what a group holds, by its name, in the order of the names.

        Raises:
            ValueError: something in it is no group and no array of this file, or the group has been
                entered before.
        """
        info = h5py.h5o.get_info(group.id)
        if (place := (info.fileno, info.addr)) in self._seen:
            raise ValueError(f"the group {group.name[:80]!r} is in it twice")
        self._seen.add(place)
        self._count += len(group)
        if self._count > 2 * MAX_WEIGHTS or group.name.count("/") > MAX_DEPTH:
            raise ValueError("its groups are too many, or nested too deep")
        found: dict[str, h5py.Group | h5py.Dataset] = {}
        for name in group:
            if not isinstance(name, str) or len(name) > MAX_NAME or not name.isprintable():
                raise ValueError(f"a group holds the name {str(name)[:60]!r}")
            link = group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise ValueError(
                    f"{name[:80]!r} is a {type(link).__name__}; expected what it holds"
                )
            member = group[name]
            if not isinstance(member, h5py.Group | h5py.Dataset):
                raise ValueError(f"{name[:80]!r} is neither a group nor an array")
            found[name] = member
        return found

    def arrays(self, group: h5py.Group) -> Iterator[tuple[str, h5py.Dataset]]:
        """Yields all arrays below a group by their paths below it."""
        for name, member in self.members(group).items():
            if isinstance(member, h5py.Dataset):
                yield name, member
            else:
                for path, array in self.arrays(member):
                    yield f"{name}/{path}", array


def stored_array(
    dataset: h5py.Dataset, *, holder: str, name: str = "", number: int = 0
) -> StoredArray:
    """Returns what a file says of an array; see `StoredArray`.

    Raises:
        ValueError: it is none that Keras writes.
    """
    key = dataset.name.lstrip("/")
    if dataset.external or dataset.is_virtual:
        raise ValueError(f"the numbers of {key[:80]!r} are in another file")
    if dataset.shape is None:
        raise ValueError(f"{key[:80]!r} has no numbers")
    filters = dataset.id.get_create_plist()
    for place in range(filters.get_nfilters()):
        if filters.get_filter(place)[0] > h5py.h5z.FILTER_SCALEOFFSET:  # the last of the library's
            raise ValueError(f"{key[:80]!r} needs a filter that is not the library's own")
    is_half = dataset.dtype.kind == "V" and dataset.dtype.itemsize == 2 and _is_bfloat16(dataset)
    dtype = np.dtype(np.uint16) if is_half else dataset.dtype.newbyteorder("=")
    check_array(key, dataset.shape, dtype, dataset.id.get_storage_size())

    def load() -> np.ndarray:
        array = np.asarray(dataset[()])
        if is_half:  # the upper half of a float32, which holds it exactly
            return (array.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
        return np.ascontiguousarray(array, dtype=dtype).reshape(dataset.shape)

    told = np.dtype(np.float32) if is_half else dtype
    return StoredArray(key, holder, name, number, tuple(dataset.shape), told, load)


def _is_bfloat16(dataset: h5py.Dataset) -> bool:
    return "dtype" in dataset.attrs and text_of(dataset, "dtype") == "bfloat16"


def text_of(holder: Any, name: str) -> str | None:
    """Returns an attribute that is a text; None if there is none.

    Raises:
        ValueError: it is something else, or too large.
    """
    if name not in holder.attrs:
        return None
    value = _attribute(holder, name)
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if isinstance(value, str):
        return value
    raise ValueError(f"the attribute {name!r} is no text")


def texts_of(holder: Any, name: str) -> list[str]:
    """Returns an attribute that is a list of texts, cut into NAME0, NAME1, ... if it is long.

    Raises:
        ValueError: there is none, or it is something else.
    """
    if name in holder.attrs:
        parts = [_attribute(holder, name)]
    else:
        parts = []
        while (part := f"{name}{len(parts)}") in holder.attrs:
            parts.append(_attribute(holder, part))
        if not parts:
            raise ValueError(f"the attribute {name!r} is missing")
    found = []
    for part in parts:
        if not isinstance(part, np.ndarray) or part.ndim != 1:
            raise ValueError(f"the attribute {name!r} is no list")
        if part.dtype.kind not in "SUO" and len(part):  # an empty one is of real numbers
            raise ValueError(f"the attribute {name!r} is no list of texts")
        for each in part:
            text = each.decode("utf-8") if isinstance(each, bytes) else each
            if not isinstance(text, str) or len(text) > MAX_NAME:
                raise ValueError(f"the attribute {name!r} holds something else than names")
            found.append(text)
    return found


def _attribute(holder: Any, name: str) -> Any:
    attribute = holder.attrs.get_id(name)
    dtype = attribute.dtype
    if math.prod(attribute.shape) * dtype.itemsize > MAX_CONFIG:
        raise ValueError(f"the attribute {name!r} is too large")
    if dtype.hasobject and h5py.check_string_dtype(dtype) is None:
        raise ValueError(f"the attribute {name!r} is no text")
    return holder.attrs[name]
