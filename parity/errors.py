"""The errors that the user sees.

    ParityError             anything that this project reports in one paragraph, without a traceback
    ├── InputError          wrong use or bad input: a flag, a spec, a data file          (exit 2)
    └── RunError            a half failed, was killed, hung, or left an incomplete run; or the
        │                   result could not be written: a full disk                  (exit 3)
        └── UnfinishedError a port has code that is still to be written               (exit 3)

A message says what was passed, what was expected, and what to do. `exit_code` is the exit code of
the command line; 0 (parity holds) and 1 (parity does not hold) are verdicts, not errors.
"""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, TracebackType

# The path is wrong, and not the state of the machine.
_PATH = (
    *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM, errno.EROFS),
    *(errno.ENAMETOOLONG, errno.ELOOP, errno.EEXIST, errno.EINVAL, errno.EBADF, errno.ENXIO),
)
# What a framework adds to a message: colours of a terminal, and its own lines of code.
_COLOURS = re.compile(r"(?:\x1b|\\x1b)\[[0-9;]*m")
_PLACE = re.compile(r'\s*File ".*", line \d+')
_CALLED = re.compile(r"Exception encountered when calling (?:layer )?(\S+\w(?:\(\))?)\.?")
_ARGUMENTS = re.compile(r"^Arguments received by .*\n(?:[ ]+•.*(?:\n|\Z))*", re.MULTILINE)
_PACKAGES = ("parity", "keras_impl", "torch_impl")
_MOST, _LONGEST = 8, 800  # lines and characters of a message


class ParityError(Exception):
    """Base class of all errors that the user sees without a traceback."""

    exit_code = 3


class InputError(ParityError, ValueError):
    """Wrong use or bad input: nothing was run, or the input cannot be used."""

    exit_code = 2


class RunError(ParityError, RuntimeError):
    """A half failed: it crashed, was killed, hung, or left an incomplete directory."""

    exit_code = 3


@contextmanager
def as_input_error(kind: type[Exception]) -> Iterator[None]:
    """A context in which an error of a library, which knows no harness, is one of bad input."""
    try:
        yield
    except kind as error:
        raise InputError(str(error)) from error


UNFINISHED = "the port is not finished"  # how the message of an UnfinishedError begins


class UnfinishedError(RunError):
    """A port has code that is still to be written; nothing was compared."""


def unwritten(what: str, error: OSError, do: str = "") -> ParityError:
    """Returns the error of a file or folder that cannot be written.

    Args:
        what: the option and the path, as a subject.
        error: of the system. A folder that is missing or read-only is bad input; if the disk is
            full, or the reader of a pipe has gone, the run is incomplete.
        do: what to do, if more than naming another path can be told.
    """
    kind = InputError if error.errno in _PATH else RunError
    return kind(f"{what} cannot be written ({error.strerror or error}){do and f'; {do}'}")


def error_message(error: BaseException) -> str:
    """Returns what a user is told of any error: one paragraph, without a traceback.

    An error of another kind than ours has its type in front, and the user's line behind it.
    Frameworks put colours, empty lines, the arguments of every layer and the whole stack of a graph
    into their messages; the name of the innermost layer is kept.
    """
    if isinstance(error, ParityError):
        return str(error)
    text, place = _COLOURS.sub("", str(error)), place_of(error)
    layers = _CALLED.findall(text)
    text = _CALLED.sub("", _ARGUMENTS.sub("", text))
    lines = [" ".join(line.split()) for line in text.splitlines() if not _PLACE.match(line)]
    lines = [line for line in lines if line]
    if len(lines) > _MOST:
        lines = [lines[0], "...", *lines[2 - _MOST :]]
    suffix = ", ".join([*([f"in {layers[-1]}"] if layers else []), *([place] if place else [])])
    said = ": ".join([type(error).__name__, *([" ".join(lines)] if lines else [])])
    if len(said) > _LONGEST:
        said = f"{said[: _LONGEST // 2]} ... {said[-_LONGEST // 2 :]}"
    return f"{said} ({suffix})" if suffix else said


def place_of(error: BaseException) -> str:
    """Returns the innermost line of the user's code that an error went through, or ""."""
    files = [(code.co_filename, line) for code, line in _frames(error.__traceback__)]
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    packages = tuple(os.path.join(root, name, "") for name in _PACKAGES)
    libraries = (*packages, os.path.join(os.path.dirname(os.__file__), ""))
    for file, line in reversed(files):
        is_library = file.startswith(("<", *libraries)) or "-packages" in file
        if not is_library and os.path.isfile(file):
            return f"{os.path.basename(file)}:{line}"
    return ""


def _frames(trace: TracebackType | None) -> Iterator[tuple[CodeType, int]]:
    while trace is not None:
        yield trace.tb_frame.f_code, trace.tb_lineno
        trace = trace.tb_next
