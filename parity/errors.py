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
import re

# The path is wrong, and not the state of the machine.
_PATH = (
    *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM, errno.EROFS),
    *(errno.ENAMETOOLONG, errno.ELOOP, errno.EEXIST, errno.EINVAL, errno.EBADF, errno.ENXIO),
)
# What a framework adds to a message: colours of a terminal, and its own lines of code.
_COLOURS = re.compile(r"(?:\x1b|\\x1b)\[[0-9;]*m")
_PLACE = re.compile(r'\s*File ".*", line \d+')
_MOST = 8  # lines


class ParityError(Exception):
    """Base class of all errors that the user sees without a traceback."""

    exit_code = 3


class InputError(ParityError, ValueError):
    """Wrong use or bad input: nothing was run, or the input cannot be used."""

    exit_code = 2


class RunError(ParityError, RuntimeError):
    """A half failed: it crashed, was killed, hung, or left an incomplete directory."""

    exit_code = 3


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


def told(error: BaseException) -> str:
    """Returns what a user is told of any error, without a traceback.

    An error of another kind than ours has its type in front. Frameworks put colours, empty lines
    and the whole stack of a graph into their messages, whose last lines say what was wrong.
    """
    if isinstance(error, ParityError):
        return str(error)
    name = type(error).__name__
    text = _COLOURS.sub("", f"{name}: {error}" if str(error) else name)
    lines = [line.rstrip() for line in text.splitlines()]
    lines = [line for line in lines if line and not _PLACE.match(line)]
    if len(lines) > _MOST:
        lines = [lines[0], "  ...", *lines[2 - _MOST :]]
    return "\n".join(lines)
