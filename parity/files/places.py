"""Where a file can be written: which paths fit, and which of them are no regular files.

Devices, pipes, and the open files of this process (/dev/stdout, /dev/fd/N) must not be replaced by
a file, so they are written into.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
from contextlib import suppress
from pathlib import Path


def is_special(path: Path) -> bool:
    """Whether a path is there and can only be written into.

    Raises:
        OSError: a folder of the path cannot be searched, or links are in a loop.
    """
    if _descriptor(path) is not None:
        return True
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def is_place(path: Path) -> bool:
    """Whether a file can be there: its folder exists, and it is no folder itself.

    Of a link, the file that it names counts.
    """
    try:
        real = Path(os.path.realpath(path))
        return is_special(path) or (real.parent.is_dir() and not real.is_dir())
    except OSError:  # a name that is too long, a loop of links
        return False


def check_access(path: Path) -> None:
    """Checks that a place may be written, before anything is computed for it.

    Raises:
        PermissionError: it may not, or a new file in its folder may not.
    """
    real = Path(os.path.realpath(path))
    if _descriptor(path) is not None:
        return
    folder, file = os.access(real.parent, os.W_OK | os.X_OK), os.access(path, os.W_OK)
    if not (file if is_special(path) else folder and (file or not path.exists())):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def write_into(path: Path, whole: Path) -> None:
    """Copies a file into a device, a pipe or an open file.

    As of any Unix tool, the call waits for the reader of a named pipe; it says that it does.

    Raises:
        OSError: the place cannot be written, is full, or its reader has gone.
    """
    with whole.open("rb") as content, open(_opened(path), "wb") as target:
        shutil.copyfileobj(content, target, 2**20)


def _opened(path: Path) -> int:
    """Returns a new descriptor of the place."""
    if (number := _descriptor(path)) is not None:
        if sys.stdout is not None:
            sys.stdout.flush()  # what was printed before stands before it
        # A copy, since opening /dev/fd/N anew would write from the start of a file.
        return os.dup(number)
    if stat.S_ISFIFO(path.stat().st_mode):
        try:
            os.set_blocking(descriptor := os.open(path, os.O_WRONLY | os.O_NONBLOCK), True)
            return descriptor
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
        if sys.stderr is not None:
            sys.stderr.write(f"parity: {path} is a pipe without a reader; waiting for one\n")
            sys.stderr.flush()
    return os.open(path, os.O_WRONLY | os.O_NOCTTY)


def _descriptor(path: Path) -> int | None:
    """Returns N of /dev/fd/N, and of a link to it such as /dev/stdout, or None."""
    own = os.path.realpath("/dev/fd")
    for _ in range(40):  # so many links does Linux follow
        if path.name.isdecimal() and os.path.realpath(path.parent) == own:
            return int(path.name)
        with suppress(OSError):
            path = path.parent / os.readlink(path)
            continue
        return None
    return None
