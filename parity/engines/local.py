"""The local engine: chunks of tasks in child processes, some at a time.

A child that dies, hangs or is killed costs the task that it was running; the rest of its chunk goes
to another child.
"""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from parity.chunk import CURRENT, FAILED, write_chunk
from parity.errors import InputError
from parity.job import Failure, Job, Progress
from parity.runner import run_jobs
from parity.store import open_store
from parity.task import Task
from parity.trace import SUCCESS


def chunk_command(job: Job) -> list[str]:
    """Returns the command line of a chunk: `python -m HALF_impl --chunk DIRECTORY`."""
    return [job.python, "-m", f"{job.half}_impl", "--chunk", os.fspath(job.directories[0])]


@dataclass(frozen=True)
class EngineOptions:
    """How an engine runs tasks; nothing here changes what they compute.

    Attributes:
        store: URL or folder of the results.
        scratch: folder for the chunks and their logs; several sweeps may share it.
        workers: children at a time.
        timeout_s: seconds that one task may take, the first of a child with the start of its
            framework; None = no limit.
        pythons: interpreter of each half.
        command: gives the command line of a chunk's child.
    """

    store: str
    scratch: Path
    workers: int
    timeout_s: float | None
    pythons: Mapping[str, str]
    command: Callable[[Job], list[str]] = chunk_command


# Told after every change: tasks that are done in a chunk (failed ones too), and its new failures.
OnChange = Callable[[int, int, Mapping[str, str]], None]


def run(chunks: Sequence[Sequence[Task]], options: EngineOptions, on_change: OnChange) -> None:
    """Runs all chunks; each task ends in the store, or as a failure that is told.

    Args:
        chunks: tasks that share half, device and threads.
        options: how they are run.
        on_change: called with (number of the chunk, tasks done in it, {key: reason}).

    Raises:
        InputError: the folder for chunks, or an option, cannot be used.
        KeyboardInterrupt: as `run_jobs`; what has finished is in the store.
    """
    waiting = [_Chunk(number, tuple(tasks)) for number, tasks in enumerate(chunks)]
    with _folder(options.scratch) as folder:
        while waiting:
            waiting = _run_round(waiting, folder, options, on_change)


@dataclass(frozen=True)
class _Chunk:
    """What is left of a chunk."""

    number: int
    tasks: tuple[Task, ...]
    num_done: int = 0
    round: int = 0

    def job(self, folder: Path, options: EngineOptions) -> Job:
        name = f"chunk-{self.number}" + (f"-{self.round}" if self.round else "")
        half = self.tasks[0].half
        return Job(
            name=name,
            half=half,
            python=options.pythons[half],
            directories=(folder / name,),
            log=folder / f"{name}.log",
        )


def _run_round(
    chunks: Sequence[_Chunk], folder: Path, options: EngineOptions, on_change: OnChange
) -> list[_Chunk]:
    """Runs chunks, and returns what is left of those whose child died."""
    jobs = {chunk.job(folder, options): chunk for chunk in chunks}
    left: list[_Chunk] = []

    def start(job: Job) -> list[str]:
        write_chunk(job.directories[0], jobs[job].tasks, options.store)
        return options.command(job)

    def advance(job: Job, progress: Progress) -> None:
        chunk = jobs[job]
        on_change(chunk.number, chunk.num_done + progress.step, {})

    def finish(job: Job, failure: Failure | None) -> None:
        chunk, directory = jobs[job], job.directories[0]
        reasons = _failed(directory)
        tasks: tuple[Task, ...] = ()
        if failure is not None:
            broken, tasks = _blame(chunk, directory, failure, options)
            reasons.update(broken)
        num_done = chunk.num_done + len(chunk.tasks) - len(tasks)
        if tasks:
            left.append(replace(chunk, tasks=tasks, num_done=num_done, round=chunk.round + 1))
        shutil.rmtree(directory, ignore_errors=True)
        if not reasons:
            job.log.unlink(missing_ok=True)
        on_change(chunk.number, num_done, reasons)

    run_jobs(
        list(jobs),
        workers=options.workers,
        timeout_s=options.timeout_s,
        is_renewed=True,  # a child tells when a task has ended
        on_progress=advance,
        on_done=finish,
        command=start,
    )
    return left


def _failed(directory: Path) -> dict[str, str]:
    """The reasons that the child itself gave for tasks that failed."""
    folder = directory / FAILED
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    return {path.name: path.read_text(encoding="utf-8", errors="replace") for path in paths}


def _blame(
    chunk: _Chunk, directory: Path, failure: Failure, options: EngineOptions
) -> tuple[dict[str, str], tuple[Task, ...]]:
    """Returns {key: reason} of the task that ended its child, and the tasks that must still run.

    If a child ended before its first task or after its last one, no task is to blame: then all
    unfinished tasks have failed. If it ended between two tasks, none has failed.
    """
    store, told = open_store(options.store), _failed(directory)
    open_tasks = tuple(t for t in chunk.tasks if t.key not in told and t.key not in store)
    reason = failure.reason.removeprefix(f"{failure.job.name}: ")
    current = directory / CURRENT
    if not current.exists() or (directory / SUCCESS).exists():
        return {task.key: reason for task in open_tasks}, ()
    key = current.read_text(encoding="utf-8")
    broken = {task.key: reason for task in open_tasks if task.key == key}
    return broken, tuple(task for task in open_tasks if task.key != key)


def temporary_scratch() -> Path:
    """Returns a folder of this machine, for sweeps whose store is not a folder.

    All sweeps share it; each removes what killed sweeps have left there.
    """
    return Path(tempfile.gettempdir()) / f"parity-sweep-{os.getuid()}"


@contextmanager
def _folder(scratch: Path) -> Iterator[Path]:
    """A folder for this sweep alone; only the logs of failures stay when it ends.

    Other sweeps may write beside it, and so may a child that has not noticed yet that its sweep was
    killed. Folders of killed sweeps are removed.
    """
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        host = platform.node()
        for left in scratch.glob(f"run-*@{host}-*"):
            if not _is_alive(left.name.removeprefix("run-").partition("@")[0]):
                shutil.rmtree(left, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=f"run-{os.getpid()}@{host}-", dir=scratch))
    except OSError as error:
        raise InputError(
            f"{scratch}: cannot be used for the chunks of a sweep ({error.strerror}); name another "
            "folder with --out"
        ) from error
    try:
        yield folder
    finally:
        for path in folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
        with suppress(OSError):  # it still holds logs
            folder.rmdir()


def _is_alive(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, ValueError, OverflowError):
        return False
    except PermissionError:
        pass
    return True
