"""Processes that tests watch from outside, and waiting for what they do."""

import time
from pathlib import Path


def is_alive(pid):
    """False for a process that is gone, or that only waits for being reaped."""
    try:
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != b"Z"


def wait_for(condition, seconds=10.0):
    """Returns when a condition holds; it fails where that takes longer."""
    end_s = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end_s, "waited in vain"
        time.sleep(0.02)
