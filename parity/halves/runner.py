"""run_jobs: runs several child processes at a time, and says in one paragraph why one failed.

In: jobs; each is one half with some run directories. Out: the finished directories, and a `Failure`
for every job that failed. One thread checks all children several times a second. Children write
directly to their log files, so no pipe can fill up.

No child outlives the call: each has its own process group, and the whole group is stopped when
the child ends, when it takes too long, and when the parent is interrupted. A killed parent cannot
do that; its children notice it themselves (`parity.halves.protocol`).
"""

from __future__ import annotations

import collections
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

from parity.errors import InputError
from parity.halves import process
from parity.halves.job import ChildJob, Failure, Progress, is_pointless
from parity.halves.process import ChildProcess
from parity.programs.backend import check_surroundings

POLL_S = 0.05  # seconds between two checks of the children


def run_jobs(
    jobs: Sequence[ChildJob],
    *,
    workers: int,
    timeout_s: float | None,
    on_progress: Callable[[ChildJob, Progress], None] | None = None,
    on_done: Callable[[ChildJob, Failure | None], None] | None = None,
    is_renewed: bool = False,
) -> list[Failure]:
    """Runs jobs in child processes, started in the given order.

    A job succeeds if its process ends with exit code 0 and each of its directories has `_SUCCESS`,
    or a source that failed. A failed job does not stop the others, and its finished runs are kept.
    A job may wait for the directories of jobs before it, which are all started when it is. Its time
    limit counts from the moment when all of these have ended.

    Args:
        jobs: the jobs.
        workers: number of jobs that run at the same time, at least 1.
        timeout_s: time limit of one job in seconds, for all its runs; None = no limit.
        on_progress: called when a job has started, and with the newest progress if there is any.
        on_done: called when a job has ended, with None if it succeeded.
        is_renewed: whether every progress line restarts the time limit, so that it applies to each
            reported step and not to the whole job.

    Returns:
        The failures, in the order of the jobs.

    Raises:
        InputError: `workers` or `timeout_s` is out of range, or the user asks for another back end
            than a Keras half has; nothing was started.
        KeyboardInterrupt: SIGINT, SIGTERM or SIGHUP was received. All children have been stopped
            then, as after every other exception, for example in a callback.
    """
    if workers < 1:
        raise InputError(f"workers is {workers}; expected at least 1; choose another number")
    if timeout_s is not None and not timeout_s > 0:
        raise InputError(
            f"timeout is {timeout_s} s; expected more than 0; choose another, or None for no limit"
        )
    if any(job.half == "keras" for job in jobs):
        check_surroundings()
    failures: dict[int, Failure] = {}
    waiting = collections.deque(enumerate(jobs))
    running: list[tuple[int, ChildProcess]] = []

    def finish(number: int, job: ChildJob, reason: str | None, code: int | None = None) -> None:
        failure = None if reason is None else Failure(job, reason, code)
        if failure is not None:
            failures[number] = failure
        if on_done is not None:
            with signals.raised():
                on_done(job, failure)

    def advance(job: ChildJob, progress: Progress) -> None:
        if on_progress is not None:
            with signals.raised():
                on_progress(job, progress)

    with Signals() as signals:
        try:
            succeeded: list[tuple[int, ChildJob]] = []
            while waiting or running or succeeded:
                with signals.raised():
                    pass
                while waiting and len(running) < workers:
                    number, job = waiting.popleft()
                    if is_pointless(job):
                        finish(number, job, None)
                        continue
                    started = _start(job, timeout_s, is_renewed)
                    if isinstance(started, str):
                        finish(number, job, started)
                        continue
                    running.append((number, started))
                    advance(job, Progress(job.directories[0], 0, 0, None, 0.0))
                # After the next job was started: what is done with a result may take seconds.
                for number, job in succeeded:
                    finish(number, job, None)
                succeeded.clear()
                for entry in list(running):
                    number, child = entry
                    # Before the log is read, so that no line stays unread.
                    ended = child.has_ended()
                    progress = child.new_progress()
                    if progress is not None:
                        advance(child.job, progress)
                    if ended:
                        running.remove(entry)
                        child.close()
                        # A failure is told first: what waits for that job need not start.
                        if (reason := child.reason()) is None:
                            succeeded.append((number, child.job))
                        else:
                            finish(number, child.job, reason, child.exit_code)
                if running and not succeeded:
                    time.sleep(POLL_S)
        finally:
            signals.is_deferring = True
            _end([child for _, child in running], signals)
    return [failures[number] for number in sorted(failures)]


class Signals:
    """Receives SIGINT, SIGTERM and SIGHUP, and raises KeyboardInterrupt where it is safe.

    An exception while a child is started or stopped would lose the child. Callbacks may take long,
    so they are interrupted at once.
    """

    def __init__(self) -> None:
        self.received: list[signal.Signals] = []
        self.is_deferring = True
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Signals:
        # Python delivers signals only in its main thread.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                previous = signal.getsignal(number)
                # The user chose to ignore a signal (nohup); a handler that Python did not set
                # (None) could not be restored.
                if previous not in (signal.SIG_IGN, None):
                    self._previous[number] = previous
                    signal.signal(number, self._receive)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, previous in self._previous.items():
            signal.signal(number, previous)
        # A library that handles signals itself raises an interrupt without a name.
        if kind is None or (isinstance(error, KeyboardInterrupt) and not error.args):
            self._raise()

    @contextmanager
    def raised(self) -> Iterator[None]:
        """Raises an interrupt that was received before or is received inside the block."""
        self.is_deferring = False
        try:
            self._raise()
            yield
        finally:
            self.is_deferring = True

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.received.append(signal.Signals(number))
        if not self.is_deferring:
            self._raise()

    def _raise(self) -> None:
        if self.received:
            raise KeyboardInterrupt(self.received[0].name)


def _start(job: ChildJob, timeout_s: float | None, is_renewed: bool) -> ChildProcess | str:
    """Starts a job, or returns why it cannot be started."""
    program = job.arguments[0]
    if shutil.which(program) is None:
        problem = "is not an executable file" if os.path.exists(program) else "was not found"
        return (
            f"{job.name}: the interpreter {program!r} {problem}; expected the path of a Python "
            f"interpreter; correct it (--{job.half}-python)"
        )
    try:
        return ChildProcess(job, timeout_s, is_renewed=is_renewed)
    except OSError as error:
        return (
            f"{job.name}: cannot be started ({error}); check the interpreter {program!r} "
            f"(--{job.half}-python) and the log {job.log}"
        )


def _end(children: list[ChildProcess], signals: Signals) -> None:
    """Stops all children: SIGTERM, then SIGKILL after a while or at the next received signal."""
    for child in children:
        child.send(signal.SIGTERM)
    deadline_s = time.monotonic() + process.GRACE_S
    count = len(signals.received)
    while time.monotonic() < deadline_s and len(signals.received) == count:
        if all(child.has_ended() for child in children):
            break
        time.sleep(POLL_S)
    for child in children:
        child.close()
