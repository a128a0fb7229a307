"""A child process: starts it in its own process group, watches it, stops it, says why it failed."""

from __future__ import annotations

import os
import shlex
import signal
import site
import subprocess
import sys
import sysconfig
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from parity.files import atomic
from parity.halves.fork_server import start_child
from parity.halves.job import ChildJob, Progress
from parity.halves.log import ProgressReader, explain, read_tail, show_tail
from parity.halves.protocol import EXIT_NOT_INSTALLED
from parity.halves.sources import is_pointless, is_ready, missing
from parity.programs.user_modules import PATHS
from parity.traces.folder import SUCCESS

GRACE_S = 5.0  # seconds between SIGTERM and SIGKILL
ROOT = Path(__file__).resolve().parents[2]  # where this project is imported from


class ChildProcess:
    """A running child: its process group, its log, and the reason why it ended."""

    def __init__(self, job: ChildJob, timeout_s: float | None, *, is_renewed: bool = False) -> None:
        """Starts the process.

        Args:
            job: the job of the process.
            timeout_s: time limit in seconds; None = no limit.
            is_renewed: whether every progress line restarts the time limit.

        Raises:
            OSError: the log cannot be written or the program cannot be executed.
        """
        self.job = job
        arguments = job.arguments
        job.log.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as undo, job.log.open("ab") as log:
            log.write(f"$ {shlex.join(arguments)}\n".encode("utf-8", "backslashreplace"))
            log.flush()
            self._log_start = log.tell()
            self._progress = ProgressReader(job, self._log_start)
            undo.callback(self._progress.close)
            # Last, so that an error here leaves no process behind.
            self._process = start_child(job, environment(job.python, job.paths), log)
            undo.pop_all()
        self._timeout_s, self._is_renewed = timeout_s, is_renewed
        # As if it were started when its sources are there; others answer for the time before.
        self._is_waiting = not is_ready(job)
        self._deadline_s: float | None = None
        if not self._is_waiting:
            self._start_clock()
        self._timed_out = False

    def has_ended(self) -> bool:
        """Checks whether the process has ended, and stops it if it takes too long."""
        if self._process.poll() is not None:
            return True
        if self._is_waiting and is_ready(self.job):
            self._is_waiting = False
            self._start_clock()
            if is_pointless(self.job):
                self.send(signal.SIGKILL)
        now_s = time.monotonic()
        if self._deadline_s is not None and now_s >= self._deadline_s:
            self.send(signal.SIGKILL if self._timed_out else signal.SIGTERM)
            self._timed_out = True
            self._deadline_s = now_s + GRACE_S
        return False

    def _start_clock(self) -> None:
        if self._timeout_s is not None:
            self._deadline_s = time.monotonic() + self._timeout_s

    def new_progress(self) -> Progress | None:
        """Returns the newest progress, or None if there is nothing new."""
        progress = self._progress.read()
        is_renewed = progress is not None and self._is_renewed and not self._timed_out
        if is_renewed and not self._is_waiting:
            self._start_clock()
        return progress

    def send(self, number: signal.Signals) -> None:
        """Sends a signal to the rest of the process group."""
        # macOS refuses a group that only has an unreaped process.
        with suppress(ProcessLookupError, PermissionError):
            self._process.send(number)

    def close(self) -> None:
        """Removes what the process may have left: its own children, temporary files."""
        self.send(signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):  # a process that hangs inside the kernel
            self._process.wait(GRACE_S)
        self._progress.close()
        # An error here must not prevent the next child from being stopped.
        with suppress(OSError):
            for directory in self.job.directories:
                for left in directory.glob(f"{atomic.PREFIX}*{atomic.SUFFIX}"):
                    left.unlink(missing_ok=True)

    @property
    def exit_code(self) -> int | None:
        """Exit code of the process; None while it runs."""
        return self._process.returncode

    def reason(self) -> str | None:
        """Returns why the job failed, or None if it succeeded; for a process that has ended."""
        left, code = missing(self.job), self._process.wait(GRACE_S)
        if not left and (code == 0 or is_pointless(self.job)):
            return None
        text = read_tail(self.job.log, self._log_start)
        if code == EXIT_NOT_INSTALLED and not self._timed_out:  # the log says no more
            return f"{self.job.name}: {explain(self.job, code, text)}"
        if self._timed_out:
            what = (
                f"did not end within {self._timeout_s:g} s and was stopped; give it more time "
                "(--timeout) or less work, or see in the log where it hung"
            )
        elif code == 0:
            names = ", ".join(os.fspath(path) for path in left)
            what = (
                f"ended with exit code 0, but without a result: {SUCCESS} is missing in {names}; "
                f"look at the log, and check that {self.job.python} is a Python interpreter"
            )
        else:
            what = explain(self.job, code, text)
        return f"{self.job.name}: {what}\n{show_tail(self.job.log, text)}"


# OpenMP threads wait for each other in a spin loop, by default for longer than a time slice of the
# scheduler. If another process keeps a core busy, two threads share the other core, and each spins
# for its whole time slice: training becomes 40 times slower (docs/performance.md). With this number
# of iterations they spin for some ten microseconds, then sleep.
SPINS = "10000"
# glibc gives large blocks back to the system as soon as they are free, and a training asks for the
# same blocks in every step: the system's share of a Keras half is a third, of which nothing is left
# if freed memory is kept (docs/performance.md). Other systems ignore these variables.
MALLOC = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**30)}


def environment(python: str, paths: Sequence[Path] = (), is_alone: bool = False) -> dict[str, str]:
    """Returns the environment variables of a child, which imports the same packages as the parent.

    The folder of a source checkout contains only this project, and works for every interpreter. A
    site-packages folder works only for its own interpreter; another one would find modules that
    were built for a different Python.

    Args:
        python: the interpreter of the child.
        paths: additional folders in which it finds modules of the user's, after all others.
        is_alone: whether the child is timed on a machine of its own, as a user's program would be;
            its threads then spin without sleep, and it keeps no freed memory.
    """
    environment = os.environ | {
        "PYTHONUNBUFFERED": "1",
        # Progress is parsed as UTF-8, and a folder's name must never stop a run.
        "PYTHONIOENCODING": "utf-8:backslashreplace",
        "PYTHONFAULTHANDLER": "1",  # a crash in native code leaves the Python stack in the log
        # `-m` would search the working directory first, which may contain a random.py.
        "PYTHONSAFEPATH": "1",
    }
    if not is_alone and "OMP_WAIT_POLICY" not in environment:
        environment.setdefault("GOMP_SPINCOUNT", SPINS)
    if not is_alone:
        environment = MALLOC | environment
    is_checkout = (ROOT / "pyproject.toml").is_file()
    environment.pop(PATHS, None)
    if paths:
        environment[PATHS] = os.pathsep.join(map(os.fspath, paths))
    found = [os.environ.get("PYTHONPATH", "")]
    if (is_checkout or python == sys.executable) and not _is_site_folder(ROOT):
        found.insert(0, os.fspath(ROOT))
    if any(found):
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, found))
    return environment


def _is_site_folder(folder: Path) -> bool:
    folders = {*site.getsitepackages(), site.getusersitepackages()}
    folders |= {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    return any(Path(other).resolve() == folder for other in folders)
