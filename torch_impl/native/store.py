"""A folder of libraries: none is loaded that is damaged, or that someone else may have written.

The name of a library ends with the hash of its bytes, so that one move puts both in place. One that
was cut off or overwritten no longer has the hash of its name. To load it would end the process.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from torch_impl.native.recipe import digest, name_of

_BUILDING = ".building-"  # begins the name of a folder in which a compiler works
_STALE_S = 3600.0  # after which such a folder was left by a process that was killed


def find(folder: Path, source: Path, mark: str, is_own: bool = True) -> Path | None:
    """Returns an intact library, or None.

    Args:
        folder: where libraries are.
        source: the C file.
        mark: its fingerprint.
        is_own: whether it has to be a file of this user that nobody else can write to.
    """
    for path in sorted(folder.glob(f"{source.stem}-{mark}-*.so")):
        if _is_intact(path, is_own):
            return path
    return None


def put(
    folder: Path, source: Path, mark: str, build: Callable[[Path], Path], keep: bool = True
) -> Path:
    """Builds a library and moves it to its place, so that others see all of it or nothing.

    Args:
        folder: where libraries are.
        source: the C file.
        mark: its fingerprint.
        build: gets an empty folder, writes the library into it, and returns its path.
        keep: whether the file has to be there after the power fails.

    Raises:
        OSError: the folder cannot be written to.
        subprocess.SubprocessError: the compiler fails.
    """
    _sweep(folder)
    here = Path(tempfile.mkdtemp(prefix=_BUILDING, dir=folder))
    try:
        built = build(here)
        built.chmod(0o700)  # before it has its name, whatever the umask is
        if keep:
            _sync(built)
        path = folder / name_of(source, mark, built)
        for other in folder.glob(f"{source.stem}-{mark}-*.so"):
            if other != path and not _is_intact(other, is_own=True):
                other.unlink(missing_ok=True)
        os.replace(built, path)
        if keep:
            _sync(folder)
        return path
    finally:
        shutil.rmtree(here, ignore_errors=True)


def put_first(path: Path, content: bytes) -> bool:
    """Writes a small file beside the libraries, unless another process was first.

    Raises:
        OSError: the folder cannot be written to.
    """
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        os.unlink(temporary)
    return True


def _is_intact(path: Path, is_own: bool) -> bool:
    with suppress(OSError):
        return (not is_own or _is_own(path)) and path.stem.endswith(f"-{digest(path)}")
    return False  # it cannot be read, or has gone


def _is_own(path: Path) -> bool:
    """Whether a path is a file of this user, not a link, that nobody else can write to."""
    status = path.lstat()
    is_mine = status.st_uid == os.getuid() and not status.st_mode & 0o022
    return is_mine and stat.S_ISREG(status.st_mode)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sweep(folder: Path) -> None:
    """Removes what processes that were killed have left."""
    for left in folder.glob(f"{_BUILDING}*"):
        with suppress(OSError):
            if time.time() - left.lstat().st_mtime > _STALE_S:
                shutil.rmtree(left)
