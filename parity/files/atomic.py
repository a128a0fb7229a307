"""Files that appear whole or not at all.

`atomic_path(path)` hands out a temporary path in the same folder; the caller writes that file, and
leaving the block puts it in place: fsync of the file, `os.replace`, fsync of the folder. An error
inside the block removes the temporary file, and whatever stood at `path` before stays as it was.
A process that is killed cannot clean up, so a later call sweeps what it left.
"""

import contextlib
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

PREFIX, SUFFIX = ".parity-", ".part"

# Far longer than any of our writes takes, so that a running writer's file is never swept.
STALE_SECONDS = 3600.0


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`; what is written there becomes `path` on leaving.

    Args:
        path: where the file is to appear. Its folder must exist; a file already there is replaced.

    Yields:
        A path in the same folder (a rename across file systems is not atomic) that does not exist
        yet. The caller creates the file, so the user's umask decides who may read it.

    Raises:
        OSError: the file cannot be written, synchronised or renamed.
    """
    sweep(path.parent)
    temporary = path.parent / f"{PREFIX}{os.getpid()}-{secrets.token_hex(8)}{SUFFIX}"
    try:
        yield temporary
        _fsync(temporary)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    # The rename itself must survive a power cut too. Not every file system can sync a folder, and
    # the file is complete either way.
    with contextlib.suppress(OSError):
        _fsync(path.parent)


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
    """Writes a file, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
