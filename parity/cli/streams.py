"""The standard streams of a command, and errors that no one foresaw."""

from __future__ import annotations

import errno
import io
import os
import platform
import select
import shlex
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from parity.errors import InputError, RunError, error_message
from parity.files.log_text import log_text

# --- The standard streams of a command: what they do not take ends no command ---------------------
#
# Reports and JSON files are written even if standard output is closed, full, or a pipe whose reader
# has gone. `guarded` remembers that text was lost, and `main` tells it at the end.


def say(text: str, *, err: bool = False) -> None:
    """Prints a paragraph, in which no text from elsewhere is a command to a terminal or to CI."""
    click.echo(log_text(text), err=err)


class Guarded(io.RawIOBase):
    """An open file that takes everything.

    Attributes:
        lost: why text could not be written; None if all was.
    """

    def __init__(self, descriptor: int, closed: OSError | None) -> None:
        self._descriptor, self._closed = descriptor, closed
        self.lost: OSError | None = None

    def writable(self) -> bool:
        """Whether it can be written: always."""
        return True

    def fileno(self) -> int:
        """Returns the number of the open file."""
        return self._descriptor

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._closed is None and os.isatty(self._descriptor)

    def write(self, content: Any) -> int:
        """Writes bytes; after an error, all others are left out."""
        while self.lost is None:
            try:
                if self._closed is not None:
                    raise self._closed
                return os.write(self._descriptor, content)
            except BlockingIOError:
                select.select([], [self._descriptor], [])
            except OSError as error:
                self.lost = error
        return len(content)


@contextmanager
def guarded() -> Iterator[Guarded]:
    """Guards standard output and standard error during a block; yields the output.

    Streams that a test has replaced stay.
    """
    closed = _open_closed()
    before = sys.stdout, sys.stderr
    output = Guarded(1, closed.get(1))
    if _is(sys.stdout, 1):
        sys.stdout = _text(output, sys.stdout, "replace")  # bars of curves in a pipe that is ASCII
    elif isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    if _is(sys.stderr, 2):
        sys.stderr = _text(Guarded(2, closed.get(2)), sys.stderr, "backslashreplace")
    try:
        yield output
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        sys.stdout, sys.stderr = before


def _open_closed() -> dict[int, OSError]:
    """Opens standard streams that are closed, else the next file would take their numbers."""
    found = {}
    for number in range(3):
        try:
            os.fstat(number)
        except OSError as error:
            found[number] = error
            os.open(os.devnull, os.O_RDWR)  # takes the smallest number that is free
    return found


def _is(stream: Any, number: int) -> bool:
    """Whether a stream is the process's own; it is None if it was closed."""
    if stream is None:
        return True
    try:
        return bool(stream.fileno() == number)
    except (OSError, ValueError, AttributeError):  # io.UnsupportedOperation is both
        return False


def _text(raw: Guarded, stream: Any, errors: str) -> io.TextIOWrapper:
    if stream is not None:
        stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=getattr(stream, "encoding", None) or "utf-8",
        errors=errors,
        newline="\n",
        line_buffering=raw.fileno() == 2 or raw.isatty(),
    )


def is_gone(error: OSError) -> bool:
    """Whether the reader of a pipe has gone, as `head` does, which has what it wants."""
    return error.errno == errno.EPIPE


# --- Errors that no one foresaw: one paragraph, the traceback in a log, and exit code 3 -----------
#
# Python ends with 1 after an error, which here means that parity does not hold.


def crashed(error: BaseException) -> int:
    """Tells of an unexpected error; returns the exit code."""
    if isinstance(error, FileNotFoundError) and not _has_folder():
        say("parity: the current folder has been removed; change to one that exists", err=True)
        return InputError.exit_code
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        name = str(error.filename)
        say(
            f"parity: {name[:80]!r}... has {len(name):,} characters, and no file has so long a "
            "name; expected the name of an existing file",
            err=True,
        )
        return InputError.exit_code
    say(
        "parity: an unexpected error ended the command, which has no verdict: "
        f"{error_message(error)}; {_logged(error)}",
        err=True,
    )
    return RunError.exit_code


def _has_folder() -> bool:
    try:
        os.getcwd()
    except OSError:
        return False
    return True


def _logged(error: BaseException) -> str:
    """Writes the traceback to a file of its own; returns where it is."""
    lines = [
        f"$ {shlex.join(['parity', *sys.argv[1:]])}\n",
        f"Python {platform.python_version()}\n",
    ]
    text = "".join([*lines, *traceback.format_exception(error)])
    try:
        descriptor, path = tempfile.mkstemp(prefix="parity-", suffix=".log", text=True)
        with open(descriptor, "wb") as file:
            file.write(text.encode("utf-8", "backslashreplace"))
    except OSError as reason:
        return f"its log could not be written ({reason.strerror or reason})"
    return f"the log is {path}"
