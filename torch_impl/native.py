"""Loops as machine code, where there is a C compiler; the same results as in torch.

Some loops run in every step, and eager torch needs many passes over memory for what a compiled loop
does in one. A C file is compiled once for a machine, in well under a second, into the user's cache
folder. Without a compiler, or with PARITY_NATIVE=0, there is no library and eager torch does it.

Loops share torch's own threads: OpenMP's functions are left open when a library is linked, and are
found in the OpenMP that torch has loaded. A second one beside it would fight it for the cores.
Where they are not found there, the same loops run in one thread.
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

# No traps: compilers turn a comparison or a floor into vector instructions only without them.
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
        contract: whether a product and a sum may become one operation with one rounding; not where
            the results have to be those of a reference, bit for bit.

    Returns:
        The library, or None where it cannot be compiled.
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
            continue  # slower, and otherwise the same
    return None


def _private_folder() -> Path:
    """A cache folder that nobody else can write to: what lies in it is executed."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "keras-torch-parity" / "native"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    status = folder.stat()
    if status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise PermissionError(f"{folder} can be written by others")
    return folder


def _fingerprint(source: Path, compiler: str, flags: Sequence[str]) -> str:
    """Tells apart what would be compiled differently: source, flags, compiler, processor."""
    version = subprocess.run(
        [compiler, "--version"], capture_output=True, check=True, timeout=10
    ).stdout
    try:
        # -march=native: a home folder may be shared between machines.
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        processor = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    except OSError:
        processor = platform.processor()
    parts = (source.read_bytes(), " ".join(flags).encode(), version, processor.encode())
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:24]


def _compile(compiler: str, flags: Sequence[str], source: Path, path: Path) -> None:
    """Compiles beside the final place and moves it there, so that others see all or nothing."""
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
