"""Files that are written completely or not at all, and places that can only be written into.

`atomic_path(path)` yields a temporary path; the caller writes that file. At the end of the block
the content goes where the user named it:

    a new file, a regular file   moved into place: fsync of the file, `os.replace`, fsync of the
                                 folder; an existing file keeps its permissions
    a symbolic link              stays; the file that it names is replaced, or made
    a device, a pipe, /dev/fd/N  is written into, and is what it was before

An error inside the block removes the temporary file and leaves an existing file unchanged. A killed
process cannot clean up, so a later call removes what it left.
"""

import contextlib
import errno
import os
import secrets
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from parity.files.places import check_access, is_special, write_into

PREFIX, SUFFIX = ".parity-", ".part"

# Far longer than any write takes, so that the file of a running writer is never removed.
STALE_SECONDS = 3600.0


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yields a temporary path; the file becomes `path` after the block, as described above.

    Args:
        path: final path. Its folder must exist; a regular file is replaced.

    Yields:
        A path that does not exist yet, in the folder of the final file (a rename across file
        systems is not atomic), or in one of its own for a device or a pipe. The caller creates the
        file, so the user's umask decides who may read a new one.

    Raises:
        OSError: the file cannot be written, synchronised or renamed, or is read-only.
    """
    if is_special(path):
        with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
            yield (temporary := Path(folder) / "whole")
            write_into(path, temporary)
        return
    path = Path(os.path.realpath(path))  # a link stays
    mode = _mode_of(path)
    sweep(path.parent)
    temporary = path.parent / f"{PREFIX}{os.getpid()}-{secrets.token_hex(8)}{SUFFIX}"
    try:
        yield temporary
        if mode is not None:
            temporary.chmod(mode)
        _fsync(temporary)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    # The rename itself must survive a power cut too. Not every file system can sync a folder, and
    # the file is complete either way.
    with contextlib.suppress(OSError):
        _fsync(path.parent)


def _mode_of(path: Path) -> int | None:
    """Returns the permissions of an existing file, which the user can write; None if there is none.

    Raises:
        OSError: it is read-only, a folder, or a loop of links.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    check_access(path)  # a rename asks the folder alone
    return stat.S_IMODE(found.st_mode)


def sweep(folder: Path) -> None:
    """Removes temporary files that killed processes left in `folder` over an hour ago."""
    oldest = time.time() - STALE_SECONDS
    for left in folder.glob(f"{PREFIX}*{SUFFIX}"):
        # Another process may sweep, or own, the same file.
        with contextlib.suppress(OSError):
            if left.stat().st_mtime < oldest:
                left.unlink()


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file, completely or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
