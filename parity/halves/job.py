"""Jobs for child processes: how to run them, what they wait for, and their failures."""

from __future__ import annotations

import os
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from parity.errors import InputError
from parity.halves.protocol import stop_if_orphaned
from parity.traces.folder import RunFolder

if TYPE_CHECKING:
    from parity.programs.check_spec import CheckSpec
    from parity.programs.program_spec import ProgramSpec
    from parity.programs.run_spec import RunSpec


# --- ChildOptions: how to run child processes, for every command; it does not change results ------


@dataclass(frozen=True)
class ChildOptions:
    """How to run child processes.

    Attributes:
        keras_python: interpreter of the Keras half.
        torch_python: interpreter of the torch half.
        timeout_s: seconds after which a child counts as hung; None = never.
        workers: number of children that run at the same time; None = one per core.
        quiet: whether to show no progress.
    """

    keras_python: str = sys.executable
    torch_python: str = sys.executable
    timeout_s: float | None = 3600.0
    workers: int | None = None
    quiet: bool = True

    @property
    def pythons(self) -> dict[str, str]:
        """The interpreter of each half."""
        return {"keras": self.keras_python, "torch": self.torch_python}

    @property
    def num_workers(self) -> int:
        """Number of children that run at the same time."""
        return (os.cpu_count() or 1) if self.workers is None else self.workers

    def check_interpreters(self) -> None:
        """Checks that the interpreters can be started, before anything is computed.

        Raises:
            InputError: one of them is not an executable file.
        """
        for half, python in self.pythons.items():
            if shutil.which(python) is None:
                raise InputError(
                    f"--{half}-python {python}: not an executable file; name the Python "
                    f"interpreter in which the project is installed with the extra {half!r}"
                )


# --- Jobs for child processes, their progress and their failures ----------------------------------


@dataclass(frozen=True, kw_only=True)
class ChildJob:
    """One child process.

    Attributes:
        name: name that the user sees: "dropout seed 42 keras".
        half: "keras" or "torch".
        work: subcommand of `parity.worker` for the child: "run", "check", "batch",
            "tell", "bench", "write" or "save".
        python: the interpreter: a path, or a name that is searched in PATH.
        program: started instead of `PYTHON -m parity.worker HALF`, for a half from outside this
            project.
        directories: run directories, each with its spec.json, or the directory of a task batch; no
            other job uses them.
        log: file to which the child's output is appended; no other job uses it.
        paths: additional folders in which the child finds modules.
        sources: for each directory, the folder of another half that its run begins with. The child
            waits for each. A directory whose source failed is left out.
        saves_weights: whether "run" leaves the final weights of both halves.
        may_fork: whether the child computes on the CPU with one thread, so that it may be a fork of
            a process that has imported the framework (`parity.halves.fork_server`).
    """

    name: str
    half: str
    work: str = "run"
    python: str = sys.executable
    program: tuple[str, ...] = ()
    directories: tuple[Path, ...]
    log: Path
    paths: tuple[Path, ...] = ()
    sources: tuple[Path, ...] = ()
    saves_weights: bool = False
    may_fork: bool = False

    def __post_init__(self) -> None:
        if not self.directories:
            raise ValueError(f"the job {self.name!r} has no directories; expected at least one")

    @property
    def arguments(self) -> list[str]:
        """Returns the command line: `python -m parity.worker HALF WORK [OPTIONS] DIRECTORY ...`."""
        program = self.program or (self.python, "-m", "parity.worker", self.half)
        options = ("--save-weights",) if self.saves_weights else ()
        return [*program, self.work, *options, *map(os.fspath, self.directories)]


def can_fork(spec: RunSpec | CheckSpec | ProgramSpec) -> bool:
    """Whether a child computes on the CPU with one thread."""
    return spec.device == "cpu" and spec.threads == 1


@dataclass(frozen=True)
class Progress:
    """Progress of a job.

    Attributes:
        directory: directory of the current run.
        step: number of finished steps of this run; 0 when the job has just started.
        num_steps: total number of steps of this run; 0 if unknown.
        loss: running mean of the epoch's loss; None if unknown.
        fraction: finished part of the whole job, in [0, 1]; all runs count the same.
        note: what the child tells its user now, or "".
    """

    directory: Path
    step: int
    num_steps: int
    loss: float | None
    fraction: float
    note: str = ""


@dataclass(frozen=True)
class Failure:
    """A job that failed.

    Attributes:
        job: the job.
        reason: what happened and what to do, then the last lines of the log, indented.
        exit_code: exit code of the process; None if it was not started.
    """

    job: ChildJob
    reason: str
    exit_code: int | None = None


# --- What a job waits for: the folders of another half that its runs begin with -------------------


WAIT_S = 0.01  # seconds between two looks at what is waited for


def wait_for(source: RunFolder, parent: int) -> float:
    """Waits, in a child, until the folder of another half is complete or has failed.

    Args:
        source: the folder.
        parent: process ID of the parent; the child stops when it is gone.

    Returns:
        The seconds that were waited.
    """
    waiting = time.perf_counter()
    while not source.has_ended:
        pause(parent)
    return time.perf_counter() - waiting


def pause(parent: int) -> None:
    """Waits, in a child, until it is time to look again; ends the process if its parent is gone."""
    stop_if_orphaned(parent)
    time.sleep(WAIT_S)


def is_ready(job: ChildJob) -> bool:
    """Whether all sources of a job are there, or will never be."""
    return all(RunFolder(source).has_ended for source in job.sources)


def is_pointless(job: ChildJob) -> bool:
    """Whether every directory of a job has a source that failed."""
    return bool(job.sources) and all(RunFolder(source).has_failed for source in job.sources)


def missing(job: ChildJob) -> list[Path]:
    """Returns the directories of a job that are not complete, though their source did not fail."""
    failed = [RunFolder(source).has_failed for source in job.sources]
    failed = failed or [False] * len(job.directories)
    return [
        directory
        for directory, has_failed in zip(job.directories, failed, strict=True)
        if not has_failed and not RunFolder(directory).is_complete
    ]
