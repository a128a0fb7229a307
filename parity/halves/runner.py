"""run_jobs: runs child processes, some at a time, and says in one paragraph why one failed.

In: jobs, each one half at work on some run directories. Out: the finished directories, and a
`Failure` for every job that did not deliver. One thread looks at all children a few times a second.
Children write to their log files directly, so no pipe can fill up.

Nothing outlives the call: each child leads a process group of its own, and the whole group is ended
when the child ends, when it takes too long, and when the parent is interrupted. A parent that is
killed cannot do that; its children notice by themselves (`parity.halves.protocol`).
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
from parity.halves.job import ChildJob, Failure, Progress
from parity.halves.process import ChildProcess

POLL_S = 0.05  # seconds between two looks at the children


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

    A job succeeds when its process ends with 0 and each of its directories has `_SUCCESS`. A job
    that fails does not stop the others, and the runs that it has finished are kept.

    Args:
        jobs: what to run.
        workers: how many run at a time, at least 1.
        timeout_s: seconds that one job may take, all its runs together; None = no limit.
        on_progress: called when a job has started, and with the newest progress when there is any.
        on_done: called when a job has ended, with None if it succeeded.
        is_renewed: whether every progress gives a job `timeout_s` again, so that it holds for each
            step that is told, and not for all together.

    Returns:
        The failures, in the order of the jobs.

    Raises:
        InputError: `workers` or `timeout_s` is out of range; nothing was started.
        KeyboardInterrupt: SIGINT, SIGTERM or SIGHUP was received. All children have been ended
            then, as with every other exception: one of a callback, for example.
    """
    if workers < 1:
        raise InputError(f"workers is {workers}; expected at least 1; choose another number")
    if timeout_s is not None and not timeout_s > 0:
        raise InputError(
            f"timeout is {timeout_s} s; expected more than 0; choose another, or none for no limit"
        )
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
            while waiting or running:
                with signals.raised():
                    pass
                while waiting and len(running) < workers:
                    number, job = waiting.popleft()
                    started = _start(job, timeout_s, is_renewed)
                    if isinstance(started, str):
                        finish(number, job, started)
                        continue
                    running.append((number, started))
                    advance(job, Progress(job.directories[0], 0, 0, None, 0.0))
                for entry in list(running):
                    number, child = entry
                    # Asked before the log is read, so that nothing is left in it unread.
                    ended = child.has_ended()
                    progress = child.new_progress()
                    if progress is not None:
                        advance(child.job, progress)
                    if ended:
                        running.remove(entry)
                        child.close()
                        finish(number, child.job, child.reason(), child.exit_code)
                if running:
                    time.sleep(POLL_S)
        finally:
            signals.held = True
            _end([child for _, child in running], signals)
    return [failures[number] for number in sorted(failures)]


class Signals:
    """Receives SIGINT, SIGTERM and SIGHUP, and raises KeyboardInterrupt where it does no harm.

    An exception in the middle of starting or ending a child would lose the child. Callbacks may
    take long; they are interrupted at once.
    """

    def __init__(self) -> None:
        self.received: list[signal.Signals] = []
        self.held = True
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Signals:
        # Python hands out signals in its main thread only.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                previous = signal.getsignal(number)
                # Ignored is a decision of the user (nohup); None was not set by Python and could
                # not be restored.
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
        # A library that looks for signals itself raises an interrupt of its own, without a name.
        if kind is None or (isinstance(error, KeyboardInterrupt) and not error.args):
            self._raise()

    @contextmanager
    def raised(self) -> Iterator[None]:
        """Raises what was received before or is received inside the block."""
        self.held = False
        try:
            self._raise()
            yield
        finally:
            self.held = True

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.received.append(signal.Signals(number))
        if not self.held:
            self._raise()

    def _raise(self) -> None:
        if self.received:
            raise KeyboardInterrupt(self.received[0].name)


def _start(job: ChildJob, timeout_s: float | None, is_renewed: bool) -> ChildProcess | str:
    """Starts a job, or returns the reason why it cannot be started."""
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
    """Ends all children: SIGTERM, then SIGKILL after a while or at the next signal received."""
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
