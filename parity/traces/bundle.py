"""Bundle: what a Keras model computed, in one file that needs no TensorFlow to be checked against.

A zip archive without compression that holds two entries and nothing else:

    bundle.json           schema, spec, environment, facts, SHA-256 of the arrays
    arrays.safetensors    the arrays, by key

A bundle is input from outside and nothing in it is trusted: it is never unpickled or executed, no
name in it becomes a path, sizes are looked at before anything is read, and what does not have the
form that `write_bundle` gives it is refused with a sentence.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from parity.errors import InputError
from parity.files.atomic import atomic_path
from parity.files.floats import decode_floats, encode_floats
from parity.files.strict_json import read_strict
from parity.programs.check_spec import CheckSpec
from parity.traces.bundle_arrays import check_array
from parity.traces.bundle_facts import check_facts
from parity.traces.trace import TraceWriter

SCHEMA = "parity.bundle/1"
FACTS, ARRAYS = "bundle.json", "arrays.safetensors"
# Bytes. A network of 500 layers has 3 MB of facts; as empty lists, 16 MB of JSON fill 0.5 GB.
MAX_FACTS = MAX_HEADER = 16 * 2**20
MAX_ARRAYS = 8 * 2**30
MAX_DIRECTORY = 2**10  # of the archive; that of two entries has 200
MAX_MESSAGE = 300  # characters
# What zipfile raises on damaged bytes; RuntimeError covers encryption.
_DAMAGE = (
    OSError,
    EOFError,
    ValueError,
    RuntimeError,
    NotImplementedError,
    OverflowError,
    struct.error,
    zipfile.BadZipFile,
)


def write_bundle(
    path: Path, writer: TraceWriter, *, spec: Mapping[str, Any], environment: Mapping[str, Any]
) -> None:
    """Writes a bundle, whole or not at all; the same contents give the same bytes.

    Args:
        path: of the file; its folder exists.
        writer: its arrays and facts.
        spec: of the check, as plain values.
        environment: of the Keras half.

    Raises:
        InputError: what was recorded is none that could be read again.
    """
    from safetensors.numpy import save

    arrays = save(dict(sorted(writer.arrays.items())))
    header = json.loads(arrays[8 : 8 + int.from_bytes(arrays[:8], "little")])
    shapes = {key: array.shape for key, array in writer.arrays.items()}
    for problem in (
        *(check_array(key, entry) for key, entry in header.items()),
        check_facts(writer.facts, shapes, spec["steps"]),
    ):
        if problem:
            raise InputError(f"this Keras model cannot be recorded: {problem}")
    facts = {
        "schema": SCHEMA,
        "spec": dict(spec),
        "environment": dict(environment),
        "facts": writer.facts,
        "arrays_sha256": hashlib.sha256(arrays).hexdigest(),
    }
    text = json.dumps(encode_floats(facts), indent=1, allow_nan=False, sort_keys=True)
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "x") as archive:
        for name, content in ((FACTS, text.encode()), (ARRAYS, arrays)):
            archive.writestr(zipfile.ZipInfo(name), content)  # of 1980, so that bytes repeat


class Bundle:
    """A bundle that was read and found to be whole; arrays are read one at a time.

    Close it, or use it in a `with` block: the arrays lie in a temporary file meanwhile.

    Raises:
        InputError: the file is missing, damaged, too large, or no bundle.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: Any = None
        self._largest: dict[str, float] = {}
        self._folder = tempfile.TemporaryDirectory(prefix="parity-bundle-")
        try:
            self._read(Path(self._folder.name) / ARRAYS)
        except BaseException:
            self._folder.cleanup()
            raise

    def __enter__(self) -> Bundle:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Removes the temporary file."""
        self._file = None
        self._folder.cleanup()

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def __getitem__(self, key: str) -> np.ndarray:
        """Returns the array under a key."""
        if key not in self._keys or self._file is None:
            self._refuse(f"it has no array {key!r}")
        from safetensors import SafetensorError

        try:
            return np.asarray(self._file.get_tensor(key))
        except (SafetensorError, OSError, ValueError, TypeError) as error:
            self._refuse(f"the array {key[:80]!r} cannot be read ({error})")

    def largest(self, key: str) -> float:
        """Returns the largest absolute value of an array that is finite, 0 where there is none."""
        if key not in self._largest:
            array = np.abs(self[key])
            self._largest[key] = float(array[np.isfinite(array)].max(initial=0))
        return self._largest[key]

    def names(self, prefix: str) -> list[str]:
        """Returns what follows `prefix/` in the keys that start so, in alphabetical order."""
        start = prefix + "/"
        return sorted(key[len(start) :] for key in self._keys if key.startswith(start))

    def _read(self, arrays: Path) -> None:
        if not self.path.is_file():
            raise InputError(
                f"{self.path}: there is no such bundle; write one with `parity record`"
            )
        try:
            self._check_directory()
            with zipfile.ZipFile(self.path) as archive:
                self._check_entries(archive)
                with archive.open(FACTS) as file:
                    content = read_strict(file.read(MAX_FACTS + 1))
                with archive.open(ARRAYS) as source, arrays.open("wb") as target:
                    shutil.copyfileobj(source, target, 2**20)
        except InputError:  # a ValueError as well
            raise
        except _DAMAGE as error:
            self._refuse(str(error) or type(error).__name__)
        self._check_content(content)
        if _sha256(arrays) != content["arrays_sha256"]:
            self._refuse(f"{ARRAYS} is not what was recorded (its SHA-256 differs)")
        self._check_header(arrays)
        from safetensors import SafetensorError, safe_open

        try:
            self._file = safe_open(arrays, framework="numpy")
            self._keys = frozenset(self._file.keys())
        except (SafetensorError, OSError, ValueError) as error:
            self._refuse(f"{ARRAYS}: {error}")
        try:
            self.spec: dict[str, Any] = CheckSpec.from_dict(content["spec"]).to_dict()
        except InputError as error:
            self._refuse(f"its spec: {error}")
        self.environment: dict[str, Any] = content["environment"]
        self.facts: dict[str, Any] = decode_floats(content["facts"])
        shapes = {key: tuple(self._file.get_slice(key).get_shape()) for key in self._keys}
        if problem := check_facts(self.facts, shapes, self.spec["steps"]):
            self._refuse(problem)

    def _check_directory(self) -> None:
        """Looks at the end of the archive, where the size of its directory stands.

        zipfile reads a directory whole, whatever its size, and makes an object of every entry.
        """
        with self.path.open("rb") as file:
            start = max(0, self.path.stat().st_size - 22 - 20 - 56)  # with the records of zip64
            file.seek(start)
            tail = file.read()
        end = tail[-22:]
        if len(end) < 22 or end[:4] != b"PK\5\6":
            self._refuse("it is no zip archive, or something follows its end")
        number, size = struct.unpack("<HL", end[10:16])
        if tail[-42:-38] == b"PK\6\7":
            if tail[-98:-94] != b"PK\6\6":
                self._refuse("its directory is not where it ends")
            number, size = struct.unpack("<QQ", tail[-66:-50])
        if number != 2 or size > MAX_DIRECTORY:
            self._refuse(f"it has {number} entries; expected {FACTS} and {ARRAYS}, each once")

    def _check_entries(self, archive: zipfile.ZipFile) -> None:
        names = archive.namelist()
        if sorted(names) != sorted((FACTS, ARRAYS)):
            shown = ", ".join(repr(name)[:40] for name in names[:5])
            self._refuse(f"it has the entries {shown}; expected {FACTS} and {ARRAYS}, each once")
        for entry, most in (
            (archive.getinfo(FACTS), MAX_FACTS),
            (archive.getinfo(ARRAYS), MAX_ARRAYS),
        ):
            if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
                self._refuse(f"{entry.filename} is compressed; expected it as it is")
            if entry.flag_bits & 0x1:
                self._refuse(f"{entry.filename} is encrypted")
            if entry.file_size > min(most, self.path.stat().st_size):
                self._refuse(f"{entry.filename} claims {entry.file_size:,} bytes; at most {most:,}")

    def _check_content(self, content: Any) -> None:
        if not isinstance(content, dict):
            self._refuse(f"{FACTS} is no JSON object")
        if content.get("schema") != SCHEMA:
            self._refuse(
                f"schema {str(content.get('schema'))[:40]!r}; this version reads {SCHEMA!r}; "
                "record it again"
            )
        kinds = {"spec": dict, "environment": dict, "facts": dict, "arrays_sha256": str}
        for name, kind in kinds.items():
            if not isinstance(content.get(name), kind):
                self._refuse(f"{FACTS} has no {name} that is a {kind.__name__}")

    def _check_header(self, path: Path) -> None:
        """Looks at the table of the arrays before a library reads it."""
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            if not 2 <= size <= min(MAX_HEADER, path.stat().st_size - 8):
                self._refuse(f"{ARRAYS} claims a header of {size:,} bytes")
            try:
                header = read_strict(file.read(size))
            except ValueError as error:
                self._refuse(f"the header of {ARRAYS} cannot be read ({error})")
        if not isinstance(header, dict):
            self._refuse(f"the header of {ARRAYS} is no JSON object")
        for key, entry in header.items():
            if problem := check_array(key, entry):
                self._refuse(problem)

    def _refuse(self, why: str) -> NoReturn:
        # Names from the file are in it, of any length and with anything that a terminal would obey.
        shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in why[:MAX_MESSAGE])
        raise InputError(f"{self.path}: not a bundle that can be used: {shown}")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
