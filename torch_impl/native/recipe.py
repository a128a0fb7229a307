"""How a C file becomes a library: compiler, flags, and the name that says what is inside.

The same recipe is for a loop that is compiled at its first use and for those of a wheel. `setup.py`
loads this file alone, before anything is installed: it imports only Python's own modules.

No flag lets a compiler change a result: it must not contract a product and a sum into one rounding,
nor sum in another order. So every compiler, and every processor that has the operations, gives the
same bits.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

# Without traps, since only then compilers vectorise a comparison or a floor. CC may have flags of
# its own: the next three take back what would change results.
FLAGS = (
    "-O3",
    "-fno-fast-math",
    "-fno-unsafe-math-optimizations",
    "-fno-finite-math-only",
    "-ffp-contract=off",
    "-fno-trapping-math",
    "-fno-math-errno",
    "-fPIC",
)
PARALLEL = "-fopenmp"
# Without start files, since those of -ffast-math take subnormal numbers from the whole process.
LINK = ("-shared", "-nostartfiles")

# Instruction sets for which a wheel has loops, by the name of the machine; the best one first.
LEVELS = {
    "x86_64": ("x86-64-v4", "x86-64-v3", "x86-64-v2"),
    "aarch64": ("armv8-a",),  # Linux
    "arm64": ("apple-m1",),  # macOS
}
TIMEOUT_S = 60.0


class NoCompiler(Exception):
    """There is no C compiler; the message says what was looked for."""


def compiler() -> list[str]:
    """Returns the command of the C compiler: that of CC, which may have arguments, or `cc`.

    Raises:
        NoCompiler: there is no such program.
    """
    given = os.environ.get("CC", "").strip()
    whole = shutil.which(given) if given else None
    if whole is not None:  # its path may have spaces
        return [whole]
    try:
        program, *arguments = shlex.split(given) or ["cc"]
    except ValueError as error:
        raise NoCompiler(f"CC={given!r} is no command ({error})") from None
    found = shutil.which(program)
    if found is None:
        asked = f"CC={given!r} names no program that exists" if given else "there is no `cc`"
        raise NoCompiler(asked)
    return [found, *arguments]


def flags_for(level: str | None, is_parallel: bool) -> tuple[str, ...]:
    """Returns the compiler's flags.

    Args:
        level: one of LEVELS, or None for the processor of this machine.
        is_parallel: whether loops are shared by the threads of OpenMP.
    """
    x86 = platform.machine() in ("x86_64", "AMD64", "i686")
    option = "-march" if x86 or level == "armv8-a" else "-mcpu"
    parallel = (PARALLEL,) if is_parallel else ()
    return (*FLAGS, f"{option}={level or 'native'}", *parallel)


def fingerprint(source: Path, flags: Sequence[str], *others: bytes) -> str:
    """Returns a hash of all that changes a library: source, flags, system, what is given."""
    parts = (
        source.read_bytes(),
        " ".join(flags).encode(),
        f"{platform.system()} {platform.machine()}".encode(),
        *others,
    )
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:24]


def digest(library: Path) -> str:
    """Returns the hash of a library's bytes, which is the end of its name."""
    return hashlib.sha256(library.read_bytes()).hexdigest()[:32]


def name_of(source: Path, mark: str, library: Path) -> str:
    """Returns the name of a library.

    Args:
        source: the C file.
        mark: its `fingerprint`.
        library: the compiled file.
    """
    return f"{source.stem}-{mark}-{digest(library)}.so"


def build(command: Sequence[str], flags: Sequence[str], source: Path, folder: Path) -> Path:
    """Compiles a C file, and returns the library.

    It is linked without OpenMP, and finds its functions in the OpenMP that torch has loaded: a
    second one would compete with it for the cores.

    Args:
        command: the compiler.
        flags: those of `flags_for`.
        source: the C file.
        folder: an empty folder for what the compiler writes.

    Raises:
        OSError: the compiler cannot be started, or the folder cannot be written to.
        subprocess.SubprocessError: it fails, or takes longer than a minute.
    """
    objects, library = folder / f"{source.stem}.o", folder / f"{source.stem}.so"
    for arguments in (
        [*flags, "-c", "-o", objects, source],
        [*LINK, "-o", library, objects, "-lm"],
    ):
        subprocess.run(
            [*command, *map(str, arguments)],
            capture_output=True,
            check=True,
            timeout=TIMEOUT_S,
            stdin=subprocess.DEVNULL,
        )
    return library
