"""Reads the log of a child: its progress, and why it failed.

Logs can be long and hold anything. Each look reads only the new part, and at most its last 64 KiB.
Text for the user is printable, and no longer than a paragraph.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
from dataclasses import replace
from pathlib import Path

from parity.errors import InputError, RunError
from parity.halves.job import ChildJob, Progress
from parity.halves.protocol import EXIT_NOT_INSTALLED, NOTE, PROGRESS

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
            told = b"; ".join(notes).decode("utf-8", "replace")[:TAIL_WIDTH]
            return replace(self._latest, note=_printable(told))
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
