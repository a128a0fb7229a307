"""How the arrays of a whole run are stored in a bundle: losslessly, as bytes that compress well.

Each array has a code, a mapping with its dtype and shape, and "as":

    bytes      its bytes, all first ones, then all second ones, and so on
    float32    float64 values that float32 holds, as such bytes
    same       nothing: it is the array "of"
    rows       nothing: it is rows of the array "of", from the row "at", in its own dtype

Batches in front of recorded states are mostly rows of what `fit` was fed, in its order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from parity.traces.array_file import DTYPES, name_of
from parity.traces.bundle_coding import from_planes, planes

Array = np.ndarray
Code = dict[str, Any]

FED = "feed/"  # what the keys of arrays begin with of which others may be rows
CODES = {"bytes": (), "float32": (), "same": ("of",), "rows": ("of", "at")}  # their own fields
_MOST_STARTS = 16  # rows that are tried where many rows of a feed are the same


def encode_run(
    keys: Iterable[str], get: Callable[[str], Array]
) -> tuple[dict[str, Code], dict[str, Array]]:
    """Returns the code of every array, and what is stored, both by key.

    Args:
        keys: of the arrays.
        get: returns an array.

    Raises:
        ValueError: an array has a dtype or a shape that no bundle has.
    """
    codes: dict[str, Code] = {}
    stored: dict[str, Array] = {}
    known: dict[tuple[str, bytes], str] = {}
    fed = _FedRows()
    for key in sorted(keys, key=lambda key: (not key.startswith(FED), key)):
        array = np.array(get(key), order="C")
        if array.dtype not in map(np.dtype, DTYPES.values()) or not array.size:
            raise ValueError(f"the array {key[:60]!r} is {array.dtype} of shape {array.shape}")
        code: Code = {"dtype": name_of(array), "shape": list(array.shape)}
        content = (code["dtype"], array.tobytes())
        if content in known:
            codes[key] = {**code, "as": "same", "of": known[content]}
            continue
        if key.startswith(FED):
            fed.add(key, array)
        elif (place := fed.place_of(array)) is not None:
            codes[key] = {**code, "as": "rows", "of": place[0], "at": place[1]}
            continue
        known[content] = key
        small = array.astype(np.float32) if _is_single(array) else array
        codes[key] = {**code, "as": "bytes" if small is array else "float32"}
        stored[key] = planes(small)
    return codes, stored


def _is_single(array: Array) -> bool:
    """Whether a float64 array has values that float32 holds."""
    if array.dtype != np.float64:
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        return array.astype(np.float32).astype(np.float64).tobytes() == array.tobytes()


class _FedRows:
    """Finds an array among the rows of what was fed."""

    def __init__(self) -> None:
        self._arrays: dict[str, Array] = {}
        self._starts: dict[tuple[str, str], dict[bytes, list[int]]] = {}

    def add(self, key: str, array: Array) -> None:
        if array.ndim:
            self._arrays[key] = array

    def place_of(self, array: Array) -> tuple[str, int] | None:
        """Returns the key of what was fed, and the first of the rows that the array is."""
        for key, whole in self._arrays.items():
            if array.shape[1:] != whole.shape[1:] or not 0 < array.ndim == whole.ndim:
                continue
            if not _is_cast(whole.dtype, array.dtype):
                continue
            for at in self._index(key, array.dtype).get(array[:1].tobytes(), ()):
                rows = whole[at : at + len(array)]
                if len(rows) == len(array) and _cast(rows, array.dtype).tobytes() == (
                    array.tobytes()
                ):
                    return key, at
        return None

    def _index(self, key: str, dtype: np.dtype[Any]) -> dict[bytes, list[int]]:
        """Returns the numbers of the first rows with each content, in a dtype."""
        place = (key, dtype.str)
        if place not in self._starts:
            found = self._starts[place] = {}
            for at, row in enumerate(_cast(self._arrays[key], dtype)):
                starts = found.setdefault(row.tobytes(), [])
                if len(starts) < _MOST_STARTS:
                    starts.append(at)
        return self._starts[place]


def _is_cast(whole: np.dtype[Any], part: np.dtype[Any]) -> bool:
    return whole == part or (whole.kind == part.kind == "f")


def _cast(array: Array, dtype: np.dtype[Any]) -> Array:
    with np.errstate(over="ignore", invalid="ignore"):
        return array.astype(dtype, copy=False)


def check_run_codes(codes: Mapping[str, Any]) -> str:
    """Returns what is wrong with the codes of a run, "" if nothing is.

    Dtypes and shapes are known to be such.
    """
    for key, code in codes.items():
        shown = f"the code of the array {key[:60]!r}"
        how = code.get("as")
        if not isinstance(how, str) or how not in CODES:
            return f"{shown} is {str(how)[:20]!r}; expected one of {', '.join(CODES)}"
        if set(code) != {"dtype", "shape", "as", *CODES[how]}:
            return f"{shown} has other fields"
        if how == "float32" and code["dtype"] != "F64":
            return f"{shown} is for F64"
        if "of" in CODES[how] and (problem := _wrong_source(code, codes)):
            return f"{shown} {problem}"
    return ""


def _wrong_source(code: Code, codes: Mapping[str, Any]) -> str:
    of, how = code["of"], code["as"]
    other = codes.get(of) if isinstance(of, str) else None
    # One that is stored, so that none is looked up through many.
    if other is None or other.get("as") not in ("bytes", "float32"):
        return "speaks of an array that is not stored"
    shape, whole = code["shape"], other["shape"]
    if how == "same":
        is_such = other["dtype"] == code["dtype"] and math.prod(shape) == math.prod(whole)
        return "" if is_such else "speaks of an array that it cannot be"
    at = code["at"]
    is_such = (
        of.startswith(FED)
        and _is_cast(np.dtype(DTYPES[other["dtype"]]), np.dtype(DTYPES[code["dtype"]]))
        and len(shape) == len(whole) > 0
        and shape[1:] == whole[1:]
        and type(at) is int
        and 0 <= at <= whole[0] - shape[0]
    )
    return "" if is_such else "speaks of rows that are not there"


class RunArrays:
    """The arrays of a run, made when they are asked for.

    Args:
        codes: by key, as `check_run_codes` accepts them.
        stored: returns what is stored under a key.
    """

    def __init__(self, codes: Mapping[str, Code], stored: Callable[[str], Array]) -> None:
        self._codes, self._stored = codes, stored
        self._fed: dict[str, Array] = {}

    def __getitem__(self, key: str) -> Array:
        """Returns an array.

        Raises:
            ValueError: what is stored does not fit its code.
        """
        code = self._codes[key]
        shape = tuple(code["shape"])
        if code["as"] == "same":
            return self[code["of"]].reshape(shape)
        if code["as"] == "rows":
            rows = self._whole(code["of"])[code["at"] : code["at"] + shape[0]]
            return _cast(rows, np.dtype(DTYPES[code["dtype"]]))
        kind = np.dtype(np.float32 if code["as"] == "float32" else DTYPES[code["dtype"]])
        found = self._stored(key)
        if found.dtype != np.uint8 or found.shape != (kind.itemsize, math.prod(shape)):
            raise ValueError(f"the array {key[:60]!r} is stored with the shape {found.shape}")
        array = from_planes(found, kind)
        if kind == np.bool_ and found.max() > 1:
            raise ValueError(f"the array {key[:60]!r} has other values than true and false")
        return array.astype(DTYPES[code["dtype"]], copy=False).reshape(shape)

    def _whole(self, key: str) -> Array:
        if key not in self._fed:
            self._fed[key] = self[key]
        return self._fed[key]
