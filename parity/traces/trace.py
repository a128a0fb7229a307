"""What a half hands over: the result of a run, and the trace that the ladder compares."""

from __future__ import annotations

import hashlib
import json
import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, TypeVar, cast

import numpy as np

from parity.errors import InputError, ParityError, RunError
from parity.files.atomic import atomic_path
from parity.files.floats import decode_floats, encode_floats
from parity.files.json_io import read_json, write_json
from parity.traces.facts import KerasFacts
from parity.traces.folder import ARRAYS, HISTORY, INDEX, SUCCESS, RunFolder
from parity.traces.port_facts import PortFacts

# --------------------------------------------------------------------------------------------------
#
# ArrayFile: a safetensors file that is written array by array, and read before it is complete.
#
# The library writes such a file only at once, from arrays that are all in memory.


DTYPES: dict[str, type[np.generic]] = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "I64": np.int64,
    "I32": np.int32,
    "I16": np.int16,
    "I8": np.int8,
    "U64": np.uint64,
    "U32": np.uint32,
    "U16": np.uint16,
    "U8": np.uint8,
    "BOOL": np.bool_,
}
_NAMES = {np.dtype(dtype): name for name, dtype in DTYPES.items()}


def name_of(array: np.ndarray) -> str:
    """Returns the name that safetensors has for the dtype of an array."""
    return _NAMES[array.dtype]


def num_bytes(dtype: str, shape: tuple[int, ...]) -> int:
    """Returns the size of an array."""
    return math.prod(shape) * np.dtype(DTYPES[dtype]).itemsize


class ArrayFile:
    """A context manager; every array has to be set once, and can be read from then on.

    Args:
        path: of the file, which is made.
        entries: dtype and shape of every array, by key.
    """

    def __init__(self, path: Path, entries: Mapping[str, tuple[str, tuple[int, ...]]]) -> None:
        # Large entries first, so that each array lies where its dtype can be read.
        order = sorted(entries, key=lambda key: (-num_bytes(entries[key][0], ()), key))
        header, starts, end = {}, {}, 0
        for key in order:
            dtype, shape = entries[key]
            starts[key], end = end, end + num_bytes(dtype, shape)
            offsets = [starts[key], end]
            header[key] = {"dtype": dtype, "shape": shape, "data_offsets": offsets}
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        self._entries = entries
        self._starts = {key: 8 + len(text) + start for key, start in starts.items()}
        self._file = path.open("w+b")
        self._file.write(len(text).to_bytes(8, "little") + text)

    def __enter__(self) -> ArrayFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()

    def __setitem__(self, key: str, array: np.ndarray) -> None:
        self._file.seek(self._starts[key])
        self._file.write(np.ascontiguousarray(array).data)

    def __getitem__(self, key: str) -> np.ndarray:
        dtype, shape = self._entries[key]
        self._file.flush()
        with open(self._file.name, "rb") as file:
            file.seek(self._starts[key])
            return np.fromfile(file, DTYPES[dtype], math.prod(shape)).reshape(shape)


# Bytes of a file whose content a reader keeps: to open it takes longer than to read a small array.
MOST_KEPT = 2**22


class ArrayReader:
    """Reads the arrays of a complete file one by one, without a map of it in memory.

    Args:
        path: of a file that safetensors has found to be one.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            self._header: dict[str, Any] = json.loads(file.read(length))
            self._start = 8 + length
            size = path.stat().st_size - self._start
            self._kept = file.read() if size <= MOST_KEPT else None

    def __getitem__(self, key: str) -> np.ndarray:
        """Returns an array.

        Raises:
            OSError, ValueError, LookupError: the file has changed, or NumPy lacks the dtype.
        """
        entry = self._header[key]
        shape, dtype = tuple(entry["shape"]), DTYPES[entry["dtype"]]
        place, size = entry["data_offsets"][0], math.prod(shape)
        if self._kept is not None:
            # A copy, since the caller may write to it.
            return np.frombuffer(self._kept, dtype, size, place).reshape(shape).copy()
        with self._path.open("rb") as file:
            file.seek(self._start + place)
            return np.fromfile(file, dtype, size).reshape(shape)


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes arrays to a file, completely or not at all, without another copy of them in memory."""
    entries = {key: (name_of(array), array.shape) for key, array in arrays.items()}
    with atomic_path(path) as temporary, ArrayFile(temporary, entries) as file:
        for key, array in arrays.items():
            file[key] = array


# --- What a half hands over: the result of a run, and the trace that the ladder compares ----------
#
# A half writes one directory: `spec.json`, `environment.json`, `history.json`, `trace.safetensors`
# with its index `trace.json`, and `_SUCCESS` last. Every file is written beside its place and moved
# there, so that a reader finds whole files or none. Arrays are in the portable layout: images (N,
# H, W, C), convolution kernels (height, width, in, out), dense kernels (in, out). A trace travels
# as one file, a bundle: see `parity.traces.bundle`.
#
# Keys of a trace are paths: `init/conv1.kernel`, `forward/train/dropout1`,
# `trajectory/20/conv1.bias`.


ARE_NAN = "are NaN in Keras"  # of an output, in the reason why it cannot be compared
_MIN_SHARED = 4096  # bytes of an array that is looked for under other keys

History = dict[str, list[float]]
Weights = dict[str, np.ndarray]


@dataclass(frozen=True)
class RunResult:
    """What `fit` returns, the same type in both halves.

    Attributes:
        history: Keras's keys (loss, accuracy, val_loss, val_accuracy, learning_rate), each with one
            float an epoch; learning_rate is the rate with which the epoch was trained.
        weights: name to array in the portable layout, such as "conv1.kernel".
        wall_s: seconds spent training, model building and data preparation not counted.
    """

    history: History
    weights: Weights
    wall_s: float


F = TypeVar("F", bound=Mapping[str, object])


@dataclass
class TraceWriter(Generic[F]):
    """Collects arrays and facts of one run, and writes them as a run directory.

    Attributes:
        arrays: by key.
        facts: JSON-ready values by name.
        columns: of the history, beside Keras's own; one number an epoch.
    """

    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    facts: F = field(default_factory=dict)  # type: ignore[assignment]  # filled one by one
    columns: History = field(default_factory=dict)

    def put(self, key: str, array: Any) -> None:
        """Keeps a copy of an array under a key that has not been used yet."""
        if key in self.arrays:
            raise ValueError(f"trace key {key!r} is written twice")
        # Not ascontiguousarray, which turns a scalar into a vector.
        self.arrays[key] = np.array(array, order="C", copy=True)

    def put_same(self, key: str, other: str) -> None:
        """Gives the array under another key this key, too."""
        if key in self.arrays:
            raise ValueError(f"trace key {key!r} is written twice")
        self.arrays[key] = self.arrays[other]

    def put_all(self, prefix: str, arrays: Mapping[str, Any]) -> None:
        """Keeps every array of a mapping under `prefix/name`."""
        for name, array in arrays.items():
            self.put(f"{prefix}/{name}", array)

    def write(self, directory: Path, *, environment: Mapping[str, Any], result: RunResult) -> None:
        """Writes the run directory; `_SUCCESS` is the last file that appears."""
        folder = RunFolder(directory)
        directory.mkdir(parents=True, exist_ok=True)
        same = same_arrays(self.arrays)
        kept = {key: array for key, array in self.arrays.items() if key not in same}
        write_arrays(folder.arrays, kept)
        history = {**result.history, **self.columns}
        write_records(folder, environment, history, result.wall_s, self.facts, self.arrays, same)


KerasWriter = TraceWriter[KerasFacts]
PortWriter = TraceWriter[PortFacts]


class CheckWriter(TraceWriter[F]):
    """The writer of a check: it keeps real numbers as float64, also those of a port in float32."""

    def put(self, key: str, array: Any) -> None:
        """Keeps a copy of an array under a key that has not been used yet."""
        array = np.asarray(array)
        is_real = array.dtype.kind == "f"
        super().put(key, array.astype(np.float64, copy=False) if is_real else array)


def write_records(
    folder: RunFolder,
    environment: Mapping[str, Any],
    history: History,
    wall_s: float,
    facts: Mapping[str, Any],
    keys: Iterable[str],
    same: Mapping[str, str] | None = None,
) -> None:
    """Writes the files of a trace that follow its spec and its arrays, which are there already.

    Args:
        folder: of the half.
        environment: what it depended on besides its spec.
        history: of its training.
        wall_s: seconds spent training.
        facts: JSON-ready values by name.
        keys: of the arrays.
        same: of these, the arrays that are written under another key.
    """
    write_json(folder.environment, environment)
    write_json(folder.history, encode_floats(history))
    index = {"wall_s": wall_s, "facts": facts, "keys": sorted(keys)}
    if same:
        index["same"] = dict(same)
    write_json(folder.index, encode_floats(index))
    folder.complete()


def keyed(key: str, name: str) -> str:
    """Returns the key of what belongs to an output: "target/probe/main"; `key` for the only one."""
    return f"{key}/{name}" if name else key


def same_arrays(arrays: Mapping[str, np.ndarray]) -> dict[str, str]:
    """Returns the arrays that are another one bit by bit, with the key of the first such.

    The output of a layer is the input of the next, and often the largest part of a trace.
    """
    first: dict[tuple[object, ...], str] = {}
    same: dict[str, str] = {}
    keys: dict[int, str] = {}  # id of an array -> its key
    for key, array in arrays.items():
        if array.nbytes < _MIN_SHARED:
            continue
        if (other := keys.setdefault(id(array), key)) == key:
            content = hashlib.blake2b(array.data, digest_size=32).digest()
            other = keys[id(array)] = first.setdefault((array.dtype.str, array.shape, content), key)
        if other != key:
            same[key] = other
    return same


def largest_of(array: np.ndarray) -> float:
    """Returns the largest absolute value of an array that is finite, 0 where there is none."""
    array = np.abs(array)
    return float(array[np.isfinite(array)].max(initial=0))


class Trace:
    """A finished run directory, its arrays read one at a time.

    Args:
        directory: of the half.
        source: where the contents come from, if a run did not leave them: in a check, the bundle.
            What they lack is an InputError that names it, and no RunError.

    Attributes:
        same: arrays that are stored under another key, with that key.

    Raises:
        RunError: the directory is missing, unfinished or damaged.
    """

    def __init__(self, directory: Path, source: Path | None = None) -> None:
        from safetensors import SafetensorError, safe_open

        self.directory, self._source = directory, source
        self._largest: dict[str, float] = {}
        folder = RunFolder(directory)
        if not folder.is_complete:
            raise RunError(f"{directory}: not a finished run ({SUCCESS} is missing); run it again")
        try:
            self.spec: dict[str, Any] = self._record(folder.spec)
            self.environment: dict[str, Any] = self._record(folder.environment)
            self.history: History = _checked(self._record(folder.history, decode_floats))
            index = self._record(folder.index, decode_floats)
            self.facts: Mapping[str, Any] = index["facts"]
            self.wall_s = float(index["wall_s"])
            with safe_open(folder.arrays, framework="numpy") as file:
                stored = frozenset(file.keys())
            self._reader = ArrayReader(folder.arrays)
            self.same: dict[str, str] = dict(index.get("same", {}))
            if not stored.issuperset(self.same.values()) or not stored.isdisjoint(self.same):
                raise ValueError(f"{INDEX} names arrays that {ARRAYS} does not have")
            self._keys = stored | self.same.keys()
            if not isinstance(self.facts, dict):
                raise TypeError(f"the facts in {INDEX} are no mapping")
        except RunError:
            raise
        except (OSError, ValueError, TypeError, RecursionError, SafetensorError) as error:
            raise RunError(f"{directory}: damaged run directory ({error}); run it again") from error
        self._sorted = sorted(self._keys)
        if self._sorted != index.get("keys"):
            raise RunError(f"{directory}: {INDEX} and {ARRAYS} disagree; run it again")

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def __getitem__(self, key: str) -> np.ndarray:
        """Returns the array under a key, in the layout in which it was written."""
        if key not in self._keys:
            raise self._problem(f"it has no array {key[:80]!r}")
        try:
            return self._reader[self.same.get(key, key)]
        except (OSError, ValueError, LookupError) as error:
            raise self._problem(f"the array {key[:80]!r} cannot be read ({error})") from error

    def largest(self, key: str) -> float:
        """Returns what `largest_of` says of an array."""
        if key not in self._largest:
            self._largest[key] = largest_of(self[key])
        return self._largest[key]

    def names(self, prefix: str) -> list[str]:
        """Returns the names directly below `prefix/`, in alphabetical order."""
        return sorted({key.split("/", 1)[0] for key in self.below(prefix)})

    def below(self, prefix: str) -> list[str]:
        """Returns what follows `prefix/` in the keys that start so, in alphabetical order."""
        start = prefix + "/"
        first = bisect_left(self._sorted, start)
        last = bisect_left(self._sorted, prefix + chr(ord("/") + 1))
        return [key[len(start) :] for key in self._sorted[first:last]]

    def numbers(self, prefix: str) -> list[int]:
        """Returns the names directly below `prefix/` as numbers, such as recorded steps."""
        try:
            return sorted(int(name) for name in self.names(prefix))
        except ValueError as error:
            raise self._problem(f"under {prefix!r}: {error}") from error

    def _problem(self, why: str) -> ParityError:
        if self._source is not None:
            return InputError(f"{self._source}: {why}; record it again")
        return RunError(f"{self.directory}: {why}; run it again")

    def _record(self, path: Path, decode: Callable[[Any], Any] | None = None) -> dict[str, Any]:
        """Reads a JSON file whose mappings, at any depth, say which key they lack."""

        def missing(key: str) -> ParityError:
            return self._problem(f"{path.name} has no {key!r}")

        def known(value: Any) -> Any:
            if isinstance(value, dict):
                record = Record({k: known(v) for k, v in value.items()})
                record.problem = missing
                return record
            return [known(item) for item in value] if isinstance(value, list) else value

        content = read_json(path)
        record = known(content if decode is None else decode(content))
        if not isinstance(record, dict):
            raise TypeError(f"{path.name} is no mapping")
        return record


class KerasTrace(Trace):
    """What the Keras half says of a model, or of a training."""

    facts: KerasFacts


class PortTrace(Trace):
    """What the torch half says of a port, or of a training."""

    facts: PortFacts


class Record(dict[str, Any]):
    """A mapping read from a file; a key that it lacks is an error that names the file."""

    problem: Callable[[str], Exception] = KeyError  # of a copy, which is of no file

    def __missing__(self, key: str) -> Any:
        raise self.problem(key)


def _checked(history: dict[str, Any]) -> History:
    """Returns a history whose columns are numbers and equally long."""
    for key, column in history.items():
        if not isinstance(column, list) or not all(isinstance(v, float | int) for v in column):
            raise TypeError(f"{key} in {HISTORY} is no list of numbers")
    if len({len(column) for column in history.values()}) > 1:
        raise ValueError(f"the columns of {HISTORY} are not equally long")
    return history


# --- Unwritten: a trace in memory, read as one that a half has written ----------------------------


class Unwritten(PortTrace):
    """What a half is about to write.

    Args:
        writer: of the trace; what it receives later is not seen.
        result: of the training.
    """

    def __init__(self, writer: PortWriter, result: RunResult) -> None:
        self.spec, self.environment = {}, {}
        self.history = {**result.history, **writer.columns}
        self.facts, self.wall_s = cast("PortFacts", dict(writer.facts)), result.wall_s
        self._arrays = dict(writer.arrays)
        self._keys, self._sorted = frozenset(self._arrays), sorted(self._arrays)
        self._largest = {}

    def __getitem__(self, key: str) -> np.ndarray:
        """Returns the array under a key.

        Raises:
            KeyError: there is none.
        """
        return self._arrays[key]
