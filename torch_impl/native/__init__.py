"""Loops in C: those of the wheel, else compiled on this machine, else torch does the same.

Some loops run in every step, and eager torch needs many passes over memory where a loop in C needs
one. A wheel has them compiled for a few instruction sets (`processor`). Where it has not, or where
the project runs from its sources, a C file is compiled at its first use, in about a second, and
kept in the user's cache folder. Where there is no compiler, or where a loop is slower, eager torch
is used.

The loops share torch's threads: they find the functions of OpenMP in the one that torch has loaded.
If there are none, the same loops run in one thread.
"""

from __future__ import annotations

import ctypes
import functools
import os
import subprocess
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from torch_impl.native import recipe, store
from torch_impl.native.store import cache_folder, check_reach

PACKAGED = Path(__file__).with_name("built")  # of a wheel; a source checkout has none
SWITCH = "PARITY_NATIVE"
_told: set[str] = set()  # of what this process has warned
_chosen: dict[ctypes.CDLL, ctypes.CDLL | None] = {}  # what takes the place of loops: None, torch


@dataclass(frozen=True)
class Loops:
    """The library of a C file, or why there is none.

    Attributes:
        library: its functions; None: eager torch has to do it.
        origin: "from the wheel", "compiled here" or "pure PyTorch", with what belongs to it.
    """

    library: ctypes.CDLL | None
    origin: str


def library(source: Path) -> ctypes.CDLL | None:
    """Returns the compiled functions of a C file of this package, or None if there are none."""
    return loops(source).library


def fast(source: Path, typical: Callable[[], store.Work]) -> ctypes.CDLL | None:
    """Returns the compiled functions of a C file, or None if torch's operations are faster here.

    The first call on a processor tries both (`trial`), unless `PARITY_NATIVE` asks for loops.

    Args:
        source: the C file.
        typical: prepares a typical piece of work, which asks this function what it shall take.
    """
    found = library(source)
    if found is None or os.environ.get(SWITCH) or torch.compiler.is_compiling():
        return found
    if found not in _chosen:
        _chosen[found] = found
        times = times_of(source, typical)
        _chosen[found] = None if times is not None and times.is_lost else found
    return _chosen[found]


def times_of(source: Path, typical: Callable[[], store.Work]) -> store.Times | None:
    """Returns the times of typical work with the loops of a C file and without: see `fast`.

    Returns:
        None if there are no loops, or no place to keep the times.
    """
    found = library(source)
    if found is None:
        return None
    before = _chosen.get(found, found)

    def taking(way: ctypes.CDLL | None) -> store.Work:
        def run() -> None:
            _chosen[found] = way
            work()

        return run

    try:
        with torch.inference_mode(False), torch.enable_grad():
            work = typical()
            return store.times_of(Path(found._name), taking(found), taking(None))
    finally:
        _chosen[found] = before


@functools.cache
def loops(source: Path) -> Loops:
    """Loads the library of a C file, and compiles it if there is none for this machine yet.

    `PARITY_NATIVE` chooses: `0`: eager torch, `wheel`: only those of a wheel, `here`: only those
    that are compiled on this machine, `1`: the best that there is. Nothing: likewise, but a loop
    that is slower than torch on this processor is not used (`fast`).

    Args:
        source: the C file.
    """
    switch = os.environ.get(SWITCH, "")
    if switch not in ("", "0", "1", "wheel", "here"):
        _warn("switch", f"{SWITCH}={switch!r} means nothing: expected 0, 1, wheel or here")
    if switch == "0":
        return _pure(f"{SWITCH}=0 is set")
    if os.name != "posix":
        return _pure("the loops are for Linux and macOS")
    found = _from_wheel(source) if switch != "here" else None
    if found is not None:
        return found
    return _compiled_here(source) if switch != "wheel" else _pure("the wheel has none that fits")


def _pure(reason: str, is_warned: bool = False) -> Loops:
    if is_warned:
        slower = f"torch's slower operations are used ({SWITCH}=0: they are wanted)"
        _warn("compiler", f"{reason}; {slower}")
    return Loops(None, f"pure PyTorch, because {reason}")


def _warn(subject: str, message: str) -> None:
    """Warns once in a process of a subject, not once for each C file."""
    if subject not in _told:
        _told.add(subject)
        warnings.warn(message, RuntimeWarning, stacklevel=2)


def _from_wheel(source: Path) -> Loops | None:
    for level in store.levels():
        for is_parallel in (True, False):
            flags = recipe.flags_for(level, is_parallel)
            path = store.find(PACKAGED, source, recipe.fingerprint(source, flags), is_own=False)
            loaded = None if path is None else _load(path)
            if loaded is not None:
                return Loops(loaded, f"from the wheel ({level}, {_threads(is_parallel)})")
    return None


def _compiled_here(source: Path) -> Loops:
    try:
        command = recipe.compiler()
        version = _version(tuple(command))
    except recipe.NoCompiler as error:
        # Without CC, a machine without a compiler is none that is set up wrongly.
        return _pure(str(error), is_warned=bool(os.environ.get("CC", "").strip()))
    except (OSError, subprocess.SubprocessError) as error:
        return _pure(_failure(error), is_warned=True)
    reason = ""
    for is_parallel in (True, False):
        flags = recipe.flags_for(None, is_parallel)
        # For `native`, since machines may share a home folder.
        machine = store.features().encode()
        mark = recipe.fingerprint(source, flags, " ".join(command).encode(), version, machine)
        try:
            build = functools.partial(recipe.build, command, flags, source)
            loaded, where = _kept(source, mark, build)
        except (OSError, subprocess.SubprocessError) as error:
            reason = _failure(error)
            continue  # slower, but with the same results
        how = f"{' '.join(command)}, {_threads(is_parallel)}"
        return Loops(loaded, f"compiled here ({how}{where})")
    return _pure(reason, is_warned=True)


def _kept(source: Path, mark: str, build: Callable[[Path], Path]) -> tuple[ctypes.CDLL, str]:
    """Returns a library from the cache, or builds it: there if possible, else for this process.

    Also returns what to say about its place.
    """
    try:
        folder = cache_folder()
        path = store.find(folder, source, mark) or store.put(folder, source, mark, build)
    except OSError as error:
        reason = str(error)
        if isinstance(error, PermissionError) and error.errno is None:
            _warn("folder", f"{reason}. Until then, every process compiles its loops anew")
    else:
        return ctypes.CDLL(str(path)), ""
    # A library that is loaded needs its file no longer.
    with tempfile.TemporaryDirectory(prefix="keras-torch-parity-") as name:
        check_reach(Path(name))
        path = store.put(Path(name), source, mark, build, keep=False)
        return ctypes.CDLL(str(path)), f", for each process anew: {reason}"


@functools.cache
def _version(command: tuple[str, ...]) -> bytes:
    return subprocess.run(
        [*command, "--version"], capture_output=True, check=True, timeout=10
    ).stdout


def _load(path: Path) -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL(str(path))
    except OSError:
        return None  # no OpenMP, or another C library


def _threads(is_parallel: bool) -> str:
    return "all threads" if is_parallel else "one thread"


def _failure(error: OSError | subprocess.SubprocessError) -> str:
    """Returns an error in one line."""
    if isinstance(error, subprocess.CalledProcessError):
        command = f"`{error.cmd[0]}`"
        lines = (error.stderr or b"").decode(errors="replace").strip().splitlines()
        wrong = next((line for line in lines if "error" in line), lines[0] if lines else "")
        return f"{command} failed with exit code {error.returncode}{wrong and f' ({wrong})'}"
    if isinstance(error, subprocess.TimeoutExpired):
        return f"`{error.cmd[0]}` took longer than {error.timeout:g} s"
    return str(error)
