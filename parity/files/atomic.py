"""Files that are written completely or not at all.

`atomic_path(path)` yields a temporary path in the same folder; the caller writes that file. At the
end of the block the file is moved into place: fsync of the file, `os.replace`, fsync of the folder.
An error inside the block removes the temporary file and leaves an existing file unchanged. A killed
process cannot clean up, so a later call removes what it left.
"""

import contextlib
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

PREFIX, SUFFIX = ".parity-", ".part"

# Far longer than any write takes, so that the file of a running writer is never removed.
STALE_SECONDS = 3600.0


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yields a temporary path in the folder of `path`; the file becomes `path` after the block.

    Args:
        path: final path. Its folder must exist; an existing file is replaced.

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
    """Writes a file, completely or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
