"""Compiled loops: a folder of the user's alone, this processor, and what is faster."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import platform
import shutil
import stat
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from torch_impl.native.recipe import LEVELS, digest, name_of

# --------------------------------------------------------------------------------------------------
#
# The folder in which compiled loops are kept: in the user's cache, and closed to everybody else.
#
# Whoever can write to it, or to a folder above it, can make this process execute anything.


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


# --------------------------------------------------------------------------------------------------
#
# A folder of libraries: none is loaded that is damaged, or that someone else may have written.
#
# The name of a library ends with the hash of its bytes, so that one move puts both in place. One
# that was cut off or overwritten no longer has the hash of its name. To load it would end the
# process.


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
            if other != path and not _is_intact(other, is_private=True):
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


def _is_intact(path: Path, is_private: bool) -> bool:
    with suppress(OSError):
        return (not is_private or _is_private_file(path)) and path.stem.endswith(f"-{digest(path)}")
    return False  # it cannot be read, or has gone


def _is_private_file(path: Path) -> bool:
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


# --- Which of the instruction sets of a wheel this machine's processor has ------------------------


# https://gitlab.com/x86-psABIs/x86-64-ABI: what each level adds, in the words of /proc/cpuinfo.
ADDED = {
    "x86-64-v2": "cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3",
    "x86-64-v3": "avx avx2 bmi1 bmi2 f16c fma abm movbe xsave",
    "x86-64-v4": "avx512f avx512bw avx512cd avx512dq avx512vl",
}
CPUINFO = Path("/proc/cpuinfo")


@functools.cache
def features() -> str:
    """Returns the line of /proc/cpuinfo that lists the instruction sets, "" on other systems.

    Linux leaves out those that it does not support itself.
    """
    return _line("flags", "Features")


def name() -> str:
    """Returns the processor's name."""
    model = _line("model name").partition(":")[2].strip()
    return model or platform.processor() or platform.machine()


def _line(*beginnings: str) -> str:
    try:
        lines = CPUINFO.read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line for line in lines if line.startswith(beginnings)), "")


def levels() -> tuple[str, ...]:
    """Returns the levels that this processor has, the best one first."""
    listed = LEVELS.get(platform.machine(), ())
    has = set(features().partition(":")[2].split())
    needed: set[str] = set()
    found = []
    for level in reversed(listed):
        needed |= set(ADDED.get(level, "").split())
        if needed <= has:
            found.append(level)
    return tuple(reversed(found))


# --------------------------------------------------------------------------------------------------
#
# Trial: a loop is timed against torch's operations once, and is used only if it does not lose.
#
# A compiler may make little of a loop for a processor that nobody has tried. The first use of a
# loop does a typical piece of work both ways, in turns, for some milliseconds. What came out is
# kept beside the compiled files, so that all later trainings of this machine take the same way: in
# a convolution the two round differently. Where nothing can be kept, the loop is used untried.


MOST = 1.1  # times torch's time that a loop may take: less than this is noise
ROUNDS = 8  # in which a loop has to be fast once, in turns with torch's operations
Work = Callable[[], object]


@dataclass(frozen=True)
class Times:
    """The least times of a typical piece of work.

    Attributes:
        loop_s: with the loop, in seconds.
        torch_s: with torch's operations.
    """

    loop_s: float
    torch_s: float

    @property
    def is_lost(self) -> bool:
        """Whether torch's operations are faster than the loop, by more than noise."""
        return self.loop_s > MOST * self.torch_s


def times_of(library: Path, with_loop: Work, with_torch: Work) -> Times | None:
    """Returns what a trial on this processor has shown, and makes it if there was none.

    Args:
        library: its path, whose name says what is inside.
        with_loop: a typical piece of work.
        with_torch: the same by torch's operations.

    Returns:
        None if it cannot be kept.
    """
    machine = hashlib.sha256(features().encode()).hexdigest()[:16]
    try:
        file = cache_folder() / f"{library.stem}-{machine}.json"
        return _read(file) or _kept(file, _timed(with_loop, with_torch))
    except OSError:
        return None


def _timed(*both: Work) -> Times:
    """Does both in turns, until the loop has not lost."""
    least = [float("inf")] * 2
    for work in both:  # for memory and caches
        work()
    for _ in range(ROUNDS):
        for number, work in enumerate(both):
            start = time.perf_counter()
            work()
            least[number] = min(least[number], time.perf_counter() - start)
        if not (found := Times(*least)).is_lost:
            break
    return found


def _read(file: Path) -> Times | None:
    """Returns what is kept, or None. What is damaged goes."""
    try:
        found = Times(**json.loads(file.read_bytes()))
        if found.loop_s > 0 and found.torch_s > 0:
            return found
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        pass
    file.unlink(missing_ok=True)
    return None


def _kept(file: Path, times: Times) -> Times:
    """Keeps times; if another process was first, its times are returned."""
    is_first = put_first(file, json.dumps(asdict(times)).encode())
    return times if is_first else _read(file) or times
