"""The halves of checks: options, one child alone, and many models in few children."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from parity.divergences.names import id_of
from parity.errors import InputError, RunError, unwritten
from parity.files.atomic import private_folder
from parity.files.json_io import write_json
from parity.halves.job import ChildJob, ChildOptions, Failure, Progress, can_fork, missing
from parity.halves.progress import ProgressDisplay, run_shown
from parity.ladder.items import LEVEL_IDS
from parity.programs.check_spec import CheckSpec
from parity.programs.tool_table import read_tool_table
from parity.runs.steps import error_of, planned
from parity.traces.folder import RunFolder

# --- CheckOptions: how to run checks and what to allow; and where a check finds its reference -----


@dataclass(frozen=True)
class CheckOptions:
    """How to run checks, and what to allow. Only `levels`, `tolerance` and `accept` change results.

    Attributes:
        out: folder for traces and logs; None = a temporary one.
        children: how to run the child processes.
        levels: levels that decide the verdict; the others are shown as skipped. Empty = all.
        paths: additional folders in which modules of factories are found.
        tolerance: what the user allows instead of the tolerances that follow from rounding, by the
            name of a level, "" for all levels; relative, above 0 and below 1.
        accept: IDs of divergences that the user knows of, and that decide nothing.
        whole: whether Keras's trace has all layers of large models too, as a bundle needs them,
            even if nothing differs.
    """

    out: Path | None = None
    children: ChildOptions = field(default_factory=ChildOptions)
    levels: Sequence[str] = ()
    paths: Sequence[Path] = ()
    tolerance: Mapping[str, float] = field(default_factory=dict)
    accept: tuple[str, ...] = ()
    whole: bool = False


def source_of(spec: CheckSpec, folder: Path) -> Path:
    """Returns the bundle that is given, or the trace that the Keras half wrote."""
    written = RunFolder(folder.absolute()).half("keras").path
    return Path(spec.folder) / (spec.against or written)


def allowed_by_user(
    folder: Path, tolerance: float | Mapping[str, float] | None, accept: Sequence[str] | None
) -> dict[str, Any]:
    """Returns the fields `tolerance` and `accept` of CheckOptions.

    A tolerance that is given for all levels replaces those of the project's [tool.parity]; what is
    accepted there stays accepted.

    Args:
        folder: the table is searched from here upwards.
        tolerance: given in the call: for all levels, or by level.
        accept: given in the call: IDs or names of divergences.

    Raises:
        InputError: a level, a number or a divergence is none; or the table has an error.
    """
    table = read_tool_table(folder)
    _check_tolerance(table.tolerance, f"{table.path}: tolerance")
    if tolerance is None:
        tolerance = {}
    elif not isinstance(tolerance, Mapping):
        tolerance = {"": tolerance}
    _check_tolerance(tolerance, "tolerance")
    known = {} if "" in tolerance else table.tolerance
    accepted = [
        *_ids(table.accept, f"{table.path}: accept"),
        *_ids([accept] if isinstance(accept, str) else accept or [], "accept"),
    ]
    return {"tolerance": {**known, **tolerance}, "accept": tuple(dict.fromkeys(accepted))}


def _check_tolerance(tolerance: Mapping[str, float], where: str) -> None:
    for level, value in tolerance.items():
        if level and level not in LEVEL_IDS:
            raise InputError(f"{where} of {level!r}: expected one of {', '.join(LEVEL_IDS)}")
        if isinstance(value, bool) or not isinstance(value, float | int) or not 0 < value < 1:
            of = f" of {level}" if level else ""
            raise InputError(f"{where}{of} is {value!r}: expected a number above 0 and below 1")


def _ids(names: Sequence[str], where: str) -> list[str]:
    found = []
    for name in names:
        known = id_of(name)
        if known is None:
            raise InputError(
                f"{where}={name!r}: there is no such divergence; `parity list divergences` has all"
            )
        found.append(known)
    return found


# --- One child of a half by itself, which must do its work ----------------------------------------


def run_alone(job: ChildJob, children: ChildOptions) -> RunFolder:
    """Runs a child, and returns its folder.

    Args:
        job: has one directory, with the spec of the child in it.
        children: how it is run and shown.

    Raises:
        InputError: the child says that what it was given cannot be used.
        RunError: the child crashed.
    """
    (directory,) = job.directories
    half = RunFolder(directory)
    if failures := run_shown([job], children):
        raise error_of(half, failures[0].reason)
    return half


# --------------------------------------------------------------------------------------------------
#
# The halves of checks: runs many user models in few child processes, and collects their errors.
#
# Both halves start at once. The torch half imports its framework and the port while Keras computes,
# and then waits for what Keras leaves. Checks with the same reference share its trace: one of them
# has the folder, the others a link to it.


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
                    message = _reason(failure, options)
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
    return error_of(half, _reason(failure, options), prefers_message=not is_single)


def _reason(failure: Failure, options: CheckOptions) -> str:
    kept = "" if options.out is not None else "\n(use --out DIR to keep the log)"
    return failure.reason + kept
