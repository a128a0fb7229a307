"""The folder in which compiled loops are kept: in the user's cache, and closed to everybody else.

Whoever can write to it, or to a folder above it, can make this process execute anything.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

# The owner of folders whose user does not exist in a container; nobody runs programs as this user.
_UNMAPPED = 65534


def cache_folder() -> Path:
    """Returns the folder; makes it if it is not there.

    Raises:
        PermissionError: somebody else could write to it, or there is a link in its place.
        OSError: it cannot be made.
    """
    folder = _base()
    _make(folder)
    check_reach(folder)
    for name in ("keras-torch-parity", "native"):
        folder /= name
        _make(folder)
        _check(folder, is_ours=True)
    return folder


def check_reach(folder: Path) -> None:
    """Checks that nobody else could put another folder in the place of one.

    Args:
        folder: exists; it and those above it may be links.

    Raises:
        PermissionError: somebody else could; the message names the folder that lets them.
    """
    for path in {folder, folder.resolve()}:
        for above in (*reversed(path.parents), path):
            status = _check(above, is_ours=False)
            if status.st_uid == os.getuid() and not status.st_mode & 0o077:
                break  # nobody else reaches what is in it


def _base() -> Path:
    """Returns the user's cache folder (XDG Base Directory Specification: absolute, or ignored)."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(given):
        return Path(given)
    try:
        home = Path.home()
    except RuntimeError:  # the user is in no list of users
        home = Path("/")
    if home == Path("/") or not home.is_absolute() or not home.is_dir():
        raise OSError("there is no home folder; XDG_CACHE_HOME can name a cache folder")
    return home / ".cache"


def _make(folder: Path) -> None:
    """Makes a folder and those above it, for this user alone, whatever the umask is."""
    if not os.path.lexists(folder):
        _make(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def _check(folder: Path, is_ours: bool) -> os.stat_result:
    status = folder.lstat() if is_ours else folder.stat()
    if not stat.S_ISDIR(status.st_mode):
        what = "is a link" if folder.is_symlink() else "is no folder"
        raise PermissionError(f"{folder} {what}; remove it")
    owners = (os.getuid(),) if is_ours else (os.getuid(), 0, _UNMAPPED)
    if status.st_uid not in owners:
        raise PermissionError(f"{folder} belongs to another user; remove it, or own it")
    is_sticky = bool(status.st_mode & stat.S_ISVTX) and not is_ours
    if status.st_mode & 0o022 and not is_sticky:
        raise PermissionError(f"{folder} can be written to by others; run: chmod go-w {folder}")
    return status
