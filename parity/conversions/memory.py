"""A limit of memory for what a configuration from outside makes a process build."""

from __future__ import annotations

import resource
from contextlib import suppress
from pathlib import Path

# Beside what the process has: the twin, the module and their activations, each in float64.
_BASE, _TIMES = 8 * 2**30, 64  # bytes, and bytes for each number of the weights


def limit_memory(num_weights: int) -> None:
    """Limits the memory of this process to what such weights need.

    Args:
        num_weights: numbers in all weights of the file.
    """
    with suppress(OSError, ValueError, IndexError):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        now = pages * resource.getpagesize()
        most = now + _BASE + _TIMES * num_weights
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))
