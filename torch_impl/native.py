"""Compiles loops in C, if there is a compiler; their results are the same as torch's.

Some loops run in every step, and eager torch needs many passes over memory where a compiled loop
needs one. A C file is compiled once on each machine, in well under a second, into the user's cache
folder. Without a compiler, or with PARITY_NATIVE=0, there is no library, and eager torch is used.

The loops share torch's threads: the library is linked without OpenMP, and finds its functions in
the OpenMP that torch has loaded. A second OpenMP would compete with it for the cores. If the
functions are not found, the same loops run in one thread.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import secrets
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

# Without traps, since only then compilers vectorise a comparison or a floor.
FLAGS = (
    "-O3",
    "-march=native",
    "-fno-trapping-math",
    "-fno-math-errno",
    "-fPIC",
)
PARALLEL = "-fopenmp"


@functools.cache
def library(source: Path, contract: bool = False) -> ctypes.CDLL | None:
    """Loads a compiled C file, compiling it first if this machine has not done so yet.

    Args:
        source: the C file.
        contract: whether a product and a sum may become one operation with one rounding. Must be
            False if the results have to equal those of a reference bit for bit.

    Returns:
        The library, or None if it cannot be compiled.
    """
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if os.environ.get("PARITY_NATIVE") == "0" or compiler is None:
        return None
    exact = (*FLAGS, f"-ffp-contract={'fast' if contract else 'off'}")
    for flags in ((*exact, PARALLEL), exact):
        try:
            folder = _private_folder()
            path = folder / f"{source.stem}-{_fingerprint(source, compiler, flags)}.so"
            if not path.exists():
                _compile(compiler, flags, source, path)
            return ctypes.CDLL(str(path))
        except (OSError, subprocess.SubprocessError):
            continue  # slower, but with the same results
    return None


def _private_folder() -> Path:
    """Returns a cache folder that only the user can write to, since its files are executed."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "keras-torch-parity" / "native"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    status = folder.stat()
    if status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise PermissionError(f"{folder} can be written by others")
    return folder


def _fingerprint(source: Path, compiler: str, flags: Sequence[str]) -> str:
    """Returns a hash of everything that changes the result: source, flags, compiler, processor."""
    version = subprocess.run(
        [compiler, "--version"], capture_output=True, check=True, timeout=10
    ).stdout
    try:
        # For -march=native, since machines may share a home folder.
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        processor = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    except OSError:
        processor = platform.processor()
    parts = (source.read_bytes(), " ".join(flags).encode(), version, processor.encode())
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:24]


def _compile(compiler: str, flags: Sequence[str], source: Path, path: Path) -> None:
    """Compiles into a temporary file and moves it, so that others see all of it or nothing."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    objects = temporary.with_name(f"{temporary.name}.o")
    try:
        for arguments in (
            [*flags, "-c", "-o", objects, source],
            ["-shared", "-o", temporary, objects, "-lm"],  # without PARALLEL: see above
        ):
            subprocess.run(
                [compiler, *map(str, arguments)], capture_output=True, check=True, timeout=60
            )
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
        objects.unlink(missing_ok=True)
