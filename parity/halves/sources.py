"""What a job waits for: the folders of another half that its runs begin with."""

from __future__ import annotations

import time
from pathlib import Path

from parity.halves.job import ChildJob
from parity.halves.protocol import stop_if_orphaned
from parity.traces.folder import RunFolder

WAIT_S = 0.01  # seconds between two looks at what is waited for


def wait_for(source: RunFolder, parent: int) -> float:
    """Waits, in a child, until the folder of another half is complete or has failed.

    Args:
        source: the folder.
        parent: process ID of the parent; the child stops when it is gone.

    Returns:
        The seconds that were waited.
    """
    waiting = time.perf_counter()
    while not source.has_ended:
        pause(parent)
    return time.perf_counter() - waiting


def pause(parent: int) -> None:
    """Waits, in a child, until it is time to look again; ends the process if its parent is gone."""
    stop_if_orphaned(parent)
    time.sleep(WAIT_S)


def is_ready(job: ChildJob) -> bool:
    """Whether all sources of a job are there, or will never be."""
    return all(RunFolder(source).has_ended for source in job.sources)


def is_pointless(job: ChildJob) -> bool:
    """Whether every directory of a job has a source that failed."""
    return bool(job.sources) and all(RunFolder(source).has_failed for source in job.sources)


def missing(job: ChildJob) -> list[Path]:
    """Returns the directories of a job that are not complete, though their source did not fail."""
    failed = [RunFolder(source).has_failed for source in job.sources]
    failed = failed or [False] * len(job.directories)
    return [
        directory
        for directory, has_failed in zip(job.directories, failed, strict=True)
        if not has_failed and not RunFolder(directory).is_complete
    ]
