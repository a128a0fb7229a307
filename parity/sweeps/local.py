"""The local engine: task batches in child processes, some at a time.

If a child dies, hangs or is killed, only the task that it was running fails; another child runs the
rest of its batch.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from parity.errors import InputError
from parity.files.atomic import private_folder
from parity.files.json_io import read_json, write_json
from parity.halves.job import ChildJob, ChildOptions, Failure, Progress, can_fork
from parity.halves.runner import run_jobs
from parity.programs.program_spec import ProgramSpec
from parity.sweeps.batch import CURRENT, FAILED, write_batch, write_telling
from parity.sweeps.store import open_store
from parity.sweeps.task import Task
from parity.traces.folder import RunFolder

MIB = 2**20


@dataclass(frozen=True)
class EngineOptions:
    """How an engine runs tasks; nothing here changes what they compute.

    Attributes:
        store: URL or folder of the results.
        scratch: folder for the task batches and their logs; several sweeps may share it. None:
            the system's folder for temporary files.
        children: how the children run. Their timeout holds for one task; the first task of a child
            includes the start of its framework.
        program: command that is started instead of a half, see `ChildJob`.
    """

    store: str
    scratch: Path | None
    children: ChildOptions = field(default_factory=ChildOptions)
    program: tuple[str, ...] = ()


# Called after every change: number of the batch, its tasks that are done or failed, new failures.
OnChange = Callable[[int, int, Mapping[str, str]], None]


def run(batches: Sequence[Sequence[Task]], options: EngineOptions, on_change: OnChange) -> None:
    """Runs all batches; each task ends in the store or as a reported failure.

    Args:
        batches: tasks that share half, device and threads.
        options: how the batches run.
        on_change: called with (number of the batch, tasks done in it, {key: reason}).

    Raises:
        InputError: the folder for batches, or an option, cannot be used.
        KeyboardInterrupt: as `run_jobs`; what has finished is in the store.
    """
    waiting = [_Batch(number, tuple(tasks)) for number, tasks in enumerate(batches)]
    with _folder(options.scratch) as folder:
        while waiting:
            waiting = _run_round(waiting, folder, options, on_change)


@dataclass(frozen=True)
class _Batch:
    """What is left of a batch."""

    number: int
    tasks: tuple[Task, ...]
    num_done: int = 0
    round: int = 0

    @property
    def needs_feed(self) -> bool:
        """Whether its tasks are ports of the user's, which need to know what `fit` gets."""
        first = self.tasks[0]
        return first.half == "torch" and isinstance(first.spec, ProgramSpec)

    def job(self, folder: Path, options: EngineOptions, feed_folder: Path | None) -> ChildJob:
        name = f"batch-{self.number}" + (f"-{self.round}" if self.round else "")
        half = self.tasks[0].half
        return ChildJob(
            name=name,
            half=half,
            work="batch",
            python=options.children.pythons[half],
            program=options.program,
            directories=(folder / name,),
            log=RunFolder(folder).log(name),
            sources=() if feed_folder is None else (feed_folder,),
            may_fork=can_fork(self.tasks[0].spec),
        )


def _run_round(
    batches: Sequence[_Batch], folder: Path, options: EngineOptions, on_change: OnChange
) -> list[_Batch]:
    """Runs batches, and returns what is left of those whose child died, or that lack a feed."""
    telling = {job.directories[0]: job for job in _telling(batches, folder, options)}
    folders = {job.name.partition(" ")[2]: directory for directory, job in telling.items()}
    feeds = [folders[batch.tasks[0].spec.name] if batch.needs_feed else None for batch in batches]
    jobs = {
        batch.job(folder, options, feed): (batch, feed)
        for batch, feed in zip(batches, feeds, strict=True)
    }
    left: list[_Batch] = []
    for job, (batch, feed) in jobs.items():
        write_batch(job.directories[0], batch.tasks, options.store, feed)

    def advance(job: ChildJob, progress: Progress) -> None:
        if job in jobs:
            batch, _ = jobs[job]
            on_change(batch.number, batch.num_done + progress.step, {})

    def finish(job: ChildJob, failure: Failure | None) -> None:
        if job in jobs:
            batch, feed = jobs[job]
            end(job, batch, feed, failure)
        elif failure is not None:
            reason = failure.reason.removeprefix(f"{job.name}: ")
            write_json(RunFolder(job.directories[0]).failure, {"message": reason})

    def end(job: ChildJob, batch: _Batch, feed: Path | None, failure: Failure | None) -> None:
        directory = job.directories[0]
        reasons = _failed(directory)
        tasks: tuple[Task, ...] = ()
        if failure is not None:
            broken, tasks = _blame(batch, directory, failure, options)
            reasons.update(broken)
        elif feed is not None:
            store = open_store(options.store)
            tasks = tuple(t for t in batch.tasks if t.key not in reasons and t.key not in store)
            if RunFolder(feed).has_failed:
                why = str(read_json(RunFolder(feed).failure)["message"])
                reasons |= {task.key: why for task in tasks}
                tasks = ()
        num_done = batch.num_done + len(batch.tasks) - len(tasks)
        if tasks:
            left.append(replace(batch, tasks=tasks, num_done=num_done, round=batch.round + 1))
        shutil.rmtree(directory, ignore_errors=True)
        if not reasons:
            job.log.unlink(missing_ok=True)
        on_change(batch.number, num_done, reasons)

    run_jobs(
        # Those that the others wait for are started first, those that wait for them last.
        [*telling.values(), *sorted(jobs, key=lambda job: bool(job.sources))],
        workers=options.children.num_workers,
        timeout_s=options.children.timeout_s,
        is_renewed=True,  # a child reports the end of each task
        on_progress=advance,
        on_done=finish,
    )
    for directory, job in telling.items():
        if not RunFolder(directory).has_failed and not any((directory / FAILED).iterdir()):
            job.log.unlink(missing_ok=True)
        shutil.rmtree(directory, ignore_errors=True)
    return left


def _telling(batches: Sequence[_Batch], folder: Path, options: EngineOptions) -> Iterator[ChildJob]:
    """Yields, for each program with ports to train, the job that tells what its `fit` gets."""
    ports: dict[str, list[Task]] = {}
    for batch in batches:
        if batch.needs_feed:
            ports.setdefault(batch.tasks[0].spec.name, []).extend(batch.tasks)
    for number, (name, tasks) in enumerate(ports.items()):
        spec = tasks[0].spec
        assert isinstance(spec, ProgramSpec)
        short = f"feeds-{max(batch.round for batch in batches)}-{number}"
        write_telling(folder / short, tasks, spec.max_feed * MIB)
        yield ChildJob(
            name=f"{short} {name}",
            half="keras",
            work="tell",
            python=options.children.pythons["keras"],
            program=options.program,
            directories=(folder / short,),
            log=RunFolder(folder).log(short),
            may_fork=can_fork(spec),
        )


def _failed(directory: Path) -> dict[str, str]:
    """The reasons that the child itself gave for tasks that failed."""
    folder = directory / FAILED
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    return {path.name: path.read_text(encoding="utf-8", errors="replace") for path in paths}


def _blame(
    batch: _Batch, directory: Path, failure: Failure, options: EngineOptions
) -> tuple[dict[str, str], tuple[Task, ...]]:
    """Returns {key: reason} of the task that ended its child, and the tasks that must still run.

    If a child ended before its first task or after its last one, no task is to blame: then all
    unfinished tasks have failed. If it ended between two tasks, none has failed.
    """
    store, failed = open_store(options.store), _failed(directory)
    open_tasks = tuple(t for t in batch.tasks if t.key not in failed and t.key not in store)
    reason = failure.reason.removeprefix(f"{failure.job.name}: ")
    current = directory / CURRENT
    if not current.exists() or RunFolder(directory).is_complete:
        return {task.key: reason for task in open_tasks}, ()
    key = current.read_text(encoding="utf-8")
    broken = {task.key: reason for task in open_tasks if task.key == key}
    return broken, tuple(task for task in open_tasks if task.key != key)


@contextmanager
def _folder(scratch: Path | None) -> Iterator[Path]:
    """A folder for this sweep alone; only the logs of failures stay when it ends.

    Other sweeps may write beside it, and so may a child that has not noticed yet that its sweep was
    killed. Folders of killed sweeps, and logs of those that have ended, are removed.
    """
    with ExitStack() as stack:
        try:
            if scratch is not None:
                scratch.mkdir(parents=True, exist_ok=True)
            folder = stack.enter_context(private_folder("sweep", scratch, kept="*.log"))
        except OSError as error:
            raise InputError(
                f"{scratch or tempfile.gettempdir()}: cannot be used for the task batches of a "
                f"sweep ({error.strerror}); name another folder with --out"
            ) from error
        yield folder
