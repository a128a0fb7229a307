"""Jobs for child processes, their progress and their failures."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from parity.programs.check_spec import CheckSpec
    from parity.programs.program_spec import ProgramSpec
    from parity.programs.run_spec import RunSpec


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
