"""Errors that no one foresaw: one paragraph, the traceback in a log, and exit code 3.

Python ends with 1 after an error, which here means that parity does not hold.
"""

from __future__ import annotations

import errno
import os
import platform
import shlex
import sys
import tempfile
import traceback

from parity.cli.streams import say
from parity.errors import InputError, RunError, told


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
        f"parity: an unexpected error ended the command, which has no verdict: {told(error)}; "
        f"{_logged(error)}",
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
