"""Trial: a loop is timed against torch's operations once, and is used only if it does not lose.

A compiler may make little of a loop for a processor that nobody has tried. The first use of a loop
does a typical piece of work both ways, in turns, for some milliseconds. What came out is kept
beside the compiled files, so that all later trainings of this machine take the same way: in a
convolution the two round differently. Where nothing can be kept, the loop is used untried.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from torch_impl.native import processor, store
from torch_impl.native.cache_folder import cache_folder

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
    machine = hashlib.sha256(processor.features().encode()).hexdigest()[:16]
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
            begun = time.perf_counter()
            work()
            least[number] = min(least[number], time.perf_counter() - begun)
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
    is_first = store.put_first(file, json.dumps(asdict(times)).encode())
    return times if is_first else _read(file) or times
