"""One child of a half by itself, which must do its work."""

from __future__ import annotations

from parity.halves.job import ChildJob
from parity.halves.options import ChildOptions
from parity.halves.progress import run_shown
from parity.runs.steps import error_of
from parity.traces.folder import RunFolder


def run_alone(job: ChildJob, children: ChildOptions) -> RunFolder:
    """Runs a child, and returns its folder.

    Args:
        job: has one directory, with the spec of the child in it.
        children: how it is run and shown.

    Raises:
        InputError: the child says that what it was given cannot be used.
        RunError: the child crashed.
    """
    (directory,) = job.directories
    half = RunFolder(directory)
    if failures := run_shown([job], children):
        raise error_of(half, failures[0].reason)
    return half
