"""The halves of checks: runs many user models in few child processes, and collects their errors.

Both halves start at once. The torch half imports its framework and the port while Keras computes,
and then waits for what Keras leaves. Checks with the same reference share its trace: one of them
has the folder, the others a link to it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parity.errors import InputError, RunError, unwritten
from parity.files.json_io import write_json
from parity.files.private import private_folder
from parity.halves.job import ChildJob, Failure, Progress, can_fork
from parity.halves.progress import ProgressDisplay, run_shown
from parity.halves.sources import missing
from parity.programs.check_spec import CheckSpec
from parity.runs.check_options import CheckOptions, source_of
from parity.runs.steps import error_of, planned
from parity.traces.folder import RunFolder

MAX_PER_CHILD = 40  # models per process


def check_data(spec: CheckSpec) -> None:
    """Rejects a data file that does not exist."""
    if spec.data is not None and not (Path(spec.folder) / spec.data).is_file():
        raise InputError(f"--data {spec.data}: there is no such file")


def make_empty(out: Path) -> None:
    """Makes the folder of `--out`.

    Raises:
        InputError: there is something in it, or it cannot be made.
    """
    expected = f"--out {out}: expected an empty folder or one that does not exist"
    is_there = out.exists()
    if is_there and (not out.is_dir() or any(out.iterdir())):
        raise InputError(expected)
    try:
        out.mkdir(parents=True, exist_ok=is_there)
    except FileExistsError:  # another process has made it in this moment
        raise InputError(expected) from None
    except OSError as error:
        raise unwritten(f"--out {out}:", error) from error


@contextmanager
def folder_of(out: Path | None) -> Iterator[Path]:
    """Yields the folder for the files of a check: the given one, or a temporary one.

    Raises:
        InputError: the given folder cannot be used.
    """
    if out is not None:
        make_empty(out)
        yield out
        return
    with private_folder("check") as folder:
        yield folder


@dataclass(frozen=True)
class Plan:
    """Checks with their folders, planned so that no reference is computed twice.

    Attributes:
        specs: the checks.
        folders: the folder of each.
        leaders: for each check, the number of the first one with the same reference.
    """

    specs: Sequence[CheckSpec]
    folders: Sequence[Path]
    leaders: Sequence[int]

    @property
    def leading(self) -> list[int]:
        """Numbers of the checks whose folder has the trace of the reference."""
        return [number for number, leader in enumerate(self.leaders) if number == leader]

    def reference(self, number: int) -> RunFolder:
        """The folder of the reference of a check."""
        return RunFolder(self.folders[number]).half("keras")


def folders_of(specs: Sequence[CheckSpec], root: Path) -> list[Path]:
    """Returns the folder of each check: the root itself for a single one."""
    if len(specs) == 1:
        return [root]
    return [root / f"{number:03d}" for number in range(len(specs))]


def plan_checks(specs: Sequence[CheckSpec], root: Path) -> Plan:
    """Gives every check its folder below `root`, and those with one reference a link to it."""
    folders = folders_of(specs, root)
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    return _linked(specs, folders)


def plan_again(plan: Plan, numbers: Sequence[int], **changes: Any) -> Plan:
    """Plans some checks once more, with other settings; what their halves left is removed."""
    folders = [plan.folders[number] for number in numbers]
    for folder in folders:
        for half in ("keras", "torch"):
            left = RunFolder(folder).half(half).path
            if left.is_symlink():
                left.unlink()
            else:
                shutil.rmtree(left)
    return _linked([plan.specs[number].replace(**changes) for number in numbers], folders)


def _linked(specs: Sequence[CheckSpec], folders: Sequence[Path]) -> Plan:
    first: dict[CheckSpec, int] = {}
    leaders = [first.setdefault(_reference(spec), number) for number, spec in enumerate(specs)]
    for folder, leader in zip(folders, leaders, strict=True):
        if folder != folders[leader]:
            other = RunFolder(folders[leader]).half("keras").path
            RunFolder(folder).half("keras").path.symlink_to(os.path.relpath(other, folder))
    return Plan(specs, folders, leaders)


def _reference(spec: CheckSpec) -> CheckSpec:
    """Returns what the Keras half is told, or what names the bundle."""
    if spec.against is not None:
        return CheckSpec(against=spec.against, folder=spec.folder)
    # The reference is computed in float64, and draws its initial weights in any case.
    return spec.replace(torch=None, device="cpu", draws=True)


def run_keras(plan: Plan, options: CheckOptions) -> dict[int, InputError | RunError]:
    """Runs the Keras half alone; returns the errors by the number of the check."""
    jobs = _jobs("keras", plan, options)
    failures = run_shown(jobs, options.children)
    return _errors("keras", plan, failures, options)


def run_both(
    plan: Plan, options: CheckOptions, unpack: Callable[[], None], meanwhile: Callable[[], None]
) -> dict[int, InputError | RunError]:
    """Runs both halves of all checks, many in one process.

    Args:
        plan: the checks.
        options: how to run them.
        unpack: writes the traces of bundles. If there are only bundles, the torch half is already
            on its way.
        meanwhile: called once while the children work, where it slows down none that is waited for.

    Returns:
        The errors of the failed checks, by number.
    """
    jobs = [*_jobs("keras", plan, options), *_jobs("torch", plan, options)]
    has_keras = any(job.half == "keras" for job in jobs)
    left = [meanwhile] if has_keras else [unpack, meanwhile]
    if has_keras:
        unpack()

    def advance(job: ChildJob, progress: Progress) -> None:
        # The first line of the torch half: its framework is imported, and a core is free.
        if not has_keras or (job.half == "torch" and progress.num_steps):
            while left:
                left.pop(0)()

    def finish(job: ChildJob, failure: Failure | None, display: ProgressDisplay) -> None:
        if job.half == "keras" and failure is not None:  # nobody has to wait for what is missing
            for directory in missing(job):
                half = RunFolder(directory)
                if not half.has_ended:
                    message = _told(failure, options)
                    write_json(half.failure, {"is_input": False, "message": message})

    failures = run_shown(jobs, options.children, finish, advance)
    errors = _errors("torch", plan, failures, options)
    return errors | _errors("keras", plan, failures, options)  # without which torch has no say


def _jobs(half: str, plan: Plan, options: CheckOptions) -> list[ChildJob]:
    """Writes the specs of a half for its children, and returns the jobs of these."""
    numbers = plan.leading if half == "keras" else range(len(plan.specs))
    directories: dict[int, Path] = {}
    for number in numbers:
        spec, folder = plan.specs[number], plan.folders[number]
        if half == "keras" and spec.keras is None:
            continue
        if half == "torch":
            given = spec.replace(against=os.fspath(source_of(spec, folder)))
        else:
            given = _reference(spec)
        directories[number] = planned(RunFolder(folder).half(half), given)
    size = min(MAX_PER_CHILD, max(1, -(-len(directories) // options.children.num_workers)))
    numbers = list(directories)
    parts = [numbers[start : start + size] for start in range(0, len(numbers), size)]
    return [
        ChildJob(
            name=f"check {half}",
            half=half,
            work="check",
            python=options.children.pythons[half],
            directories=tuple(directories[number] for number in part),
            log=RunFolder(plan.folders[part[0]]).log(half),
            paths=tuple(options.paths),
            sources=tuple(plan.reference(number).path for number in part)
            if half == "torch"
            else (),
            may_fork=can_fork(plan.specs[part[0]]),
        )
        for part in parts
    ]


def _errors(
    half: str, plan: Plan, failures: Sequence[Failure], options: CheckOptions
) -> dict[int, InputError | RunError]:
    errors: dict[int, InputError | RunError] = {}
    for failure in failures:
        for number, leader in enumerate(plan.leaders):
            owner = leader if half == "keras" else number
            directory = RunFolder(plan.folders[owner]).half(half).path
            if directory in failure.job.directories and (
                error := _error(directory, failure, len(plan.specs) == 1, options)
            ):
                errors[number] = error
    return errors


def _error(
    directory: Path, failure: Failure, is_single: bool, options: CheckOptions
) -> InputError | RunError | None:
    half = RunFolder(directory)
    if half.is_complete:
        return None
    return error_of(half, _told(failure, options), in_own_words=not is_single)


def _told(failure: Failure, options: CheckOptions) -> str:
    kept = "" if options.out is not None else "\n(use --out DIR to keep the log)"
    return failure.reason + kept
