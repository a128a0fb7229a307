"""Bundles of a whole run: what a Keras program's training left, to train a port without TensorFlow.

Two entries beside those of `parity.traces.bundle`, which has the probes:

    run.json           schema, spec, environment, the user's files; history and facts of the
                       training, forms of what `fit` was fed and of the recorded states; the code of
                       each array, SHA-256 of all
    run.safetensors    what is stored of each array (`parity.traces.bundle_coding`), by key

Keys of arrays: those of the trace of the training, `feed/…` and, if it is compared from recorded
states, `anchor/STEP/…`. It is input from outside like any bundle. What `unpack_run` leaves is the
folder of a Keras half that has ended.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from parity.errors import InputError
from parity.files.floats import decode_floats, encode_floats
from parity.files.json_io import write_json
from parity.programs.check_spec import CheckSpec, probes_of
from parity.programs.program_spec import ProgramSpec
from parity.programs.scenario_spec import program_spec_from
from parity.traces.anchor_folder import AnchorFolder
from parity.traces.anchors import NUM_STEPS, AnchorPlan
from parity.traces.bundle import (
    array_table,
    check_size,
    extract,
    probe_entries,
    table_of,
    unpack,
    whole,
    write_archive,
)
from parity.traces.bundle_coding import FED, RunArrays, check_run_codes, encode_run
from parity.traces.bundle_facts import check_form
from parity.traces.bundle_run_facts import (
    PARTS,
    check_anchors,
    check_feed,
    check_probed,
    check_training,
)
from parity.traces.bundle_spec import (
    ARRAYS,
    FACTS,
    RUN_ARRAYS,
    RUN_FACTS,
    RUN_SCHEMA,
    check_run,
    most_arrays,
    read_run_content,
    run_record_of,
)
from parity.traces.feed_file import form_of, nest_of, read_feed, write_feed
from parity.traces.folder import RunFolder
from parity.traces.trace import DTYPES, ArrayFile, Trace, write_records

STATE = "anchor/"  # what the keys of arrays of recorded states begin with
STORED = "run.safetensors"  # while a bundle is unpacked
Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class RunSize:
    """How large a bundle of a run is, in bytes.

    Attributes:
        probes: of what a check needs, in the file.
        training: of all else, in the file.
        fed: of what `fit` was fed, as arrays.
        states: of the recorded states, as arrays.
    """

    probes: int
    training: int
    fed: int
    states: int


# --- written -------------------------------------------------------------------------------------


def pack_run(half: RunFolder, path: Path, files: Mapping[str, str]) -> RunSize:
    """Writes a bundle of a run, whole or not at all; the same traces give the same bytes.

    Args:
        half: folder of the Keras half, with its training, feed and recorded states.
        path: of the file; an older one is replaced.
        files: the user's files of the Keras half: path to SHA-256.

    Raises:
        InputError: what was recorded is none that could be read again, or cannot be written.
    """
    trace, training = Trace(half.path), Trace(half.training.path)
    spec = program_spec_from(trace.spec)
    entries = probe_entries(trace, probes_of(spec).to_dict())
    fed: dict[str, np.ndarray] = {}
    nests, settings = read_feed(half.feed)
    forms = {name: form_of(f"{FED}{name}", nest, fed) for name, nest in nests.items()}
    states, anchors = _states(half, training.facts.get("anchors"))
    arrays = _Joined(training, {**fed, **states})
    content = {
        "schema": RUN_SCHEMA,
        "spec": spec.replace(torch=None, folder=".").to_dict(),
        "environment": training.environment,
        "files": dict(files),
        "history": training.history,
        "wall_s": training.wall_s,
        "facts": training.facts,
        "feed": {"forms": forms, "settings": settings},
        "anchors": anchors,
    }
    try:
        codes, stored = encode_run(arrays.keys, arrays.__getitem__)
        _check_run(content, spec, trace, codes, arrays.__getitem__)
    except ValueError as error:
        raise InputError(f"this training cannot be recorded: {error}") from None
    entries |= _run_entries(content, codes, stored)
    sizes = write_archive(path, entries)
    return RunSize(
        probes=sizes[FACTS] + sizes[ARRAYS],
        training=sizes[RUN_FACTS] + sizes[RUN_ARRAYS],
        fed=sum(array.nbytes for array in fed.values()),
        states=sum(array.nbytes for array in states.values()),
    )


def _run_entries(
    content: Mapping[str, Any], codes: Mapping[str, Any], stored: Arrays
) -> dict[str, bytes]:
    from safetensors.numpy import save

    arrays = save(dict(stored))
    whole = {**content, "arrays": codes, "arrays_sha256": hashlib.sha256(arrays).hexdigest()}
    # Not sorted: items and reports follow the order of the history.
    text = json.dumps(encode_floats(whole), allow_nan=False)
    return {RUN_FACTS: text.encode(), RUN_ARRAYS: arrays}


class _Joined:
    """The arrays of a training's trace, and others."""

    def __init__(self, trace: Trace, others: Arrays) -> None:
        self._trace, self._others = trace, others
        kept = [f"{part}/{name}" for part in PARTS for name in trace.below(part)]
        self.keys = [*kept, *(part for part in PARTS if part in trace), *others]

    def __getitem__(self, key: str) -> np.ndarray:
        return self._others[key] if key in self._others else self._trace[key]


def _states(half: RunFolder, steps: list[int] | None) -> tuple[dict[str, np.ndarray], Any]:
    """Returns the arrays of all recorded states by key, and what else is told of them."""
    if steps is None:
        return {}, None
    folder = _anchors(half)
    arrays: dict[str, np.ndarray] = {}
    batches = {}
    for step in steps:
        found, batches[str(step)] = folder.content(step)
        arrays |= {f"{STATE}{step}/{key}": array for key, array in found.items()}
    return arrays, {"plan": dataclasses.asdict(folder.plan()), "batches": batches}


def _anchors(half: RunFolder) -> AnchorFolder:
    """Returns the recorded states of a half that has ended."""
    return AnchorFolder(half.training, pause=lambda: None)


# --- read ----------------------------------------------------------------------------------------


def unpack_run(path: Path, folder: RunFolder) -> None:
    """Writes the folder of a Keras half that has ended, whole or not at all.

    Args:
        path: of the bundle.
        folder: of the half; it is made.

    Raises:
        InputError: the file is missing, damaged, too large, or no bundle of a run.
    """
    check_run(path)
    unpack(path, folder.path)
    with whole(path, folder.path):
        _unpack(path, folder)


def _unpack(path: Path, folder: RunFolder) -> None:
    stored = folder.path / STORED
    with zipfile.ZipFile(path) as archive:
        content = read_run_content(archive)
        extract(archive, RUN_ARRAYS, stored, content["arrays_sha256"])
    spec = run_record_of(content).spec
    content["facts"], content["history"] = map(
        decode_floats, (content["facts"], content["history"])
    )
    codes = content["arrays"]
    _check_codes(codes, array_table(stored, RUN_ARRAYS), most_arrays(path.stat().st_size))
    with _opened(codes, stored) as arrays:
        _check_run(content, spec, Trace(folder.path), codes, arrays.__getitem__)
        _write_training(content, spec, codes, arrays, folder)
    stored.unlink()
    write_json(folder.spec, spec.to_dict())


@contextmanager
def _opened(codes: Mapping[str, Any], stored: Path) -> Iterator[RunArrays]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(stored, framework="numpy") as file:
            yield RunArrays(codes, file.get_tensor)
    except SafetensorError as error:
        raise ValueError(f"{RUN_ARRAYS}: {error}") from None


def _check_codes(codes: Mapping[str, Any], stored: Mapping[str, Any], most: int) -> None:
    for key, code in codes.items():
        if not isinstance(code, dict) or not {"dtype", "shape", "as"} <= set(code):
            raise ValueError(f"the code of the array {key[:60]!r} has no dtype, shape and as")
        if problem := check_form(key, code["dtype"], code["shape"], tuple(DTYPES)):
            raise ValueError(problem)
    if problem := check_run_codes(codes):
        raise ValueError(problem)
    if set(stored) != {key for key, code in codes.items() if "of" not in code}:
        raise ValueError(f"{RUN_ARRAYS} has other arrays than {RUN_FACTS} speaks of")
    check_size(codes, most)


def _write_training(
    content: Mapping[str, Any],
    spec: ProgramSpec,
    codes: Mapping[str, Any],
    arrays: RunArrays,
    folder: RunFolder,
) -> None:
    """Writes the feed, the recorded states and the training of a half."""
    fed = {key.removeprefix(FED): arrays[key] for key in _below(FED, codes)}
    nests = {name: nest_of(name, f, fed) for name, f in content["feed"]["forms"].items()}
    write_feed(folder.feed, nests, content["feed"]["settings"])
    if content["anchors"] is not None:
        states = _anchors(folder)
        states.begin(AnchorPlan(**content["anchors"]["plan"]))
        for step, batches in content["anchors"]["batches"].items():
            start = f"{STATE}{step}/"
            found = {key[len(start) :]: arrays[key] for key in _below(start, codes)}
            states.put(int(step), found, batches)
        states.end()
    training = folder.training
    training.path.mkdir(exist_ok=True)
    write_json(training.spec, spec.to_dict())
    keys = [key for key in codes if not key.startswith((FED, STATE))]
    entries = {key: (codes[key]["dtype"], tuple(codes[key]["shape"])) for key in keys}
    with ArrayFile(training.arrays, entries) as file:
        for key in keys:
            file[key] = arrays[key]
    records = content["environment"], content["history"], content["wall_s"], content["facts"]
    write_records(training, *records, keys)


def _below(start: str, keys: Mapping[str, Any]) -> list[str]:
    return [key for key in keys if key.startswith(start)]


def _check_run(
    content: Mapping[str, Any],
    spec: ProgramSpec,
    trace: Trace,
    codes: Mapping[str, Any],
    get: Any,
) -> None:
    """Rejects a run that is none that a Keras half leaves.

    Args:
        content: of run.json.
        spec: of the run.
        trace: of its probes.
        codes: of its arrays, which have a dtype and a shape.
        get: returns one of them.

    Raises:
        ValueError: it is none.
    """
    dtype = spec.probe_dtype
    if trace.facts.get("dtype") != dtype and dtype != CheckSpec.dtype:
        raise ValueError(f"its spec has the dtype {dtype}, and its probes another")
    shapes = {key: tuple(code["shape"]) for key, code in codes.items()}
    fed = {key: shapes[key] for key in _below(FED, codes)}
    states = {key: shapes[key] for key in _below(STATE, codes)}
    others = {key: shape for key, shape in shapes.items() if key not in fed and key not in states}
    for key in others:
        dtypes = PARTS.get(key.partition("/")[0], ())
        if codes[key]["dtype"] not in dtypes:
            raise ValueError(f"the array {key[:60]!r} of {codes[key]['dtype']} is of no training")
    table = table_of(trace)
    probed = {key: tuple(entry["shape"]) for key, entry in table.items()}
    if problem := check_probed(trace.facts, probed, trace.__getitem__):
        raise ValueError(problem)
    facts = trace.facts
    weights = {name: tuple(entry["shape"]) for name, entry in facts["weights"].items()}
    if problem := check_training(spec, content, others, weights):
        raise ValueError(problem)
    if not np.isfinite(get("training/rates")).all():
        raise ValueError("the array 'training/rates' has values that are not finite")
    ends = content["facts"]["epoch_ends"]
    if problem := check_feed(content["feed"], fed, ends, get, facts):
        raise ValueError(problem)
    steps = content["facts"].get("anchors")
    if (content["anchors"] is None) != (steps is None):
        raise ValueError("it has not the recorded states of which its facts speak")
    if steps is not None and (
        problem := check_anchors(content["anchors"], steps, states, weights, ends[-1], NUM_STEPS)
        or _wrong_dtypes(states, codes)
    ):
        raise ValueError(problem)
    if states and steps is None:
        raise ValueError("it has recorded states of which its facts do not speak")


def _wrong_dtypes(states: Mapping[str, Any], codes: Mapping[str, Any]) -> str:
    expected = {"weights": ("F32", "F64"), "rates": ("F64",), "masks": ("I64",)}
    for key in states:
        kind = key.split("/", 3)[2]
        if kind in expected and codes[key]["dtype"] not in expected[kind]:
            return f"the array {key[:60]!r} is {codes[key]['dtype']}; expected {expected[kind]}"
    return ""
