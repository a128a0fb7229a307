"""Tasks: the jobs of a sweep, each with a key made from everything that decides its result.

    key = SHA-256 of (half, spec, code, versions, machine, data)

The same key means the same result, so a finished task is never run again. The name of the scenario
is not part of the key. For Keras the mode is not part of it either, because it changes the torch
half only. Runs that are the same are therefore run once.

For a program of the user's, the key has the digests of the user's files instead of the data
(`parity.programs.user_files`). What its port is fed follows from its Keras half, so that the key of
the port has all of that half, too.
"""

from __future__ import annotations

import functools
import hashlib
import json
import platform
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import parity
from parity.data.dataset import array_sha256
from parity.data.sources import NAMED, open_source
from parity.errors import InputError
from parity.halves.environment import version
from parity.programs.halves import HALVES
from parity.programs.program_spec import ProgramSpec
from parity.programs.run_spec import RunSpec
from parity.programs.user_files import user_files
from parity.sweeps.rows import deciding

SCHEMA = 1  # of a record; a new number gives new keys

PACKAGES = {
    "keras": ("keras", "tensorflow", "numpy", "scipy"),
    "torch": ("torch", "torchvision", "numpy"),
}

# What a child imports of this package, by test; reports and statistics change no result.
RUN_MODULES = (
    *("data/dataset", "data/load", "data/probe_inputs"),
    "data/sources",
    *("errors", "worker"),
    *("files/atomic", "files/floats", "files/json_io", "files/ranges"),
    *("halves/environment", "halves/job", "halves/memory", "halves/protocol"),
    *("programs/backend", "programs/factories", "programs/halves"),
    *("programs/program_spec", "programs/run_spec", "programs/settings"),
    "programs/user_modules",
    *("sweeps/batch", "sweeps/child", "sweeps/store"),
    *("traces/anchors", "traces/facts", "traces/feed_file", "traces/folder", "traces/port_facts"),
    "traces/trace",
    "traces/training_recorder",
)
# What it imports besides for a program of the user's.
PROGRAM_MODULES = (
    *RUN_MODULES,
    *("data/image_changes", "data/pieces", "data/samples"),
    "programs/check_spec",
    "traces/anchor_folder",
    "weights/old_config",
    *(
        "weights/tf_operations/elementwise",
        "weights/tf_operations/nodes",
        "weights/tf_operations/shaping",
    ),
)


@dataclass(frozen=True)
class Task:
    """One run of one half.

    Attributes:
        half: "keras" or "torch".
        spec: settings of the run.
        key: 64 hexadecimal digits.
    """

    half: str
    spec: RunSpec | ProgramSpec
    key: str

    @property
    def name(self) -> str:
        """Returns the name that the user sees."""
        return f"{self.spec.name} seed {self.spec.seed} {self.half}"

    @property
    def cost(self) -> int:
        """Returns the number of training samples over all epochs; 0 if the spec does not say it."""
        return (self.spec.epochs or 0) * (self.spec.train_size or 0)


def tasks_of(
    specs: Sequence[RunSpec | ProgramSpec],
    pythons: Mapping[str, str],
    halves: Sequence[str] = HALVES,
) -> list[Task]:
    """Returns the tasks of some runs in order, each key once; see `planned`."""
    return distinct(planned(specs, pythons, halves))


def planned(
    specs: Sequence[RunSpec | ProgramSpec],
    pythons: Mapping[str, str],
    halves: Sequence[str] = HALVES,
) -> list[Task]:
    """Returns a task for each run and half, in order; equal runs have equal keys.

    Args:
        specs: the runs.
        pythons: interpreter of each half.
        halves: halves that run.

    Raises:
        InputError: a data source or an interpreter cannot be used.
    """
    parts = _Parts(pythons, halves)
    return [
        Task(
            half,
            spec,
            _digest(
                {
                    "schema": SCHEMA,
                    "half": half,
                    **(parts.of_run(spec, half) if isinstance(spec, RunSpec) else {}),
                    **(parts.of_program(spec, half) if isinstance(spec, ProgramSpec) else {}),
                }
            ),
        )
        for spec in specs
        for half in halves
    ]


class _Parts:
    """What the keys are made from; what many runs have in common is found once.

    Args:
        pythons: interpreter of each half.
        halves: halves that run.
    """

    def __init__(self, pythons: Mapping[str, str], halves: Sequence[str]) -> None:
        self._pythons = pythons
        self._fingerprints = {half: half_fingerprint(half, pythons[half]) for half in halves}
        self._files: dict[tuple[ProgramSpec, str], Any] = {}

    def of_run(self, spec: RunSpec, half: str) -> dict[str, Any]:
        """Returns what decides a run of a scenario."""
        data = data_digest(spec.data)
        return {"spec": deciding(spec, half), "data": data, **self._fingerprints[half]}

    def of_program(self, spec: ProgramSpec, half: str) -> dict[str, Any]:
        """Returns what decides a run of a program."""
        names = ("keras",) if half == "keras" else ("keras", "torch")
        place = (spec.replace(seed=0), half)
        if place not in self._files:
            self._files[place] = user_files(spec, half)
        halves = {
            name: {
                "code": code_digest(name, PROGRAM_MODULES),
                **versions(name, self._pythons[name]),
            }
            for name in names
        }
        source = _source_of(spec)
        source = None if source is None else data_digest(source)
        files = self._files[place]
        return {"spec": deciding(spec, half), "data": source, "files": files, "halves": halves}


def distinct(tasks: Iterable[Task]) -> list[Task]:
    """Returns the first task of each key."""
    found: dict[str, Task] = {}
    for task in tasks:
        found.setdefault(task.key, task)
    return list(found.values())


def half_fingerprint(half: str, python: str) -> dict[str, Any]:
    """Returns what decides a result of a half: digest of its code, versions, kind of processor.

    Raises:
        InputError: the interpreter does not answer.
    """
    return {"code": code_digest(half), **versions(half, python)}


def _source_of(spec: ProgramSpec) -> str | None:
    """Returns the source of images of a program; None if its data are a file or a function."""
    if spec.data is None or spec.data in NAMED:
        return spec.data
    path = Path(spec.folder) / spec.data
    return str(path.resolve()) if path.is_dir() else None


@functools.lru_cache
def data_digest(name: str) -> str:
    """Returns the digest of a whole data source; the spec decides which part of it a run takes."""
    opened = open_source(name)
    arrays = (opened.x_train, opened.y_train, opened.x_test, opened.y_test)
    return _digest([array_sha256(array) for array in arrays])


@functools.lru_cache
def code_digest(half: str, modules: Sequence[str] = RUN_MODULES) -> str:
    """Returns the digest of all source files that a run of a half imports.

    Args:
        half: "keras" or "torch".
        modules: of this package, as a tuple.
    """
    root = Path(parity.__file__).parent
    files = [root / f"{name}.py" for name in modules]
    folders = (root.parent / f"{half}_impl", root / "halves" / half)
    files += sorted(
        path for each in folders for path in each.rglob("*") if path.suffix in (".py", ".c")
    )
    digest = hashlib.sha256()
    for path in files:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root.parent).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


@functools.lru_cache
def versions(half: str, python: str) -> dict[str, Any]:
    """Returns versions of interpreter and packages, and the kind of processor.

    Raises:
        InputError: the interpreter does not answer.
    """
    names = PACKAGES[half]
    if python == sys.executable:
        found = {"python": platform.python_version(), **{name: version(name) for name in names}}
        return {"versions": found, "machine": platform.machine()}
    program = (
        "import json, platform, sys\nfrom importlib import metadata\n"
        "def version(name):\n"
        "    try:\n        return metadata.version(name)\n"
        "    except metadata.PackageNotFoundError:\n        return None\n"
        "found = {name: version(name) for name in sys.argv[1:]}\n"
        "print(json.dumps({'python': platform.python_version(), **found}))"
    )
    try:
        answer = subprocess.run(
            [python, "-c", program, *names], capture_output=True, text=True, timeout=60, check=True
        )
        return {"versions": json.loads(answer.stdout), "machine": platform.machine()}
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise InputError(
            f"--{half}-python {python}: did not report its versions ({error}); name a Python "
            f"interpreter in which the project is installed with the extra {half!r}"
        ) from error


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
