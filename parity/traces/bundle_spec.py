"""What a bundle says of itself: its archive, its settings, and where a project has it."""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parity.errors import InputError
from parity.files.json_io import read_strict
from parity.files.records import problem
from parity.programs.check_spec import CheckSpec
from parity.programs.program_spec import ProgramSpec
from parity.programs.scenario_spec import program_spec_from
from parity.traces.facts import Content, RunContent

# --------------------------------------------------------------------------------------------------
#
# The archive of a bundle: what it may hold and how large that may be, before anything is read.


FACTS, ARRAYS = "bundle.json", "arrays.safetensors"
RUN_FACTS, RUN_ARRAYS = "run.json", "run.safetensors"  # of a whole training, beside them
KINDS = {2: (FACTS, ARRAYS), 4: (FACTS, ARRAYS, RUN_FACTS, RUN_ARRAYS)}  # by number of entries
# Bytes. A network of 500 layers has 3 MB of facts; as empty lists, 16 MB of JSON fill 0.5 GB.
MAX_FACTS = MAX_HEADER = 16 * 2**20
MAX_ARRAYS = 8 * 2**30
# How many times as large as the archive arrays may be, and how much more. Those of a network
# without normalisation, on large images, are 130 times as large.
MAX_GROWTH, SLACK = 256, 2**20
MAX_DIRECTORY = 2**10  # of the archive; that of four entries has 300
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
    zlib.error,
)


@contextmanager
def refusals(path: Path) -> Iterator[None]:
    """Turns what damaged bytes of a bundle raise into an InputError with one sentence."""
    try:
        yield
    except _DAMAGE as error:
        # Names from the file are in it, of any length and with anything that a terminal would obey.
        why = (str(error) or type(error).__name__)[:MAX_MESSAGE]
        shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in why)
        raise InputError(f"{path}: not a bundle that can be used: {shown}") from error


def check_archive(path: Path) -> bool:
    """Looks at the table of contents of a bundle, which takes some milliseconds.

    Returns:
        Whether it holds a whole run, beside the check.

    Raises:
        InputError: the file is missing, too large, or no archive of a bundle.
    """
    if not path.is_file():
        raise InputError(f"{path}: there is no such bundle; write one with `parity record`")
    with refusals(path):
        number = _check_directory(path)
        with zipfile.ZipFile(path) as archive:
            _check_entries(archive, KINDS[number], path.stat().st_size)
    return len(KINDS[number]) > 2


def most_arrays(num_bytes: int) -> int:
    """Returns how many bytes of arrays an archive of `num_bytes` may hold."""
    return min(MAX_ARRAYS, MAX_GROWTH * num_bytes + SLACK)


def _check_directory(path: Path) -> int:
    """Looks at the end of the archive, where the size of its directory stands.

    Returns:
        The number of its entries.

    zipfile reads a directory whole, whatever its size, and makes an object of every entry.
    """
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 22 - 20 - 56))  # with the records of zip64
        tail = file.read()
    end = tail[-22:]
    if len(end) < 22 or end[:4] != b"PK\5\6":
        raise ValueError("it is no zip archive, or something follows its end")
    number, size = struct.unpack("<HL", end[10:16])
    if tail[-42:-38] == b"PK\6\7":
        if tail[-98:-94] != b"PK\6\6":
            raise ValueError("its directory is not where it ends")
        number, size = struct.unpack("<QQ", tail[-66:-50])
    if number not in KINDS or size > MAX_DIRECTORY:
        raise ValueError(f"it has {number} entries; expected {FACTS} and {ARRAYS}, each once")
    return int(number)


def _check_entries(archive: zipfile.ZipFile, expected: tuple[str, ...], num_bytes: int) -> None:
    names = archive.namelist()
    if sorted(names) != sorted(expected):
        shown = ", ".join(repr(name)[:40] for name in names[:5])
        wanted = " and ".join(expected[:2]) if len(expected) == 2 else ", ".join(expected)
        raise ValueError(f"it has the entries {shown}; expected {wanted}, each once")
    for name in expected:
        entry = archive.getinfo(name)
        most = MAX_FACTS if name.endswith(".json") else most_arrays(num_bytes)
        if entry.compress_type != zipfile.ZIP_DEFLATED:
            raise ValueError(f"{name} is compressed by another method, or not; expected deflate")
        if entry.flag_bits & 0x1:
            raise ValueError(f"{name} is encrypted")
        if entry.compress_size > num_bytes or entry.file_size > most:
            raise ValueError(f"{name} claims {entry.file_size:,} bytes; at most {most:,}")


# --- What a bundle says of itself, read without its arrays: with what it was recorded -------------


SCHEMA = "parity.bundle/2"
RUN_SCHEMA = "parity.run_bundle/1"


@dataclass(frozen=True)
class RunRecord:
    """What a bundle says of its run, without the arrays.

    Attributes:
        spec: with which it was recorded; `torch` is None, and `folder` ".".
        files: the user's files of the Keras half: path to SHA-256.
    """

    spec: ProgramSpec
    files: Mapping[str, str]


def read_spec(path: Path) -> CheckSpec:
    """Returns what a bundle was recorded with; its arrays are not looked at.

    Raises:
        InputError: the file is missing, damaged, or no bundle.
    """
    check_archive(path)
    with refusals(path), zipfile.ZipFile(path) as archive:
        return check_spec_of(read_content(archive))


def check_spec_of(content: Mapping[str, Any]) -> CheckSpec:
    """Returns the spec of a check.

    Raises:
        ValueError: it is none.
    """
    try:
        return CheckSpec.from_dict(content["spec"])
    except InputError as error:
        raise ValueError(f"its spec: {error}") from None


def read_content(archive: zipfile.ZipFile) -> dict[str, Any]:
    """Returns the content of bundle.json, whose parts have their types.

    Raises:
        ValueError: it has another one.
    """
    with archive.open(FACTS) as file:
        return _checked(read_strict(file.read(MAX_FACTS + 1)), FACTS, SCHEMA, Content)


def check_run(path: Path) -> None:
    """Rejects a bundle that has no run.

    Raises:
        InputError: the file is missing, damaged, no bundle, or one of a check alone.
    """
    if not check_archive(path):
        raise InputError(
            f"{path}: it holds a check alone, and no whole run; record one with `parity record "
            "--run`, or compare with `parity check --against`"
        )


def read_run(path: Path) -> RunRecord:
    """Returns what a run was recorded with; its arrays are not looked at.

    Raises:
        InputError: see `check_run`.
    """
    check_run(path)
    with refusals(path), zipfile.ZipFile(path) as archive:
        return run_record_of(read_run_content(archive))


def read_run_content(archive: zipfile.ZipFile) -> dict[str, Any]:
    """Returns the content of run.json, whose parts have their types.

    Raises:
        ValueError: it has another one.
    """
    with archive.open(RUN_FACTS) as file:
        text = file.read(MAX_FACTS + 1)
    return {"anchors": None, **_checked(read_strict(text), RUN_FACTS, RUN_SCHEMA, RunContent)}


def run_record_of(content: Mapping[str, Any]) -> RunRecord:
    """Returns what run.json says of its run.

    Raises:
        ValueError: it has no spec of a program.
    """
    try:
        spec = program_spec_from(content["spec"])
    except InputError as error:
        raise ValueError(f"its spec: {error}") from None
    if spec.keras is None:
        raise ValueError("its spec has no keras")
    return RunRecord(spec, content["files"])


def _checked(content: Any, name: str, schema: str, kind: Any) -> dict[str, Any]:
    """Returns the content of the entry `name`, which has to state its schema."""
    if not isinstance(content, dict):
        raise ValueError(f"{name} is no JSON object")
    if content.get("schema") != schema:
        found = str(content.get("schema"))[:40]
        raise ValueError(f"schema {found!r}; this version reads {schema!r}; record it again")
    if wrong := problem(kind, content, name):
        raise ValueError(wrong)
    return content


# --- Bundles of a project: their names -----------------------------------------------------------
#
# `pytest --parity-record DIR` writes one for each Keras model, `parity record` one of any name.
# They are found by what they say of themselves (`parity.runs.against`).


SUFFIX = ".parity"


def bundle_name(spec: CheckSpec, root: Path) -> str:
    """Returns the file name of a bundle in a folder of bundles: factory, seed, steps, samples.

    "tests.models.build-seed0.parity" is of the function `build` in `tests/models.py`. Tests
    of one Keras model share a bundle.

    Args:
        spec: of the check, with the factory of the Keras model.
        root: folder of the project.
    """
    parts = factory_parts(spec.keras or "", root, Path(spec.folder))
    name = f"{'.'.join(parts)}-seed{spec.seed}"
    if spec.steps is not None:
        name += f"-steps{spec.steps}"
    if spec.batch_size != CheckSpec.batch_size:
        name += f"-batch{spec.batch_size}"
    if spec.dtype != CheckSpec.dtype:
        name += f"-{spec.dtype}"
    if spec.data is not None:
        name += f"-{Path(spec.data).stem}"
    return re.sub(r"[^\w.-]", "_", name) + SUFFIX


def factory_parts(reference: str, root: Path, folder: Path | None = None) -> list[str]:
    """Returns the folders or modules, the file and the function that name a factory or script.

    Args:
        reference: "module:function", "file.py:function" or "train.py".
        root: folder of the project; a file below it is named from there.
        folder: to which a relative path belongs; None: it is not known.
    """
    module, _, function = reference.rpartition(":")
    if reference.endswith(".py"):
        module, function = reference, ".py"
    if not module.endswith(".py"):
        return [*module.split("."), function]
    path = Path(module)
    if folder is not None or path.is_absolute():
        path = (folder or root).joinpath(path).resolve()
        path = path.relative_to(root) if path.is_relative_to(root) else Path(path.name)
    return [*(part for part in path.with_suffix("").parts if part not in (".", "..")), function]
