"""Private folders for temporary files, which no crash leaves for good.

`private_folder("check")` makes `parity-check-XXXXXXXX`, for its owner alone (0700). The name is
drawn, so nobody can wait under it with a link or a folder of theirs. Who has made it removes it. A
killed process cannot; the next one does it instead, in the same place. It removes what is surely
ours and dead: a folder of such a name, that belongs to this user and that nobody else may open, in
which the file `.parity-owner` is locked by no process. The kernel releases the lock of a process
that dies, however it does. Links are not followed anywhere.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX, OWNER = "parity-", ".parity-owner"
_NAME = re.compile(rf"{PREFIX}[a-z]+-\w{{8}}")
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
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{kind}-", dir=parent))
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
        if not _is_own(os.fstat(place), stat.S_ISDIR):
            return
        lock = os.open(OWNER, _FILE, dir_fd=place)
        try:
            if not _is_own(os.fstat(lock), stat.S_ISREG):
                return
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _empty(place, set())
            folder.rmdir()
        finally:
            os.close(lock)
    finally:
        os.close(place)


def _is_own(found: os.stat_result, is_kind: Callable[[int], bool]) -> bool:
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
