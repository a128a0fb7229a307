"""A task batch: the tasks of a sweep that one child runs, in a folder.

Importing a framework takes seconds, as long as a small run, hence several tasks for a child. The
folder holds `batch.json`, with the store and the tasks; `current` names the task that is running,
so that a child that dies tells which one killed it; `failed/KEY` has the reason of one that failed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from parity.files.json_io import write_json

if TYPE_CHECKING:
    from parity.sweeps.task import Task

BATCH, CURRENT, FAILED = "batch.json", "current", "failed"


def write_batch(directory: Path, tasks: Sequence[Task], store: str) -> None:
    """Makes the folder of a task batch; its tasks share half, device and threads."""
    (directory / FAILED).mkdir(parents=True)
    rows = [{"key": task.key, "spec": task.spec.to_dict()} for task in tasks]
    write_json(directory / BATCH, {"store": store, "half": tasks[0].half, "tasks": rows})
