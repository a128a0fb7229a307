"""BackgroundLoad: the share of the CPU that other processes used while a benchmark ran.

Two threads that wait for each other stand still while one of them has no core. A busy machine
therefore slows some variants more than others, and makes all figures worthless. Only Linux reports
which process used the CPU; elsewhere the share is unknown.
"""

from __future__ import annotations

import os
import resource
from pathlib import Path

STAT = Path("/proc/stat")


class BackgroundLoad:
    """Counts from the moment at which it is created."""

    def __init__(self) -> None:
        self._before = _counted()

    def share(self) -> float | None:
        """Returns the share of the time of all cores that other processes used, in [0, 1].

        The time of this process and of its children that have ended does not count. On a virtual
        machine, time that the host took away does count. Returns None where the system does not
        report these times.
        """
        now = _counted()
        if self._before is None or now is None:
            return None
        total, busy, ours = (b - a for a, b in zip(self._before, now, strict=True))
        return min(max(busy - ours, 0.0) / total, 1.0) if total > 0 else None


def _counted() -> tuple[float, float, float] | None:
    """CPU seconds: total, busy, and used by this process and its children."""
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
