"""Bundles: the trace of a Keras model in one file, to check a port where there is no TensorFlow.

A zip archive that holds two entries and nothing else:

    bundle.json           schema, spec, environment, facts; the code of each array, SHA-256 of all
    arrays.safetensors    what is stored of each array (`parity.traces.bundle_coding`), by key

That of a run has two more, see `parity.traces.bundle_run`, and is one of a check without them.

A bundle is input from outside and nothing in it is trusted: it is never unpickled or executed, no
name in it becomes a path, sizes are looked at before anything is read or made, and what does not
have the form that `pack` gives it is refused with a sentence. What `unpack` leaves is a trace like
any other, and nobody looks at the bundle again.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from parity.errors import InputError, unwritten
from parity.files.atomic import atomic_path
from parity.files.floats import decode_floats, encode_floats
from parity.files.json_io import read_strict, write_json
from parity.traces.bundle_coding import check_codes, decode, encode
from parity.traces.bundle_facts import check_array, check_facts, check_form
from parity.traces.bundle_spec import (
    ARRAYS,
    FACTS,
    MAX_HEADER,
    SCHEMA,
    check_archive,
    check_spec_of,
    most_arrays,
    read_content,
    refusals,
)
from parity.traces.folder import RunFolder
from parity.traces.trace import ARE_NAN, ArrayFile, Trace, num_bytes, write_records

STORED = "stored.safetensors"  # while a bundle is unpacked


def pack(folder: Path, path: Path) -> None:
    """Writes a bundle, whole or not at all; the same trace gives the same bytes.

    Args:
        folder: of the Keras half of a check.
        path: of the file; an older one is replaced.

    Raises:
        InputError: what was recorded is none that could be read again, or cannot be written.
    """
    trace = Trace(folder)
    for left in trace.facts.get("incomplete", ()):
        if ARE_NAN in left["why"]:  # such a bundle could prove nothing
            problem = f"of {left['what']}, {left['why']}; {left['do']}"
            raise InputError(f"this Keras model cannot be recorded: {problem}")
    write_archive(path, probe_entries(trace, trace.spec))


def probe_entries(trace: Trace, spec: Mapping[str, Any]) -> dict[str, bytes]:
    """Returns the entries of a bundle with what a check needs, by name.

    Args:
        trace: of the Keras half.
        spec: of the check.

    Raises:
        InputError: what was recorded is none that could be read again.
    """
    from safetensors.numpy import save

    try:
        header = table_of(trace)
        _check_arrays(header)
        _check_facts(trace.facts, header, spec["steps"])
    except ValueError as error:
        raise InputError(f"this Keras model cannot be recorded: {error}") from None
    shapes = {key: tuple(entry["shape"]) for key, entry in header.items()}
    codes, stored = encode(trace.facts, shapes, trace.__getitem__)
    arrays = save(stored)
    content = {
        "schema": SCHEMA,
        "spec": {**spec, "torch": None, "against": None, "folder": "."},
        "environment": trace.environment,
        "facts": trace.facts,
        "arrays": codes,
        "arrays_sha256": hashlib.sha256(arrays).hexdigest(),
    }
    text = json.dumps(encode_floats(content), indent=1, allow_nan=False, sort_keys=True)
    return {FACTS: text.encode(), ARRAYS: arrays}


def write_archive(path: Path, entries: Mapping[str, bytes]) -> dict[str, int]:
    """Writes an archive, whole or not at all.

    Returns:
        The compressed size of each entry, in bytes. What went into a pipe cannot be read again.

    Raises:
        ParityError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "x") as archive:
            for name, data in entries.items():
                entry = zipfile.ZipInfo(name)  # of 1980, so that bytes repeat
                archive.writestr(entry, data, zipfile.ZIP_DEFLATED)
            return {entry.filename: entry.compress_size for entry in archive.infolist()}
    except OSError as error:
        raise unwritten(f"{path}:", error) from error


def unpack(path: Path, folder: Path) -> None:
    """Writes the trace that a bundle holds, whole or not at all.

    Args:
        path: of the bundle.
        folder: of the trace; it is made.

    Raises:
        InputError: the file is missing, damaged, too large, or no bundle.
    """
    check_archive(path)
    folder.mkdir(parents=True)
    with whole(path, folder):
        _unpack(path, RunFolder(folder))


@contextmanager
def whole(path: Path, folder: Path) -> Iterator[None]:
    """Refuses a bundle that the block cannot read, and removes the folder that it has written.

    Raises:
        InputError: see `refusals`.
    """
    try:
        with refusals(path):
            yield
    except BaseException:
        shutil.rmtree(folder)
        raise


def _unpack(path: Path, folder: RunFolder) -> None:
    stored = folder.path / STORED
    with zipfile.ZipFile(path) as archive:
        content = read_content(archive)
        extract(archive, ARRAYS, stored, content["arrays_sha256"])
    spec = check_spec_of(content)
    facts = decode_floats(content.pop("facts"))  # which may be large
    codes = content.pop("arrays")
    _check_codes(codes, array_table(stored, ARRAYS), most_arrays(path.stat().st_size))
    _check_facts(facts, codes, spec.steps)
    _write_arrays(facts, codes, stored, folder.arrays)
    stored.unlink()
    write_json(folder.spec, spec.to_dict())
    write_records(folder, content["environment"], {}, 0.0, facts, codes)


def extract(archive: zipfile.ZipFile, name: str, to: Path, sha256: str) -> None:
    """Writes an entry to a file.

    Raises:
        ValueError: it has another SHA-256.
    """
    with archive.open(name) as source, to.open("wb") as target:
        shutil.copyfileobj(source, target, 2**20)
    with to.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
            raise ValueError(f"{name} is not what was recorded (its SHA-256 differs)")


def _check_codes(codes: Any, stored: Mapping[str, Any], most: int) -> None:
    if problem := check_codes(codes):
        raise ValueError(problem)
    _check_arrays(codes)
    if set(stored) != {key for key, code in codes.items() if code["as"] != "same"}:
        raise ValueError(f"{ARRAYS} has other arrays than {FACTS} speaks of")
    check_size(codes, most)


def check_size(codes: Mapping[str, Any], most: int) -> None:
    """Rejects codes of arrays that have more bytes than `most` together."""
    size = sum(num_bytes(code["dtype"], tuple(code["shape"])) for code in codes.values())
    if size > most:
        raise ValueError(f"its arrays claim {size:,} bytes; at most {most:,}")


def _write_arrays(
    facts: Mapping[str, Any], codes: Mapping[str, Any], stored: Path, to: Path
) -> None:
    from safetensors import SafetensorError, safe_open

    entries = {key: (code["dtype"], tuple(code["shape"])) for key, code in codes.items()}
    try:
        with safe_open(stored, framework="numpy") as file, ArrayFile(to, entries) as arrays:
            for key, array in decode(facts, codes, file.get_tensor, arrays.__getitem__):
                arrays[key] = array
    except (SafetensorError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{ARRAYS}: {error}") from None


def table_of(trace: Trace) -> dict[str, Any]:
    """Returns `array_table` of a trace, with the arrays that are stored under another key."""
    table = array_table(RunFolder(trace.directory).arrays, ARRAYS)
    return table | {key: table[other] for key, other in trace.same.items()}


def array_table(arrays: Path, name: str) -> dict[str, Any]:
    """Returns the table of a file of arrays, looked at before a library reads it.

    Offsets are the library's to check: it takes no header whose arrays overlap, leave a gap or do
    not have the size that their shape says.

    Args:
        arrays: path of the file.
        name: of the entry that it was, for messages.

    Raises:
        ValueError: it is no such file.
    """
    from safetensors import SafetensorError, safe_open

    with arrays.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if not 2 <= size <= min(MAX_HEADER, arrays.stat().st_size - 8):
            raise ValueError(f"{name} claims a header of {size:,} bytes")
        try:
            header = read_strict(file.read(size))
        except ValueError as error:
            raise ValueError(f"the header of {name} cannot be read ({error})") from None
    if not isinstance(header, dict):
        raise ValueError(f"the header of {name} is no JSON object")
    for key, entry in header.items():
        if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
            raise ValueError(f"the array {key[:60]!r} has no dtype, shape and data_offsets")
        if problem := check_form(key, entry["dtype"], entry["shape"]):
            raise ValueError(problem)
    try:
        safe_open(arrays, framework="numpy")
    except SafetensorError as error:
        raise ValueError(f"{name}: {error}") from None
    return header


def _check_arrays(entries: Mapping[str, Any]) -> None:
    """Finds arrays, by their dtype and shape, to be those of a bundle."""
    for key, entry in entries.items():
        if problem := check_array(key, entry["dtype"], entry["shape"]):
            raise ValueError(problem)


def _check_facts(facts: Mapping[str, Any], entries: Mapping[str, Any], steps: int | None) -> None:
    """Finds facts to be those of a bundle with such arrays."""
    shapes = {key: tuple(entry["shape"]) for key, entry in entries.items()}
    if problem := check_facts(facts, shapes, steps):
        raise ValueError(problem)
