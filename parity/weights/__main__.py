"""The process that reads a file of weights, or writes one.

    python -m parity.weights PATH FOLDER                    (`copy_stored`)
    python -m parity.weights PATH FOLDER ARRAYS COPY        (`write_back`)

What it leaves in the folder, `parity.weights.read` says; or it ends with code 2 and one line. It
has a limit of memory and of time: the library that reads HDF5 is in C, and what a hostile file
makes it do ends here. Whoever started it takes every other end as that of a damaged file.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from parity.errors import InputError

MAX_SECONDS = 600  # of the processor
_BASE, _TIMES = 2 * 2**30, 4  # bytes of memory, and how many times those of the file


def main(arguments: Sequence[str]) -> int:
    """Reads a file; returns the exit code."""
    path, folder, *others = map(Path, arguments)
    limit(_BASE + _TIMES * _size(path))
    from parity.weights.read import copy_stored, write_back

    try:
        if others:
            write_back(path, others[0], folder, others[1])
        else:
            copy_stored(path, folder)
    except InputError as error:
        print(error, file=sys.stderr)  # noqa: T201 - what the parent reads
        return error.exit_code
    return 0


def _size(path: Path) -> int:
    with suppress(OSError):
        files = path.rglob("*") if path.is_dir() else path.parent.glob(f"{path.name}*")
        return sum(file.stat().st_size for file in files if file.is_file())
    return 0


def limit(num_bytes: int) -> None:
    """Limits the memory and the time of this process."""
    for kind, most in (
        (resource.RLIMIT_AS, num_bytes),
        (resource.RLIMIT_CPU, MAX_SECONDS),
        (resource.RLIMIT_CORE, 0),
    ):
        with suppress(ValueError, OSError):  # the limit of whoever called is lower, or unknown here
            resource.setrlimit(kind, (most, resource.getrlimit(kind)[1]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
