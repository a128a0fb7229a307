"""The Philox loop as machine code, where there is a C compiler; the same bits as `philox.py`.

Dropout masks are drawn in every step, and eager torch needs some hundred passes over memory for
what a compiled loop does in one. `philox.c` is compiled once for a machine, in well under a second,
into the user's cache folder; without a compiler, or with PARITY_NATIVE=0, eager torch does it.
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
from pathlib import Path

import torch

FLAGS = ("-O3", "-march=native", "-shared", "-fPIC")
_SOURCE = Path(__file__).with_name("philox.c")
_Words = ctypes.c_uint32 * 2


def keep(
    num_values: int,
    threshold: int,
    *,
    key: tuple[int, int],
    counter: tuple[int, int],
    dtype: torch.dtype,
) -> torch.Tensor | None:
    """Returns which values of a stream are at least a threshold.

    Args:
        num_values: length of the stream.
        threshold: as an integer multiple of the spacing of the dtype.
        key: of Philox.
        counter: its high half.
        dtype: torch.float32 or torch.float64: how words become values.

    Returns:
        (num_values,) bool on the CPU, or None where the loop cannot be compiled.
    """
    library = _library()
    if library is None:
        return None
    result = torch.empty(num_values, dtype=torch.bool)
    function = library.keep_float32 if dtype == torch.float32 else library.keep_float64
    function(
        ctypes.c_void_p(result.data_ptr()),
        ctypes.c_size_t(num_values),
        _Words(*key),
        _Words(*counter),
        ctypes.c_uint64(threshold),
    )
    return result


@functools.cache
def _library() -> ctypes.CDLL | None:
    """Loads the compiled loop, compiling it first if this machine has not done so yet."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if os.environ.get("PARITY_NATIVE") == "0" or compiler is None:
        return None
    try:
        folder = _private_folder()
        path = folder / f"philox-{_fingerprint(compiler)}.so"
        if not path.exists():
            _compile(compiler, path)
        return ctypes.CDLL(str(path))
    except (OSError, subprocess.SubprocessError):
        return None  # slower, and otherwise the same


def _private_folder() -> Path:
    """A cache folder that nobody else can write to: what lies in it is executed."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "keras-torch-parity" / "native"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    status = folder.stat()
    if status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise PermissionError(f"{folder} can be written by others")
    return folder


def _fingerprint(compiler: str) -> str:
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
    parts = (_SOURCE.read_bytes(), " ".join(FLAGS).encode(), version, processor.encode())
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:24]


def _compile(compiler: str, path: Path) -> None:
    """Compiles beside the final place and moves it there, so that others see all or nothing."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        subprocess.run(
            [compiler, *FLAGS, "-o", str(temporary), str(_SOURCE)],
            capture_output=True,
            check=True,
            timeout=60,
        )
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
