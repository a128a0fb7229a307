"""Bundles: the trace of a Keras model in one file, to check a port where there is no TensorFlow.

A zip archive without compression that holds two entries and nothing else:

    bundle.json           schema, spec, environment, facts, SHA-256 of the arrays
    arrays.safetensors    the arrays, by key: the file of the trace

A bundle is input from outside and nothing in it is trusted: it is never unpickled or executed, no
name in it becomes a path, sizes are looked at before anything is read, and what does not have the
form that `pack` gives it is refused with a sentence. What `unpack` leaves is a trace like any
other, and nobody looks at the bundle again.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from parity.errors import InputError
from parity.files.atomic import atomic_path
from parity.files.floats import decode_floats, encode_floats
from parity.files.json_io import write_json
from parity.files.strict_json import read_strict
from parity.programs.check_spec import CheckSpec
from parity.traces.bundle_archive import (
    ARRAYS,
    FACTS,
    MAX_FACTS,
    MAX_HEADER,
    check_archive,
    refusals,
)
from parity.traces.bundle_arrays import check_array
from parity.traces.bundle_facts import check_facts
from parity.traces.folder import RunFolder
from parity.traces.trace import Trace, write_records

SCHEMA = "parity.bundle/1"


def pack(folder: Path, path: Path) -> None:
    """Writes a bundle, whole or not at all; the same trace gives the same bytes.

    Args:
        folder: of the Keras half of a check.
        path: of the file; an older one is replaced.

    Raises:
        InputError: what was recorded is none that could be read again, or cannot be written.
    """
    trace, arrays = Trace(folder), RunFolder(folder).arrays
    try:
        _check(arrays, trace.facts, trace.spec["steps"])
    except ValueError as error:
        raise InputError(f"this Keras model cannot be recorded: {error}") from None
    content = {
        "schema": SCHEMA,
        "spec": {**trace.spec, "torch": None, "against": None, "folder": "."},
        "environment": trace.environment,
        "facts": trace.facts,
        "arrays_sha256": _sha256(arrays),
    }
    text = json.dumps(encode_floats(content), indent=1, allow_nan=False, sort_keys=True)
    entry = zipfile.ZipInfo(ARRAYS)  # of 1980, so that bytes repeat
    entry.file_size = arrays.stat().st_size
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "x") as archive:
            archive.writestr(zipfile.ZipInfo(FACTS), text.encode())
            with arrays.open("rb") as source, archive.open(entry, "w") as target:
                shutil.copyfileobj(source, target, 2**20)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error


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
    with refusals(path):
        try:
            _unpack(path, RunFolder(folder))
        except BaseException:
            shutil.rmtree(folder)
            raise


def _unpack(path: Path, folder: RunFolder) -> None:
    with zipfile.ZipFile(path) as archive:
        with archive.open(FACTS) as file:
            content = _checked_content(read_strict(file.read(MAX_FACTS + 1)))
        with archive.open(ARRAYS) as source, folder.arrays.open("wb") as target:
            shutil.copyfileobj(source, target, 2**20)
    if _sha256(folder.arrays) != content["arrays_sha256"]:
        raise ValueError(f"{ARRAYS} is not what was recorded (its SHA-256 differs)")
    try:
        spec = CheckSpec.from_dict(content["spec"])
    except InputError as error:
        raise ValueError(f"its spec: {error}") from None
    facts = decode_floats(content.pop("facts"))  # which may be large
    keys = _check(folder.arrays, facts, spec.steps)
    write_json(folder.spec, spec.to_dict())
    write_records(folder, content["environment"], {}, 0.0, facts, keys)


def _checked_content(content: Any) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise ValueError(f"{FACTS} is no JSON object")
    if content.get("schema") != SCHEMA:
        found = str(content.get("schema"))[:40]
        raise ValueError(f"schema {found!r}; this version reads {SCHEMA!r}; record it again")
    kinds = {"spec": dict, "environment": dict, "facts": dict, "arrays_sha256": str}
    for name, kind in kinds.items():
        if not isinstance(content.get(name), kind):
            raise ValueError(f"{FACTS} has no {name} that is a {kind.__name__}")
    return content


def _check(arrays: Path, facts: Mapping[str, Any], steps: int) -> list[str]:
    """Returns the keys of the arrays, once they and the facts are found to be those of a bundle.

    The table of the arrays is looked at before a library reads it.
    """
    from safetensors import SafetensorError, safe_open

    with arrays.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if not 2 <= size <= min(MAX_HEADER, arrays.stat().st_size - 8):
            raise ValueError(f"{ARRAYS} claims a header of {size:,} bytes")
        try:
            header = read_strict(file.read(size))
        except ValueError as error:
            raise ValueError(f"the header of {ARRAYS} cannot be read ({error})") from None
    if not isinstance(header, dict):
        raise ValueError(f"the header of {ARRAYS} is no JSON object")
    for key, entry in header.items():
        if problem := check_array(key, entry):
            raise ValueError(problem)
    try:
        safe_open(arrays, framework="numpy")
    except SafetensorError as error:
        raise ValueError(f"{ARRAYS}: {error}") from None
    shapes = {key: tuple(entry["shape"]) for key, entry in header.items()}
    if problem := check_facts(facts, shapes, steps):
        raise ValueError(problem)
    return list(header)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
