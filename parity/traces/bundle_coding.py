"""How the arrays of a bundle are stored: losslessly, and mostly as what predictions miss."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from parity.data.probe_inputs import of_step, sampled, short_name
from parity.traces.layer_formulas import BACK, OUTPUT, WEIGHTS, Array, LayerCall
from parity.traces.trace import DTYPES, name_of

# --------------------------------------------------------------------------------------------------
#
# Predictions: what arrays of a trace of Keras are expected to be, given others of the same trace.
#
# The arrays of layers follow from weights and inputs by the formulas of
# `parity.traces.layer_formulas`; weights after a step are near those before it. `pack` and `unpack`
# ask for the same predictions in the same order, and each may use what was read before it.


# Multiplications for all predictions of a bundle. VGG16 takes 2**38, and a core makes 2**33 a
# second. What is beyond has no prediction: a bundle says how much is computed.
MAX_WORK = 2**39
_FLAWED = (ArithmeticError, AttributeError, LookupError, MemoryError, TypeError, ValueError)
_PARTS = ("depthwise_kernel", "pointwise_kernel")  # of a separable convolution, which is two calls


class Predictions:
    """Predictions for the arrays of one trace.

    Args:
        facts: of the trace.
        shapes: of its arrays, by key.
        get: returns an array that was read before.

    Attributes:
        order: all keys, in the order in which they are to be read.
    """

    def __init__(
        self,
        facts: Mapping[str, Any],
        shapes: Mapping[str, tuple[int, ...]],
        get: Callable[[str], Array],
    ) -> None:
        self._shapes, self._get, self._nodes = shapes, get, facts["nodes"]
        self._work = 0
        self._calls: dict[str, list[int]] = {}  # by weight
        self._uses: dict[int, list[tuple[int, int]]] = {}  # node and place, by their source
        for number, node in enumerate(self._nodes):
            for weight in node["weights"]:
                self._calls.setdefault(weight, []).append(number)
            for place, source in enumerate(node["sources"]):
                if source is not None and source >= 0:
                    self._uses.setdefault(source, []).append((number, place))
        self._rules: dict[str, Callable[[], Array | None]] = {}
        for key, rule in self._found():
            if key in self._shapes:
                self._rules.setdefault(key, rule)
        self.order = [*sorted(set(self._shapes) - set(self._rules)), *self._rules]

    def of(self, key: str) -> Array | None:
        """Returns the float64 array that a key is expected to have, or None."""
        rule = self._rules.get(key)
        if rule is None:
            return None
        try:
            with np.errstate(all="ignore"):
                found = rule()
        except _FLAWED:  # facts of a bundle, or settings that a formula does not know
            return None
        return None if found is None else np.ascontiguousarray(found, dtype=np.float64)

    def _found(self) -> Iterator[tuple[str, Callable[[], Array | None]]]:
        for mode in ("eval", "train"):
            for number, node in enumerate(self._nodes):
                prefix = f"forward/{mode}/{node['name']}"
                for place in range(len(node["sources"])):
                    yield f"{prefix}/input/{place}", _nothing
                yield f"{prefix}/output", partial(self._output, number, mode)
            yield f"forward/{mode}/output", _nothing
        for number in reversed(range(len(self._nodes))):
            yield f"output_gradient/{self._nodes[number]['name']}", partial(self._slope, number)
        names = sorted(
            key.removeprefix("weights/") for key in self._shapes if key[:8] == "weights/"
        )
        steps = {prefix: self._steps(prefix) for prefix in ("trajectory", "optimizer")}
        for name in names:
            yield f"gradient/{name}", partial(self._gradient, name)
            yield f"init/{name}", partial(self._init, name)
            for prefix, suffix in (("trajectory", ""), ("optimizer", "/weights")):
                before = f"weights/{name}"
                for step in steps[prefix]:
                    key = f"{prefix}/{step}{suffix}/{name}"
                    yield key, partial(self._near, before)
                    before = key if key in self._shapes else before

    def _steps(self, prefix: str) -> list[int]:
        found = {key.split("/", 2)[1] for key in self._shapes if key.startswith(f"{prefix}/")}
        return sorted(int(step) for step in found if step.isdecimal() and len(step) < 10)

    def _near(self, before: str) -> Array:
        return of_step(self._get(before))

    def _init(self, name: str) -> Array | None:
        """The first draw is what the weights were made of, if they are not constant."""
        drawn = np.zeros(self._shapes[f"init/{name}"])
        drawn[0] = self._get(f"weights/{name}").reshape(-1)[: drawn.shape[1]]
        return drawn

    def _output(self, number: int, mode: str) -> Array | None:
        formula = OUTPUT.get(self._nodes[number]["kind"])
        return None if formula is None else formula(self._call(number, mode))

    def _passed(self, number: int) -> tuple[LayerCall, Array, Array]:
        """Returns a call in train mode, its output, and the gradient by it."""
        name = self._nodes[number]["name"]
        output = self._get(f"forward/train/{name}/output")
        slope = self._get(f"output_gradient/{name}")
        if slope.shape != output.shape:
            raise ValueError("another shape")
        return self._call(number, "train"), output, slope

    def _slope(self, number: int) -> Array | None:
        """Returns the gradient by an output: the sum of what comes back from all its uses."""
        total: Array | None = None
        for user, place in self._uses.get(number, []):
            formula = BACK.get(self._nodes[user]["kind"])
            found = None if formula is None else formula(*self._passed(user))[place]
            if found is None:
                return None
            total = found if total is None else total + found
        return total

    def _gradient(self, name: str) -> Array | None:
        """Returns the gradient by a weight: the sum over the calls of its layer."""
        total: Array | None = None
        for number in self._calls.get(name, []):
            formula = WEIGHTS.get(self._nodes[number]["kind"])
            if formula is None:
                return None
            short = short_name(name)
            found = formula(*self._passed(number))["kernel" if short in _PARTS else short]
            total = found if total is None else total + found
        return None if total is None else sampled(total)

    def _call(self, number: int, mode: str) -> LayerCall:
        node = self._nodes[number]
        prefix = f"forward/{mode}/{node['name']}"
        inputs = [self._get(f"{prefix}/input/{n}") for n in range(len(node["sources"]))]
        weights = {}
        for name in node["weights"]:
            short = short_name(name)
            weights["kernel" if short in _PARTS else short] = self._get(f"weights/{name}")
        mask = f"mask/{mode}/{node['name']}"
        call = LayerCall(
            kind=node["kind"],
            config=node["config"],
            inputs=inputs,
            shape=self._shapes[f"{prefix}/output"],
            weights=weights,
            is_training=mode == "train",
            mask=self._get(mask) if mask in self._shapes else None,
        )
        self._work += _work(call)
        if self._work > MAX_WORK:
            raise ValueError("too much work")
        return call


def _nothing() -> None:
    """What is only ever another array again has a place in the order, and no prediction."""


def _work(call: LayerCall) -> int:
    """Returns how many multiplications a formula makes, at most."""
    kernel = call.weights.get("kernel")
    if kernel is not None:
        return math.prod(call.shape[:-1]) * kernel.size
    size = call.config.get("pool_size", 1)
    return math.prod(call.shape) * math.prod([size] if isinstance(size, int) else size)


# --- How the arrays of a bundle are stored: losslessly, and mostly as what predictions miss -------
#
# Each array has a code, a mapping with its dtype and shape, and "as":
#
#     plain      the array itself
#     bytes      its bytes, all first ones, then all second ones, and so on, which compress better
#     float32    float64 values that float32 holds, as such bytes
#     ulps       how many units in the last place it lies above its prediction, as such bytes
#     same       nothing: it is the array "of", which was read before
#
# Activations and their gradients follow from weights and inputs (`parity.traces.bundle_coding`), so
# that a unit or two in the last place is all that is left of them. On another processor or with
# another NumPy, an array that was predicted may differ by some such units.


StoredArray = np.ndarray
Code = dict[str, Any]

CODES = {"plain": None, "bytes": "F64", "float32": "F64", "ulps": "F64", "same": None}  # dtype
# A prediction is worth it below so many bits an entry, on average; numbers at random take 56.
_MOST_BITS = 52.0


def encode(
    facts: Mapping[str, Any],
    shapes: Mapping[str, tuple[int, ...]],
    get: Callable[[str], StoredArray],
) -> tuple[dict[str, Code], dict[str, StoredArray]]:
    """Returns the code of every array, and what is stored, both by key.

    Args:
        facts: of the trace.
        shapes: of its arrays.
        get: returns an array of the trace.
    """
    codes: dict[str, Code] = {}
    stored: dict[str, StoredArray] = {}
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


def _earlier(
    decoded: Container[str], get: Callable[[str], StoredArray]
) -> Callable[[str], StoredArray]:
    """Returns what gives a prediction the arrays before its own, the same in both directions."""

    def earlier(key: str) -> StoredArray:
        if key not in decoded:
            raise KeyError(key)
        return _aligned(get(key))

    return earlier


def _aligned(array: StoredArray) -> StoredArray:
    """Returns a copy in memory of its own, so that sums are made in the same order everywhere."""
    return np.array(array, order="C")


def _stored(array: StoredArray, predictions: Predictions, key: str) -> tuple[str, StoredArray]:
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
    stored: Callable[[str], StoredArray],
    get: Callable[[str], StoredArray],
) -> Iterator[tuple[str, StoredArray]]:
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
    decoded: set[str] = set()
    earlier = _earlier(decoded, get)
    predictions = Predictions(facts, shapes, earlier)
    for key in predictions.order:
        code = codes[key]
        if code["as"] == "same":
            of = code["of"]
            is_such = of in decoded and codes[of]["dtype"] == code["dtype"]
            if not is_such or math.prod(shapes[of]) != math.prod(shapes[key]):
                raise ValueError(f"the array {key[:60]!r} is said to be one that it cannot be")
            array = earlier(of)
        else:
            array = _restored(key, code, stored(key), predictions)
        yield key, array.reshape(shapes[key])
        decoded.add(key)


def _restored(key: str, code: Code, found: StoredArray, predictions: Predictions) -> StoredArray:
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


def planes(array: StoredArray) -> StoredArray:
    """Returns the bytes of all entries, (itemsize, entries): the lowest byte of each first."""
    flat = np.ascontiguousarray(array).reshape(-1)
    little = flat.astype(flat.dtype.newbyteorder("<"), copy=False)
    return np.ascontiguousarray(little.view(np.uint8).reshape(flat.size, -1).T)


def from_planes(found: StoredArray, dtype: np.dtype[Any]) -> StoredArray:
    """Returns the entries of which `planes` made the bytes, flat."""
    little = np.ascontiguousarray(found.T).view(dtype.newbyteorder("<"))
    return little.reshape(-1).astype(dtype, copy=False)


def _ordered(array: StoredArray) -> StoredArray:
    """Returns float64 as int64, flat, with neighbours as neighbours; -0.0 lies below 0.0."""
    bits = np.ascontiguousarray(array, dtype=np.float64).reshape(-1).view(np.int64)
    return np.where(bits < 0, bits ^ np.int64(2**63 - 1), bits)


def _from_ordered(numbers: StoredArray) -> StoredArray:
    return np.where(numbers < 0, numbers ^ np.int64(2**63 - 1), numbers).view(np.float64)


def _folded(numbers: StoredArray) -> StoredArray:
    """Returns int64 as uint64, small ones of both signs as small ones: 0, -1, 1, -2, ..."""
    return ((numbers << 1) ^ (numbers >> 63)).view(np.uint64)


def _unfolded(numbers: StoredArray) -> StoredArray:
    return (numbers >> np.uint64(1)).view(np.int64) ^ -(numbers & np.uint64(1)).view(np.int64)


# --------------------------------------------------------------------------------------------------
#
# How the arrays of a whole run are stored in a bundle: losslessly, as bytes that compress well.
#
# Each array has a code, a mapping with its dtype and shape, and "as":
#
#     bytes      its bytes, all first ones, then all second ones, and so on
#     float32    float64 values that float32 holds, as such bytes
#     same       nothing: it is the array "of"
#     rows       nothing: it is rows of the array "of", from the row "at", in its own dtype
#
# Batches in front of recorded states are mostly rows of what `fit` was fed, in its order.


StoredRunArray = np.ndarray

FED = "feed/"  # what the keys of arrays begin with of which others may be rows
RUN_CODES = {"bytes": (), "float32": (), "same": ("of",), "rows": ("of", "at")}  # their own fields
_MOST_STARTS = 16  # rows that are tried where many rows of a feed are the same


def encode_run(
    keys: Iterable[str], get: Callable[[str], StoredRunArray]
) -> tuple[dict[str, Code], dict[str, StoredRunArray]]:
    """Returns the code of every array, and what is stored, both by key.

    Args:
        keys: of the arrays.
        get: returns an array.

    Raises:
        ValueError: an array has a dtype or a shape that no bundle has.
    """
    codes: dict[str, Code] = {}
    stored: dict[str, StoredRunArray] = {}
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


def _is_single(array: StoredRunArray) -> bool:
    """Whether a float64 array has values that float32 holds."""
    if array.dtype != np.float64:
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        return array.astype(np.float32).astype(np.float64).tobytes() == array.tobytes()


class _FedRows:
    """Finds an array among the rows of what was fed."""

    def __init__(self) -> None:
        self._arrays: dict[str, StoredRunArray] = {}
        self._starts: dict[tuple[str, str], dict[bytes, list[int]]] = {}

    def add(self, key: str, array: StoredRunArray) -> None:
        if array.ndim:
            self._arrays[key] = array

    def place_of(self, array: StoredRunArray) -> tuple[str, int] | None:
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


def _cast(array: StoredRunArray, dtype: np.dtype[Any]) -> StoredRunArray:
    with np.errstate(over="ignore", invalid="ignore"):
        return array.astype(dtype, copy=False)


def check_run_codes(codes: Mapping[str, Any]) -> str:
    """Returns what is wrong with the codes of a run, "" if nothing is.

    Dtypes and shapes are known to be such.
    """
    for key, code in codes.items():
        shown = f"the code of the array {key[:60]!r}"
        how = code.get("as")
        if not isinstance(how, str) or how not in RUN_CODES:
            return f"{shown} is {str(how)[:20]!r}; expected one of {', '.join(RUN_CODES)}"
        if set(code) != {"dtype", "shape", "as", *RUN_CODES[how]}:
            return f"{shown} has other fields"
        if how == "float32" and code["dtype"] != "F64":
            return f"{shown} is for F64"
        if "of" in RUN_CODES[how] and (problem := _wrong_source(code, codes)):
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

    def __init__(self, codes: Mapping[str, Code], stored: Callable[[str], StoredRunArray]) -> None:
        self._codes, self._stored = codes, stored
        self._fed: dict[str, StoredRunArray] = {}

    def __getitem__(self, key: str) -> StoredRunArray:
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

    def _whole(self, key: str) -> StoredRunArray:
        if key not in self._fed:
            self._fed[key] = self[key]
        return self._fed[key]
