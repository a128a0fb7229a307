"""Others: how much of the machine something else took while a benchmark ran.

Two threads that wait for each other stand still while one of them has no core, so that a busy
machine makes some variants slower than others, and all figures worthless. Linux tells what it gave
to whom; elsewhere nothing is said.
"""

from __future__ import annotations

import os
import resource
from pathlib import Path

STAT = Path("/proc/stat")


class Others:
    """Starts to count when it is made."""

    def __init__(self) -> None:
        self._before = _counted()

    def share(self) -> float | None:
        """Returns the part of all cores' time that others had, in [0, 1].

        Others are processes that are neither this one nor children of it that have ended, and,
        where this is a virtual machine, those of its host that ran in its place. None where the
        system does not tell.
        """
        now = _counted()
        if self._before is None or now is None:
            return None
        total, busy, ours = (b - a for a, b in zip(self._before, now, strict=True))
        return min(max(busy - ours, 0.0) / total, 1.0) if total > 0 else None


def _counted() -> tuple[float, float, float] | None:
    """Seconds of all cores, of those the busy ones, and those of this process and its children."""
    try:
        first = STAT.read_text(encoding="ascii").splitlines()[0].split()
        # user, nice, system, idle, iowait, irq, softirq, steal: proc_stat(5); guests are in user.
        values = [int(value) / os.sysconf("SC_CLK_TCK") for value in first[1:9]]
    except (OSError, ValueError, IndexError):
        return None
    if first[0] != "cpu" or len(values) < 8:
        return None
    ours = sum(
        used.ru_utime + used.ru_stime
        for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )
    return sum(values), sum(values) - values[3] - values[4], ours
