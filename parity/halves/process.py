"""A child process: started in a group of its own, watched, ended, and asked why it failed."""

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
from parity.halves.job import ChildJob, Progress
from parity.halves.log import ProgressReader, explain, read_tail, show_tail
from parity.traces.folder import SUCCESS, RunFolder

GRACE_S = 5.0  # seconds between SIGTERM and SIGKILL
ROOT = Path(__file__).resolve().parents[2]  # where this project is imported from


class ChildProcess:
    """A running child: its process group, its log, and the reason why it ended."""

    def __init__(self, job: ChildJob, timeout_s: float | None, *, is_renewed: bool = False) -> None:
        """Starts the process.

        Args:
            job: what it does.
            timeout_s: seconds that it may take; None = no limit.
            is_renewed: whether every progress gives it as many seconds again.

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
            # Last, so that nothing that fails here leaves a process behind.
            self._process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment(job.python, job.paths),
                start_new_session=True,
            )
            undo.pop_all()
        self._timeout_s, self._is_renewed = timeout_s, is_renewed
        self._deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        self._timed_out = False

    def has_ended(self) -> bool:
        """Looks whether the process has ended, and ends it if it takes too long."""
        if self._process.poll() is not None:
            return True
        now_s = time.monotonic()
        if self._deadline_s is not None and now_s >= self._deadline_s:
            self.send(signal.SIGKILL if self._timed_out else signal.SIGTERM)
            self._timed_out = True
            self._deadline_s = now_s + GRACE_S
        return False

    def new_progress(self) -> Progress | None:
        """Returns the newest progress, if the log has grown by any."""
        progress = self._progress.read()
        is_renewed = progress is not None and self._is_renewed and not self._timed_out
        if is_renewed and self._timeout_s is not None:
            self._deadline_s = time.monotonic() + self._timeout_s
        return progress

    def send(self, number: signal.Signals) -> None:
        """Sends a signal to all that is left of the process group."""
        # macOS refuses a group that only has an unreaped process.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def close(self) -> None:
        """Ends what the process may have left behind: children of its own, temporary files."""
        self.send(signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):  # a process that hangs inside the kernel
            self._process.wait(GRACE_S)
        self._progress.close()
        # Tidying up must not keep the next child from being ended.
        with suppress(OSError):
            for directory in self.job.directories:
                for left in directory.glob(f"{atomic.PREFIX}*{atomic.SUFFIX}"):
                    left.unlink(missing_ok=True)

    @property
    def exit_code(self) -> int | None:
        """Of the process; None while it runs."""
        return self._process.returncode

    def reason(self) -> str | None:
        """Returns why the job failed, or None if it succeeded; for a process that has ended."""
        missing = [path for path in self.job.directories if not RunFolder(path).is_complete]
        code = self._process.returncode
        if code == 0 and not missing:
            return None
        text = read_tail(self.job.log, self._log_start)
        if self._timed_out:
            what = (
                f"did not end within {self._timeout_s:g} s and was terminated; give it more time "
                "(--timeout) or less to do, or see in the log where it hung"
            )
        elif code == 0:
            names = ", ".join(os.fspath(path) for path in missing)
            what = (
                f"ended with exit code 0, but without a result: {SUCCESS} is missing in {names}; "
                f"look at the log, and check that {self.job.python} is a Python interpreter"
            )
        else:
            what = explain(self.job, code, text)
        return f"{self.job.name}: {what}\n{show_tail(self.job.log, text)}"


# Threads of OpenMP wait for one another in a loop, by default for longer than a turn of the
# scheduler. Where another process keeps a core busy, two of them share the other core, and each
# waits out its turn: a training becomes 40 times as slow (docs/performance.md). So often round the
# loop, some ten microseconds, and then they sleep.
SPINS = "10000"


def environment(python: str, paths: Sequence[Path] = (), is_alone: bool = False) -> dict[str, str]:
    """Returns the environment of a child, in which it imports the same packages as the parent.

    The folder of a source checkout holds nothing but this project, and suits every interpreter. A
    site-packages folder is found by its own interpreter, and would give any other one modules that
    were built for another Python.

    Args:
        python: the interpreter of the child.
        paths: folders in which it finds modules besides, after those that are named here.
        is_alone: whether the child has the machine to itself; threads then wait without sleeping.
    """
    environment = os.environ | {
        "PYTHONUNBUFFERED": "1",
        # Progress is parsed as UTF-8, and no name of a folder may end a run.
        "PYTHONIOENCODING": "utf-8:backslashreplace",
        "PYTHONFAULTHANDLER": "1",  # a crash in native code leaves the Python stack in the log
        # `-m` would look into the working directory first, where a random.py may lie.
        "PYTHONSAFEPATH": "1",
    }
    if not is_alone and "OMP_WAIT_POLICY" not in environment:
        environment.setdefault("GOMP_SPINCOUNT", SPINS)
    is_checkout = (ROOT / "pyproject.toml").is_file()
    found = [os.environ.get("PYTHONPATH", ""), *map(os.fspath, paths)]
    if (is_checkout or python == sys.executable) and not _is_site_folder(ROOT):
        found.insert(0, os.fspath(ROOT))
    if any(found):
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, found))
    return environment


def _is_site_folder(folder: Path) -> bool:
    folders = {*site.getsitepackages(), site.getusersitepackages()}
    folders |= {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    return any(Path(other).resolve() == folder for other in folders)
