"""How the arrays of a bundle are stored: losslessly, and mostly as what predictions miss.

Each array has a code, a mapping with its dtype and shape, and "as":

    plain      the array itself
    bytes      its bytes, all first ones, then all second ones, and so on, which compress better
    float32    float64 values that float32 holds, as such bytes
    ulps       how many units in the last place it lies above its prediction, as such bytes
    same       nothing: it is the array "of", which was read before

Activations and their gradients follow from weights and inputs (`parity.traces.predictions`), so
that a unit or two in the last place is all that is left of them. On another processor or with
another NumPy, an array that was predicted may differ by some such units.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterator, Mapping
from typing import Any

import numpy as np

from parity.traces.array_file import name_of
from parity.traces.predictions import Predictions

Array = np.ndarray
Code = dict[str, Any]

CODES = {"plain": None, "bytes": "F64", "float32": "F64", "ulps": "F64", "same": None}  # dtype
# A prediction is worth it below so many bits an entry, on average; numbers at random take 56.
_MOST_BITS = 52.0


def encode(
    facts: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]], get: Callable[[str], Array]
) -> tuple[dict[str, Code], dict[str, Array]]:
    """Returns the code of every array, and what is stored, both by key.

    Args:
        facts: of the trace.
        shapes: of its arrays.
        get: returns an array of the trace.
    """
    codes: dict[str, Code] = {}
    stored: dict[str, Array] = {}
    known: dict[tuple[str, bytes], str] = {}
    predictions = Predictions(facts, shapes, _earlier(codes, get))
    for key in predictions.order:
        array = _aligned(get(key))
        code: Code = {"dtype": name_of(array), "shape": list(array.shape)}
        content = (code["dtype"], array.tobytes())
        if content in known:
            codes[key] = {**code, "as": "same", "of": known[content]}
            continue
        known[content] = key
        how, stored[key] = _stored(array, predictions, key)
        codes[key] = {**code, "as": how}
    return codes, stored


def _earlier(seen: Container[str], get: Callable[[str], Array]) -> Callable[[str], Array]:
    """Returns what gives a prediction the arrays before its own, the same in both directions."""

    def earlier(key: str) -> Array:
        if key not in seen:
            raise KeyError(key)
        return _aligned(get(key))

    return earlier


def _aligned(array: Array) -> Array:
    """Returns a copy in memory of its own, so that sums are made in the same order everywhere."""
    return np.array(array, order="C")


def _stored(array: Array, predictions: Predictions, key: str) -> tuple[str, Array]:
    if array.dtype != np.float64:
        return "plain", array
    expected = predictions.of(key)
    if expected is not None and expected.shape == array.shape:
        missed = _folded(_ordered(array) - _ordered(expected))
        if np.log2(missed.astype(np.float64) + 1).mean() < _MOST_BITS:
            size = max(1, -(-int(missed.max(initial=0)).bit_length() // 8))
            return "ulps", planes(missed)[:size]
    with np.errstate(over="ignore", invalid="ignore"):
        small = array.astype(np.float32)
    if small.astype(np.float64).tobytes() == array.tobytes():
        return "float32", planes(small)
    return "bytes", planes(array)


def check_codes(codes: Any) -> str:
    """Returns what is wrong with the codes of a bundle, "" if nothing is."""
    for key, code in codes.items():
        shown = f"the code of the array {key[:60]!r}"
        if not isinstance(code, dict) or not {"dtype", "shape", "as"} <= set(code):
            return f"{shown} has no dtype, shape and as"
        how = code["as"]
        if not isinstance(how, str) or how not in CODES:
            return f"{shown} is {str(how)[:20]!r}; expected one of {', '.join(CODES)}"
        if set(code) - {"dtype", "shape", "as"} != ({"of"} if how == "same" else set()):
            return f"{shown} has other fields"
        if how == "same" and (not isinstance(code["of"], str) or code["of"] not in codes):
            return f"{shown} speaks of an array that is not there"
        if CODES[how] not in (None, code["dtype"]):
            return f"{shown} is for {CODES[how]}"
    return ""


def decode(
    facts: Mapping[str, Any],
    codes: Mapping[str, Code],
    stored: Callable[[str], Array],
    get: Callable[[str], Array],
) -> Iterator[tuple[str, Array]]:
    """Yields key and array of all that is coded, in the order in which they are made.

    Args:
        facts: of the trace.
        codes: by key, as `check_codes` accepts them; dtypes and shapes are known to be such.
        stored: returns what is stored under a key.
        get: returns an array that was yielded before.

    Raises:
        ValueError: what is stored does not fit its code.
    """
    shapes = {key: tuple(code["shape"]) for key, code in codes.items()}
    seen: set[str] = set()
    earlier = _earlier(seen, get)
    predictions = Predictions(facts, shapes, earlier)
    for key in predictions.order:
        code = codes[key]
        if code["as"] == "same":
            of = code["of"]
            is_such = of in seen and codes[of]["dtype"] == code["dtype"]
            if not is_such or math.prod(shapes[of]) != math.prod(shapes[key]):
                raise ValueError(f"the array {key[:60]!r} is said to be one that it cannot be")
            array = earlier(of)
        else:
            array = _restored(key, code, stored(key), predictions)
        yield key, array.reshape(shapes[key])
        seen.add(key)


def _restored(key: str, code: Code, found: Array, predictions: Predictions) -> Array:
    num, how = math.prod(code["shape"]), code["as"]
    if how == "plain":
        if name_of(found) != code["dtype"] or list(found.shape) != code["shape"]:
            raise ValueError(f"the array {key[:60]!r} is stored as another")
        return found
    size = {"bytes": 8, "float32": 4}.get(how, found.shape[0] if found.ndim == 2 else 0)
    if found.dtype != np.uint8 or found.shape != (size, num) or not 1 <= size <= 8:
        raise ValueError(f"the array {key[:60]!r} is stored with the shape {found.shape}")
    if how == "bytes":
        return from_planes(found, np.dtype(np.float64))
    if how == "float32":
        return from_planes(found, np.dtype(np.float32)).astype(np.float64)
    expected = predictions.of(key)
    if expected is None or list(expected.shape) != code["shape"]:
        raise ValueError(f"the array {key[:60]!r} cannot be made from what is stored of it")
    missed = np.zeros((num, 8), np.uint8)
    missed[:, :size] = found.T
    return _from_ordered(_ordered(expected) + _unfolded(missed.view("<u8").reshape(-1)))


def planes(array: Array) -> Array:
    """Returns the bytes of all entries, (itemsize, entries): the lowest byte of each first."""
    flat = np.ascontiguousarray(array).reshape(-1)
    little = flat.astype(flat.dtype.newbyteorder("<"), copy=False)
    return np.ascontiguousarray(little.view(np.uint8).reshape(flat.size, -1).T)


def from_planes(found: Array, dtype: np.dtype[Any]) -> Array:
    """Returns the entries of which `planes` made the bytes, flat."""
    little = np.ascontiguousarray(found.T).view(dtype.newbyteorder("<"))
    return little.reshape(-1).astype(dtype, copy=False)


def _ordered(array: Array) -> Array:
    """Returns float64 as int64, flat, with neighbours as neighbours; -0.0 lies below 0.0."""
    bits = np.ascontiguousarray(array, dtype=np.float64).reshape(-1).view(np.int64)
    return np.where(bits < 0, bits ^ np.int64(2**63 - 1), bits)


def _from_ordered(numbers: Array) -> Array:
    return np.where(numbers < 0, numbers ^ np.int64(2**63 - 1), numbers).view(np.float64)


def _folded(numbers: Array) -> Array:
    """Returns int64 as uint64, small ones of both signs as small ones: 0, -1, 1, -2, ..."""
    return ((numbers << 1) ^ (numbers >> 63)).view(np.uint64)


def _unfolded(numbers: Array) -> Array:
    return (numbers >> np.uint64(1)).view(np.int64) ^ -(numbers & np.uint64(1)).view(np.int64)
