"""What the runner is given, and what it tells: jobs, their progress, their failures."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class ChildJob:
    """One child process.

    Attributes:
        name: as it is shown to the user: "dropout seed 42 keras".
        half: "keras" or "torch".
        work: what the child does, a subcommand of `parity.worker`: "run", "check", "batch" or
            "bench".
        python: the interpreter: a path, or a name that is looked up in PATH.
        program: what is started in the place of `PYTHON -m HALF_impl`; for a half that is none of
            this project's.
        data: file that `parity.data.load.save_data` wrote, of "run"; the others have data of their
            own.
        directories: run directories, each with its spec.json, or that of a task batch; no other job
            uses them.
        log: file to which the child's output is appended; no other job uses it.
        paths: folders in which the child finds modules besides its own.
    """

    name: str
    half: str
    work: str = "run"
    python: str = sys.executable
    program: tuple[str, ...] = ()
    data: Path | None = None
    directories: tuple[Path, ...]
    log: Path
    paths: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        if not self.directories:
            raise ValueError(f"the job {self.name!r} has no directories; expected at least one")

    @property
    def arguments(self) -> list[str]:
        """The command line: `python -m HALF_impl WORK [--data FILE] DIRECTORY ...`."""
        program = self.program or (self.python, "-m", f"{self.half}_impl")
        data = () if self.data is None else ("--data", os.fspath(self.data))
        return [*program, self.work, *data, *map(os.fspath, self.directories)]


@dataclass(frozen=True)
class Progress:
    """How far a job has come.

    Attributes:
        directory: the run it is at.
        step: steps done of this run; 0 when the job has just been started.
        num_steps: steps of this run; 0 when not known yet.
        loss: running mean of the epoch's loss; None when not known yet.
        fraction: part of the whole job, all its runs counted alike, in [0, 1].
    """

    directory: Path
    step: int
    num_steps: int
    loss: float | None
    fraction: float


@dataclass(frozen=True)
class Failure:
    """A job that did not deliver.

    Attributes:
        job: the job.
        reason: what happened and what to do, then the last lines of the log, indented.
        exit_code: of the process; None where it was not started.
    """

    job: ChildJob
    reason: str
    exit_code: int | None = None
