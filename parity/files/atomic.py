"""Files that are written completely or not at all, and private temporary folders."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import secrets
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# --- Files that are written completely or not at all, and where they can be written ---------------
#
# `atomic_path(path)` yields a temporary path; the caller writes that file. At the end of the block
# the content goes where the user named it:
#
#     a new file, a regular file   moved into place: fsync of the file, `os.replace`, fsync of the
#                                  folder; an existing file keeps its permissions
#     a symbolic link              stays; the file that it names is replaced, or made
#     a device, a pipe             is written into, and is what it was before
#     /dev/stdout, /dev/fd/N       is written into, behind what the process has written there
#
# An error inside the block removes the temporary file and leaves an existing file unchanged. A
# killed process cannot clean up, so a later call removes what it left.


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
            _write_into(path, temporary)
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


# --- which paths fit ----------------------------------------------------------------------------


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


def _write_into(path: Path, whole: Path) -> None:
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
    descriptors = os.path.realpath("/dev/fd")
    for _ in range(40):  # so many links does Linux follow
        if path.name.isdecimal() and os.path.realpath(path.parent) == descriptors:
            return int(path.name)
        with contextlib.suppress(OSError):
            path = path.parent / os.readlink(path)
            continue
        return None
    return None


# --- Private folders for temporary files, which no crash leaves for good --------------------------
#
# `private_folder("check")` makes `parity-check-XXXXXXXX`, for its owner alone (0700). The name is
# drawn, so nobody can wait under it with a link or a folder of theirs. Who has made it removes it.
# A killed process cannot; the next one does it instead, in the same place. It removes what is
# surely ours and dead: a folder of such a name, that belongs to this user and that nobody else may
# open, in which the file `.parity-owner` is locked by no process. The kernel releases the lock of a
# process that dies, however it does. Links are not followed anywhere.


FOLDER_PREFIX, OWNER = "parity-", ".parity-owner"
_NAME = re.compile(rf"{FOLDER_PREFIX}[a-z]+-\w{{8}}")
_OTHERS = 0o077  # rights of the group and of all
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_FILE = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK


@contextmanager
def private_folder(kind: str, parent: Path | None = None, *, kept: str = "") -> Iterator[Path]:
    """Makes a folder for the block, which is removed at its end with all that is in it.

    Args:
        kind: what it is for, in lower-case letters.
        parent: folder in which it is made; None: the system's folder for temporary files.
        kept: glob of files that stay at the end, such as "*.log"; "": none. While there are any,
            the folder stays, and is removed as that of a dead process.

    Yields:
        Its path.

    Raises:
        OSError: it cannot be made.
    """
    parent = Path(tempfile.gettempdir()) if parent is None else parent
    remove_dead(parent)
    folder = Path(tempfile.mkdtemp(prefix=f"{FOLDER_PREFIX}{kind}-", dir=parent))
    # Locked before it has its name, so that nobody sees it without its lock.
    new = folder / f"{OWNER}.new"
    lock = os.open(new, _FILE | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        new.rename(folder / OWNER)
        yield folder
    finally:
        with suppress(OSError):
            place = os.open(folder, _FOLDER)
            try:
                stays = {path.name for path in folder.glob(kept)} if kept else set()
                _empty(place, stays)
            finally:
                os.close(place)
            if not stays:
                folder.rmdir()
        os.close(lock)


def remove_dead(parent: Path) -> None:
    """Removes the private folders that dead processes of this user have left in a folder."""
    try:
        names = [name for name in os.listdir(parent) if _NAME.fullmatch(name)]
    except OSError:
        return
    for name in names:
        with suppress(OSError):  # not ours, alive, or removed by somebody else meanwhile
            _remove_if_dead(parent / name)


def _remove_if_dead(folder: Path) -> None:
    place = os.open(folder, _FOLDER)
    try:
        if not _belongs_to_user(os.fstat(place), stat.S_ISDIR):
            return
        lock = os.open(OWNER, _FILE, dir_fd=place)
        try:
            if not _belongs_to_user(os.fstat(lock), stat.S_ISREG):
                return
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _empty(place, set())
            folder.rmdir()
        finally:
            os.close(lock)
    finally:
        os.close(place)


def _belongs_to_user(found: os.stat_result, is_kind: Callable[[int], bool]) -> bool:
    is_private = not found.st_mode & _OTHERS
    return is_kind(found.st_mode) and found.st_uid == os.geteuid() and is_private


def _empty(place: int, stays: set[str]) -> None:
    """Removes what is in an open folder; the lock last, or not at all if something stays."""
    for name in sorted(os.listdir(place), key=lambda name: name == OWNER):
        if name in stays or (name == OWNER and stays):
            continue
        if stat.S_ISDIR(os.stat(name, dir_fd=place, follow_symlinks=False).st_mode):
            shutil.rmtree(name, dir_fd=place)
        else:
            os.unlink(name, dir_fd=place)
