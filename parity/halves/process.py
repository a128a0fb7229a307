"""A child process: starts it, watches it, reads its log, says why it failed."""

from __future__ import annotations

import os
import re
import shlex
import signal
import site
import subprocess
import sys
import sysconfig
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

from parity.errors import InputError, RunError
from parity.files import atomic
from parity.halves.fork_server import start_child
from parity.halves.job import ChildJob, Progress, is_pointless, is_ready, missing
from parity.halves.protocol import EXIT_NOT_INSTALLED, NOTE, PROGRESS
from parity.programs.user_modules import PATHS
from parity.traces.folder import SUCCESS

# --- Reads the log of a child: its progress, and why it failed ------------------------------------
#
# Logs can be long and hold anything. Each look reads only the new part, and at most its last 64
# KiB. Text for the user is printable, and no longer than a paragraph.


WINDOW = 65_536  # largest number of bytes of a log in memory
TAIL_LINES, TAIL_WIDTH = 15, 200  # end of a log in a message: lines, and characters per line


class ProgressReader:
    """Reads new progress lines of a log, and counts the runs of the job."""

    _LINE = re.compile(PROGRESS.encode() + rb" (.+) (\d{1,15})/([1-9]\d{0,14}) loss=(\S+)")

    def __init__(self, job: ChildJob, start: int) -> None:
        self._directories = job.directories
        self._names = [path.name.encode("utf-8", "backslashreplace") for path in job.directories]
        self._file = job.log.open("rb", buffering=0)
        self._offset = start
        self._rest = b""  # a line that is not complete yet
        self._number = 0  # number of the run
        self._step = 0
        self._latest = Progress(job.directories[0], 0, 0, None, 0.0)

    def read(self) -> Progress | None:
        """Returns the newest progress since the last call, or None."""
        size = os.fstat(self._file.fileno()).st_size
        if size == self._offset:
            return None
        if not size - WINDOW <= self._offset <= size:  # more than can be held, or truncated
            self._offset, self._rest = max(0, size - WINDOW), b""
        piece = os.pread(self._file.fileno(), WINDOW, self._offset)
        self._offset += len(piece)
        *lines, rest = (self._rest + piece).split(b"\n")
        self._rest = rest[-WINDOW:]
        newest = None
        for line in lines:
            newest = self._parse(line) or newest
        self._latest = newest or self._latest
        begin = NOTE.encode()
        notes = [line.removeprefix(begin) for line in lines if line.startswith(begin)]
        if notes:
            text = b"; ".join(notes).decode("utf-8", "replace")[:TAIL_WIDTH]
            return replace(self._latest, note=_printable(text))
        return newest

    def close(self) -> None:
        """Closes the log."""
        self._file.close()

    def _parse(self, line: bytes) -> Progress | None:
        match = self._LINE.fullmatch(line)
        if match is None:
            return None
        name, step, num_steps = match[1], int(match[2]), int(match[3])
        # Runs in different folders may share a name: fewer steps than before mean a new run.
        first = self._number + (name == self._names[self._number] and step < self._step)
        if name not in self._names[first:] or step > num_steps:
            return None
        try:
            loss = float(match[4])
        except ValueError:
            return None
        self._number, self._step = self._names.index(name, first), step
        fraction = (self._number + step / num_steps) / len(self._names)
        return Progress(self._directories[self._number], step, num_steps, loss, fraction)


# TensorFlow's "ran out of memory trying to allocate" may be only a warning.
_OUT_OF_MEMORY = re.compile(
    r"MemoryError|OOM when allocating|ResourceExhausted|RESOURCE_EXHAUSTED|OutOfMemory"
    r"|OUT_OF_MEMORY|(?<!ran )out of memory|can't allocate memory|bad_alloc"
)
_PROJECT_MISSING = re.compile(r"No module named '?(?:keras_impl|torch_impl|parity)'?$", re.M)
_SMALLER = "choose a smaller --batch-size or --train-size, or free memory"


def explain(job: ChildJob, code: int, text: str) -> str:
    """Explains an exit code other than 0, given the end of the log."""
    lead = _lead(text, job.half, code)
    install = f"{shlex.quote(job.python)} -m pip install 'keras-torch-parity[{job.half}]'"
    if code == EXIT_NOT_INSTALLED:
        return f"{lead}: {job.python} lacks a package that this half needs; install it: {install}"
    if _OUT_OF_MEMORY.search(text):
        return f"ran out of memory ({lead}); {_SMALLER}"
    if code == -signal.SIGKILL:
        return (
            "was killed by SIGKILL, often by the kernel's out-of-memory killer (see dmesg); if so, "
            + _SMALLER
        )
    if code < 0:
        return (
            f"was killed by {_signal_name(-code)}; if nobody sent the signal, the framework "
            "crashed in native code: see the log, and update or reinstall the framework"
        )
    if missing := _PROJECT_MISSING.search(text):
        return (
            f"{missing[0]}: this project is not installed in {job.python}; install it there too: "
            f"{install}"
        )
    return f"{lead or 'ended without a message'} (exit code {code}); look at the log"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal has a number only
        return f"signal {number}"


def _lead(text: str, half: str, code: int) -> str:
    """Returns the most useful line: the child's message, the last exception, or the last line."""
    lines = [line for line in text.split("\n") if line.strip()]
    if code in (InputError.exit_code, RunError.exit_code, EXIT_NOT_INSTALLED):
        # A framework may write more lines while the process ends.
        for line in reversed(lines):
            if line.startswith(f"{half} half: "):
                return _shorten(line.removeprefix(f"{half} half: "))
    starts = [number for number, line in enumerate(lines) if line.startswith("Traceback (")]
    if starts:
        # The frames of a traceback are indented, the exception is not.
        for line in lines[starts[-1] + 1 :]:
            if not line[0].isspace():
                return _shorten(line)
    return _shorten(lines[-1]) if lines else ""


def _shorten(line: str) -> str:
    return line if len(line) <= TAIL_WIDTH else line[: TAIL_WIDTH - 1] + "…"


_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


def read_tail(log: Path, start: int) -> str:
    """Returns the end of a log from byte `start` on, as printable text without progress."""
    try:
        with log.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(start, size - WINDOW))
            text = file.read(WINDOW).decode("utf-8", "replace")
    except OSError as error:
        return f"(the log cannot be read: {error})"
    # Keeps the last state of a progress bar that a framework redrew in one line.
    lines = [
        line.rstrip().rpartition("\r")[2].rstrip()
        for line in text.split("\n")
        if not line.startswith(f"{PROGRESS} ")
    ]
    text = _ESCAPE.sub("", "\n".join(lines)).replace("\t", "    ")
    return "\n".join(map(_printable, text.split("\n")))


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "\ufffd" for char in text)


def show_tail(log: Path, text: str) -> str:
    """Returns the last lines of a log, indented, under its path."""
    lines = [line for line in text.split("\n") if line.strip()][-TAIL_LINES:]
    if not lines:
        return f"The log {log} has no further lines."
    return f"The log {log} ends with:\n" + "\n".join(f"    {_shorten(line)}" for line in lines)


# --------------------------------------------------------------------------------------------------
#
# A child process: starts it in its own process group, watches it, stops it, says why it failed.


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
