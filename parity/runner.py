"""run_jobs: runs child processes, some at a time, and says in one paragraph why one failed.

In: jobs, each a command of one half on some run directories. Out: the finished directories, and a
`Failure` for every job that did not deliver. One thread looks at all children a few times a second.
Children write to their log files directly, so no pipe can fill up; the parent reads only what was
appended since it last looked, and of that never more than the last 64 KiB.

Nothing outlives the call: each child leads a process group of its own, and the whole group is ended
when the child ends, when it takes too long, and when the parent is interrupted. A parent that is
killed cannot do that; its children notice by themselves (`parity.child`).
"""

from __future__ import annotations

import collections
import os
import re
import shlex
import shutil
import signal
import site
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import parity
from parity import atomic
from parity.child import EXIT_NOT_INSTALLED, PROGRESS
from parity.errors import InputError, RunError
from parity.trace import SUCCESS

POLL_S = 0.05  # seconds between two looks at the children
GRACE_S = 5.0  # seconds between SIGTERM and SIGKILL
WINDOW = 65_536  # bytes of a log that are held at most
TAIL_LINES, TAIL_WIDTH = 15, 200  # of a log, in a reason: lines, and characters of each


@dataclass(frozen=True, kw_only=True)
class Job:
    """One child process.

    Attributes:
        name: as it is shown to the user: "dropout seed 42 keras".
        half: "keras" or "torch".
        python: the interpreter: a path, or a name that is looked up in PATH.
        data: file that `parity.data.save_data` wrote.
        directories: run directories, each with its spec.json; no other job uses them.
        log: file to which the child's output is appended; no other job uses it.
    """

    name: str
    half: str
    python: str = sys.executable
    data: Path
    directories: tuple[Path, ...]
    log: Path

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
    """

    job: Job
    reason: str


def module_command(job: Job) -> list[str]:
    """Returns the command line of a job: `python -m HALF_impl --data FILE DIRECTORY ...`."""
    directories = [os.fspath(directory) for directory in job.directories]
    return [job.python, "-m", f"{job.half}_impl", "--data", os.fspath(job.data), *directories]


def run_jobs(
    jobs: Sequence[Job],
    *,
    workers: int,
    timeout_s: float | None,
    on_progress: Callable[[Job, Progress], None] | None = None,
    on_done: Callable[[Job, Failure | None], None] | None = None,
    command: Callable[[Job], list[str]] = module_command,
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
        command: gives the command line of a job.

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
    running: list[tuple[int, _Child]] = []

    def finish(number: int, job: Job, reason: str | None) -> None:
        failure = None if reason is None else Failure(job, reason)
        if failure is not None:
            failures[number] = failure
        if on_done is not None:
            with signals.raised():
                on_done(job, failure)

    def advance(job: Job, progress: Progress) -> None:
        if on_progress is not None:
            with signals.raised():
                on_progress(job, progress)

    with _Signals() as signals:
        try:
            while waiting or running:
                with signals.raised():
                    pass
                while waiting and len(running) < workers:
                    number, job = waiting.popleft()
                    started = _start(job, command(job), timeout_s)
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
                        finish(number, child.job, child.reason())
                if running:
                    time.sleep(POLL_S)
        finally:
            signals.held = True
            _end([child for _, child in running], signals)
    return [failures[number] for number in sorted(failures)]


class _Signals:
    """Receives SIGINT, SIGTERM and SIGHUP, and raises KeyboardInterrupt where it does no harm.

    An exception in the middle of starting or ending a child would lose the child. Callbacks may
    take long; they are interrupted at once.
    """

    def __init__(self) -> None:
        self.received: list[signal.Signals] = []
        self.held = True
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> _Signals:
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
        if kind is None:
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


class _Child:
    """A running child: its process group, its log, and the reason why it ended."""

    def __init__(self, job: Job, arguments: list[str], timeout_s: float | None) -> None:
        """Starts the process.

        Raises:
            OSError: the log cannot be written or the program cannot be executed.
        """
        self.job = job
        job.log.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as undo, job.log.open("ab") as log:
            log.write(f"$ {shlex.join(arguments)}\n".encode("utf-8", "backslashreplace"))
            log.flush()
            self._log_start = log.tell()
            self._progress = _ProgressReader(job, self._log_start)
            undo.callback(self._progress.close)
            # Last, so that nothing that fails here leaves a process behind.
            self._process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=_environment(job.python),
                start_new_session=True,
            )
            undo.pop_all()
        self._timeout_s = timeout_s
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
        return self._progress.read()

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

    def reason(self) -> str | None:
        """Returns why the job failed, or None if it succeeded; for a process that has ended."""
        missing = [path for path in self.job.directories if not (path / SUCCESS).exists()]
        code = self._process.returncode
        if code == 0 and not missing:
            return None
        text = _read_tail(self.job.log, self._log_start)
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
            what = _explain(self.job, code, text)
        return f"{self.job.name}: {what}\n{_show_tail(self.job.log, text)}"


def _start(job: Job, arguments: list[str], timeout_s: float | None) -> _Child | str:
    """Starts a job, or returns the reason why it cannot be started."""
    program = arguments[0]
    if shutil.which(program) is None:
        problem = "is not an executable file" if os.path.exists(program) else "was not found"
        return (
            f"{job.name}: the interpreter {program!r} {problem}; expected the path of a Python "
            f"interpreter; correct it (--{job.half}-python)"
        )
    try:
        return _Child(job, arguments, timeout_s)
    except OSError as error:
        return (
            f"{job.name}: cannot be started ({error}); check the interpreter {program!r} "
            f"(--{job.half}-python) and the log {job.log}"
        )


def _end(children: list[_Child], signals: _Signals) -> None:
    """Ends all children: SIGTERM, then SIGKILL after a while or at the next signal received."""
    for child in children:
        child.send(signal.SIGTERM)
    deadline_s = time.monotonic() + GRACE_S
    count = len(signals.received)
    while time.monotonic() < deadline_s and len(signals.received) == count:
        if all(child.has_ended() for child in children):
            break
        time.sleep(POLL_S)
    for child in children:
        child.close()


def _environment(python: str) -> dict[str, str]:
    """Returns the environment of a child, in which it imports the same packages as the parent.

    The folder of a source checkout holds nothing but this project, and suits every interpreter. A
    site-packages folder is found by its own interpreter, and would give any other one modules that
    were built for another Python.
    """
    environment = os.environ | {
        "PYTHONUNBUFFERED": "1",
        # Progress is parsed as UTF-8, and no name of a folder may end a run.
        "PYTHONIOENCODING": "utf-8:backslashreplace",
        "PYTHONFAULTHANDLER": "1",  # a crash in native code leaves the Python stack in the log
        # `-m` would look into the working directory first, where a random.py may lie.
        "PYTHONSAFEPATH": "1",
    }
    root = Path(parity.__file__).resolve().parent.parent
    is_checkout = (root / "pyproject.toml").is_file()
    if (is_checkout or python == sys.executable) and not _is_site_folder(root):
        paths = [os.fspath(root), os.environ.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    return environment


def _is_site_folder(folder: Path) -> bool:
    folders = {*site.getsitepackages(), site.getusersitepackages()}
    folders |= {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    return any(Path(other).resolve() == folder for other in folders)


class _ProgressReader:
    """Reads the lines of progress that were appended to a log, and counts the runs of the job."""

    _LINE = re.compile(PROGRESS.encode() + rb" (.+) (\d{1,15})/([1-9]\d{0,14}) loss=(\S+)")

    def __init__(self, job: Job, start: int) -> None:
        self._directories = job.directories
        self._names = [path.name.encode("utf-8", "backslashreplace") for path in job.directories]
        self._file = job.log.open("rb", buffering=0)
        self._offset = start
        self._rest = b""  # a line that is not complete yet
        self._number = 0  # of the run
        self._step = 0

    def read(self) -> Progress | None:
        """Returns the newest progress in what was appended since the last call, or None."""
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
        return newest

    def close(self) -> None:
        self._file.close()

    def _parse(self, line: bytes) -> Progress | None:
        match = self._LINE.fullmatch(line)
        if match is None:
            return None
        name, step, num_steps = match[1], int(match[2]), int(match[3])
        # Runs may share a name, when their folders differ in a parent: fewer steps are a new run.
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


# In TensorFlow's own words "ran out of memory trying to allocate" may be a warning only.
_OUT_OF_MEMORY = re.compile(
    r"MemoryError|OOM when allocating|ResourceExhausted|RESOURCE_EXHAUSTED|OutOfMemory"
    r"|OUT_OF_MEMORY|(?<!ran )out of memory|can't allocate memory|bad_alloc"
)
_PROJECT_MISSING = re.compile(r"No module named '?(?:keras_impl|torch_impl|parity)'?$", re.M)
_SMALLER = "choose a smaller --batch-size or --train-size, or free memory"


def _explain(job: Job, code: int, text: str) -> str:
    """Says what an exit code other than 0 means, given the end of the log."""
    lead = _lead(text, job.half, code)
    install = f"{shlex.quote(job.python)} -m pip install 'keras-torch-parity[{job.half}]'"
    if code == EXIT_NOT_INSTALLED:
        return f"{lead}: {job.python} lacks what this half needs; install it: {install}"
    if _OUT_OF_MEMORY.search(text):
        return f"ran out of memory ({lead}); {_SMALLER}"
    if code == -signal.SIGKILL:
        return (
            "was killed by SIGKILL, often the kernel's out of memory killer (dmesg tells); if so, "
            + _SMALLER
        )
    if code < 0:
        return (
            f"was killed by {_signal_name(-code)}; if nobody sent it, the framework crashed in "
            "native code: see the log, and update or reinstall the framework"
        )
    if missing := _PROJECT_MISSING.search(text):
        return (
            f"{missing[0]}: this project is not installed in {job.python}; an interpreter of its "
            f"own needs it too: {install}"
        )
    return f"{lead or 'ended without a message'} (exit code {code}); look at the log"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal has a number only
        return f"signal {number}"


def _lead(text: str, half: str, code: int) -> str:
    """Returns the line that says most: the child's own, the last exception, or the last line."""
    lines = [line for line in text.split("\n") if line.strip()]
    if code in (InputError.exit_code, RunError.exit_code, EXIT_NOT_INSTALLED):
        # A framework may write more while the process ends.
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


def _read_tail(log: Path, start: int) -> str:
    """Returns the end of a log from byte `start` on, as printable text without progress."""
    try:
        with log.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(start, size - WINDOW))
            text = file.read(WINDOW).decode("utf-8", "replace")
    except OSError as error:
        return f"(the log cannot be read: {error})"
    # Of a bar that a framework drew over and over in one line, the last state is kept.
    lines = [
        line.rstrip().rpartition("\r")[2].rstrip()
        for line in text.split("\n")
        if not line.startswith(f"{PROGRESS} ")
    ]
    text = _ESCAPE.sub("", "\n".join(lines)).replace("\t", "    ")
    return "".join(char if char.isprintable() or char == "\n" else "\ufffd" for char in text)


def _show_tail(log: Path, text: str) -> str:
    lines = [line for line in text.split("\n") if line.strip()][-TAIL_LINES:]
    if not lines:
        return f"The log {log} has no more to say."
    return f"The log {log} ends with:\n" + "\n".join(f"    {_shorten(line)}" for line in lines)
