"""What a job waits for: the folders of another half that its runs begin with."""

from __future__ import annotations

from pathlib import Path

from parity.halves.job import ChildJob
from parity.traces.folder import RunFolder


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
