"""What the runner is given, and what it tells: jobs, their progress, their failures."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Job:
    """One child process.

    Attributes:
        name: as it is shown to the user: "dropout seed 42 keras".
        half: "keras" or "torch".
        python: the interpreter: a path, or a name that is looked up in PATH.
        data: file that `parity.data.save_data` wrote; None for a chunk of a sweep, whose runs have
            data of their own.
        directories: run directories, each with its spec.json, or that of a chunk; no other job
            uses them.
        log: file to which the child's output is appended; no other job uses it.
        paths: folders in which the child finds modules besides its own.
    """

    name: str
    half: str
    python: str = sys.executable
    data: Path | None = None
    directories: tuple[Path, ...]
    log: Path
    paths: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        if not self.directories:
            raise ValueError(f"the job {self.name!r} has no directories; expected at least one")


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

    job: Job
    reason: str
    exit_code: int | None = None
