"""The halves of checks: many user models in few child processes, and what went wrong with each."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from parity.errors import InputError, RunError
from parity.files.json_io import read_json
from parity.halves.job import ChildJob, Failure
from parity.halves.options import ChildOptions
from parity.halves.progress import run_shown
from parity.programs.check_spec import CheckSpec
from parity.runs.steps import planned
from parity.traces.folder import RunFolder

MAX_PER_CHILD = 40  # models that share a process


@dataclass(frozen=True)
class CheckOptions:
    """How checks are carried out; nothing here changes what they compute.

    Attributes:
        out: folder that keeps bundles, traces and logs; None = a temporary one.
        children: how the halves are run.
        levels: that count; the others are shown as skipped. Empty = all.
        paths: folders in which the factories' modules are found besides.
    """

    out: Path | None = None
    children: ChildOptions = field(default_factory=ChildOptions)
    levels: Sequence[str] = ()
    paths: Sequence[Path] = ()


def check_data(spec: CheckSpec) -> None:
    """Refuses a data file that is not there."""
    if spec.data is not None and not (Path(spec.folder) / spec.data).is_file():
        raise InputError(f"--data {spec.data}: there is no such file")


@contextmanager
def folder_of(out: Path | None) -> Iterator[Path]:
    """A folder for all that a check leaves: the one that is named, or one for a while.

    Raises:
        InputError: the folder that is named cannot be used.
    """
    if out is not None:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise InputError(f"--out {out}: expected a folder that is empty or does not exist")
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"--out {out}: cannot be made ({error.strerror})") from error
        yield out
        return
    with tempfile.TemporaryDirectory(prefix="parity-check-") as name:
        yield Path(name)


def run_half(
    half: str,
    specs: Sequence[CheckSpec],
    folders: Sequence[Path],
    options: CheckOptions,
    skip: Collection[int] = (),
) -> dict[int, InputError | RunError]:
    """Runs one half of all specs that need it, many in one process.

    Args:
        half: "keras" or "torch".
        specs: the checks.
        folders: the folder of each.
        options: how they are carried out.
        skip: numbers of those that have failed already.

    Returns:
        The errors of those that failed, by number.
    """
    directories: dict[int, Path] = {}
    for number, (spec, folder) in enumerate(zip(specs, folders, strict=True)):
        if number in skip or (half == "keras" and spec.keras is None):
            continue
        if half == "torch":
            given = spec.replace(against=os.fspath(bundle_of(spec, folder)))
        else:
            given = spec.replace(device="cpu")  # the reference is computed in float64
        directories[number] = planned(RunFolder(folder).half(half), given)
    size = min(MAX_PER_CHILD, max(1, -(-len(directories) // options.children.num_workers)))
    numbers = list(directories)
    jobs = [
        ChildJob(
            name=f"check {half}",
            half=half,
            work="check",
            python=options.children.pythons[half],
            directories=tuple(directories[number] for number in numbers[start : start + size]),
            log=RunFolder(folders[numbers[start]]).log(half),
            paths=tuple(options.paths),
        )
        for start in range(0, len(numbers), size)
    ]
    failures = run_shown(jobs, options.children)
    errors: dict[int, InputError | RunError] = {}
    for failure in failures:
        for number, directory in directories.items():
            if directory in failure.job.directories and (
                error := _error(directory, failure, len(specs) == 1, options.out is not None)
            ):
                errors[number] = error
    return errors


def bundle_of(spec: CheckSpec, folder: Path) -> Path:
    """What the port is compared with: the bundle that is named, or what the Keras half wrote."""
    own = RunFolder(folder.absolute()).half("keras").bundle
    return Path(spec.folder) / (spec.against or own)


def _error(
    directory: Path, failure: Failure, is_single: bool, is_kept: bool
) -> InputError | RunError | None:
    half = RunFolder(directory)
    if half.is_complete:
        return None
    if half.failure.exists():
        told = read_json(half.failure)
        if told["is_input"]:
            return InputError(told["message"])
        if not is_single:
            return RunError(told["message"])
    kept = "" if is_kept else "\n(--out DIR keeps the log)"
    return RunError(failure.reason + kept)
