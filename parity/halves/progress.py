"""ProgressDisplay: shows the progress of the jobs of `run_jobs`.

On a terminal: one bar per running job and one for all, which disappear at the end; only lines about
failures remain. Elsewhere: a few plain lines, for a log. Quiet: nothing.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

from parity.errors import UNFINISHED
from parity.files.log_text import log_line
from parity.halves.job import ChildJob, ChildOptions, Failure, Progress, is_pointless
from parity.halves.runner import run_jobs

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

MARKS = (0.25, 0.5, 0.75)  # fractions of a job after which a plain line is written


def run_shown(
    jobs: Sequence[ChildJob],
    children: ChildOptions,
    on_done: Callable[[ChildJob, Failure | None, ProgressDisplay], None] | None = None,
    on_progress: Callable[[ChildJob, Progress], None] | None = None,
) -> list[Failure]:
    """Runs jobs with `run_jobs` and shows their progress.

    Args:
        jobs: the jobs.
        children: how to run them.
        on_done: called with the display when a job has ended; it can pause the display.
        on_progress: called when a job has started, and with its progress.
    """
    with ProgressDisplay(jobs, quiet=children.quiet) as display:

        def finish(job: ChildJob, failure: Failure | None) -> None:
            display.on_done(job, failure)
            if on_done is not None:
                on_done(job, failure, display)

        def advance(job: ChildJob, progress: Progress) -> None:
            display.on_progress(job, progress)
            if on_progress is not None:
                on_progress(job, progress)

        return run_jobs(
            jobs,
            workers=children.num_workers,
            timeout_s=children.timeout_s,
            on_progress=advance,
            on_done=finish,
        )


class ProgressDisplay:
    """A context manager whose methods are the two callbacks of `run_jobs`.

    Args:
        jobs: the jobs that will run.
        quiet: whether to show nothing.
        stream: output stream; standard error by default, since standard output is for results.
    """

    def __init__(
        self, jobs: Sequence[ChildJob], *, quiet: bool, stream: TextIO | None = None
    ) -> None:
        stream = sys.stderr if stream is None else stream
        self._display: _Plain | _Bars | None = None
        if not quiet:
            self._display = _Bars(len(jobs), stream) if draws(stream) else _Plain(stream)

    def __enter__(self) -> ProgressDisplay:
        if self._display is not None:
            self._display.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._display is not None:
            self._display.close()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Hides the bars during a block that prints something else to the terminal."""
        if self._display is not None:
            self._display.close()
        try:
            yield
        finally:
            if self._display is not None:
                self._display.reopen()

    def on_progress(self, job: ChildJob, progress: Progress) -> None:
        """Shows that a job has started or advanced."""
        if self._display is not None:
            self._display.on_progress(job, progress)

    def on_done(self, job: ChildJob, failure: Failure | None) -> None:
        """Shows that a job has ended."""
        if self._display is not None:
            self._display.on_done(job, failure)


def draws(stream: TextIO) -> bool:
    """Whether a stream is a terminal that can draw bars."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def rich_bars(stream: TextIO, *columns: Any) -> RichProgress:
    """Returns bars that disappear at the end. Imports rich here, since that takes 0.1 s.

    Args:
        stream: output stream.
        *columns: columns of a bar.
    """
    from rich.console import Console
    from rich.progress import Progress as RichProgress

    return RichProgress(
        *columns,
        console=Console(file=stream),
        transient=True,
        refresh_per_second=4,
        redirect_stdout=False,  # standard output may be a file for JSON
        redirect_stderr=stream is sys.stderr,
    )


class _Headlines:
    """Says once why jobs failed: the report of the command has the whole paragraph."""

    def __init__(self) -> None:
        self._first: dict[str, str] = {}  # reason -> name of the first job

    def of(self, failure: Failure) -> str:
        """Returns the name of a job and its reason, or the job that failed for the same reason."""
        name = failure.job.name
        reason = failure.reason.partition("\n")[0].removeprefix(f"{name}: ")
        first = self._first.setdefault(reason, name)
        text = reason.partition("; ")[0] if first == name else f"the same as {first}"
        is_open = reason.startswith(UNFINISHED)
        return f"{'waits' if is_open else 'failed'}: {name}: {text}"


class _Plain:
    """Lines: started, 25 %, 50 %, 75 %, finished or failed."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._started_s: dict[ChildJob, float] = {}
        self._marks: dict[ChildJob, int] = {}
        self._headlines = _Headlines()

    def open(self) -> None:
        pass

    def reopen(self) -> None:
        pass

    def close(self) -> None:
        pass

    def on_progress(self, job: ChildJob, progress: Progress) -> None:
        if job not in self._started_s:
            self._started_s[job] = time.monotonic()
            self._write(f"{job.name}: started")
        if progress.note:
            self._write(f"{job.name}: {progress.note}")
        marks = sum(progress.fraction >= mark for mark in MARKS)
        # The line "finished" replaces a line for 100 %.
        if marks > self._marks.get(job, 0) and progress.fraction < 1:
            self._marks[job] = marks
            self._write(f"{job.name}: {100 * MARKS[marks - 1]:.0f} %, {_describe(progress)}")

    def on_done(self, job: ChildJob, failure: Failure | None) -> None:
        if failure is not None:
            self._write(self._headlines.of(failure))
        elif not is_pointless(job):
            took_s = time.monotonic() - self._started_s.get(job, time.monotonic())
            self._write(f"{job.name}: finished in {took_s:.1f} s")

    def _write(self, line: str) -> None:
        self._stream.write(log_line(line) + "\n")
        self._stream.flush()


class _Bars:
    """Bars drawn by rich."""

    def __init__(self, num_jobs: int, stream: TextIO) -> None:
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn

        self._progress = rich_bars(
            stream,
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %", markup=False),
            TextColumn("{task.fields[detail]}", markup=False),
            TimeElapsedColumn(),
        )
        self._num_jobs = num_jobs
        self._num_done = 0
        self._all: TaskID | None = None
        self._tasks: dict[ChildJob, TaskID] = {}
        self._headlines = _Headlines()

    def reopen(self) -> None:
        self._progress.start()

    def open(self) -> None:
        self.reopen()
        if self._num_jobs > 1:
            self._all = self._add("all", total=self._num_jobs, detail=f"0/{self._num_jobs} done")

    def close(self) -> None:
        self._progress.stop()

    def on_progress(self, job: ChildJob, progress: Progress) -> None:
        if job not in self._tasks:
            self._tasks[job] = self._add(job.name, total=1, detail="starting")
        if progress.note:
            line = f"{job.name}: {progress.note}"
            self._progress.console.print(line, markup=False, highlight=False)
        if progress.num_steps:
            self._progress.update(
                self._tasks[job], completed=progress.fraction, detail=_describe(progress)
            )

    def on_done(self, job: ChildJob, failure: Failure | None) -> None:
        if job in self._tasks:
            self._progress.remove_task(self._tasks.pop(job))
        if failure is not None:
            line = log_line(self._headlines.of(failure))
            self._progress.console.print(line, style="red", markup=False, highlight=False)
        self._num_done += 1
        if self._all is not None:
            detail = f"{self._num_done}/{self._num_jobs} done"
            self._progress.update(self._all, completed=self._num_done, detail=detail)

    def _add(self, description: str, **fields: Any) -> TaskID:
        return self._progress.add_task(log_line(description), **fields)


def _describe(progress: Progress) -> str:
    """Returns step and loss of the current run."""
    loss = "" if progress.loss is None else f", loss {progress.loss:.4g}"
    return f"step {progress.step}/{progress.num_steps}{loss}"
