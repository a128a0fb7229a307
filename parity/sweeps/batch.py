"""A task batch: the tasks of a sweep that one child runs, in a folder.

Importing a framework takes seconds, as long as a small run, hence several tasks for a child. The
folder holds `batch.json`, with the store and the tasks; `current` names the task that is running,
so that a child that dies tells which one killed it; `failed/KEY` has the reason of one that failed.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from parity.errors import error_message
from parity.files.atomic import write_bytes
from parity.files.json_io import write_json
from parity.halves.protocol import is_installable
from parity.programs.program_spec import ProgramSpec
from parity.programs.run_spec import RunSpec

if TYPE_CHECKING:
    from parity.sweeps.task import Task

BATCH, CURRENT, FAILED = "batch.json", "current", "failed"
# Of a feed folder; see `parity.sweeps.child`.
TELL, TOLD, FEEDS = "tell.json", "told", "feeds"


class FeedMissing(Exception):
    """What `fit` gets with a seed is not told yet: the task is for another round."""


def write_batch(
    directory: Path, tasks: Sequence[Task], store: str, feed_folder: Path | None = None
) -> None:
    """Makes the folder of a task batch; its tasks share half, device, threads and program.

    Args:
        directory: of the batch.
        tasks: of the batch.
        store: folder or URL of the results.
        feed_folder: for ports, the folder with what `fit` gets.
    """
    (directory / FAILED).mkdir(parents=True)
    known = {
        "store": store,
        "half": tasks[0].half,
        "told": None if feed_folder is None else str(feed_folder),
    }
    write_json(directory / BATCH, {**known, "tasks": rows_of(tasks)})


def write_telling(directory: Path, tasks: Sequence[Task], max_bytes: int) -> None:
    """Makes a feed folder, which a child of the Keras half fills.

    Args:
        directory: of the folder.
        tasks: of the ports, of one program.
        max_bytes: of feed files, after which no further one is begun.
    """
    for name in (TOLD, FEEDS, FAILED):
        (directory / name).mkdir(parents=True)
    write_json(directory / TELL, {"max_bytes": max_bytes, "tasks": rows_of(tasks)})


def rows_of(tasks: Sequence[Task]) -> list[dict[str, Any]]:
    """Returns key and spec of tasks, ready for JSON."""
    return [{"key": task.key, "spec": task.spec.to_dict()} for task in tasks]


def spec_from(values: Mapping[str, Any]) -> RunSpec | ProgramSpec:
    """Returns the spec of a scenario or of a program from the values of its `to_dict`.

    Raises:
        InputError: a key is unknown or a value is out of range.
    """
    kind = ProgramSpec if isinstance(values, Mapping) and "program" in values else RunSpec
    return kind.from_dict(values)


@contextmanager
def failing_alone(directory: Path, key: str) -> Iterator[None]:
    """Lets an error in the block be the failure of one task, so that the others have their turn.

    The reason is written into the folder, and the traceback on standard error, which is the log.
    Without its framework no task can run: that error stays.
    """
    try:
        yield
    except Exception as error:  # the user's code may raise anything
        if isinstance(error, ModuleNotFoundError) and is_installable(error):
            raise
        traceback.print_exception(error)
        write_bytes(
            directory / FAILED / key, error_message(error).encode("utf-8", "backslashreplace")
        )
