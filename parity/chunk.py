"""What a child process does in a sweep: some tasks one after the other, each into the store.

    python -m keras_impl --chunk DIRECTORY

The directory holds `chunk.json`: the store, and the tasks. Importing a framework takes seconds, as
long as a small run, hence several tasks for a child. A task that is finished already is left out;
`current` names the one that is running, so that a child that dies tells which task killed it; a
task that fails leaves `failed/KEY` with the reason, and the next one goes on.
"""

from __future__ import annotations

import hashlib
import os
import platform
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from parity.child import Half, is_installable, say_progress, stop_if_orphaned
from parity.errors import ParityError
from parity.programs.run_spec import RunSpec
from parity.store import open_store
from parity.task import Task
from parity.trace import SUCCESS, encode_floats, read_json, write_bytes, write_json

CHUNK, CURRENT, FAILED = "chunk.json", "current", "failed"

Run = Callable[[RunSpec], dict[str, Any]]  # a spec to the record of its run


def write_chunk(directory: Path, tasks: Sequence[Task], store: str) -> None:
    """Makes the directory of a chunk; its tasks share half, device and threads."""
    (directory / FAILED).mkdir(parents=True)
    rows = [{"key": task.key, "spec": task.spec.to_dict()} for task in tasks]
    write_json(directory / CHUNK, {"store": store, "tasks": rows})


def run_chunk(directory: Path, run: Run, parent: int) -> None:
    """Runs the tasks of a chunk that are not finished yet.

    Args:
        directory: of the chunk.
        run: trains one spec.
        parent: process id of the parent: without it, nothing is run any more.
    """
    chunk = read_json(directory / CHUNK)
    store = open_store(chunk["store"])
    for number, row in enumerate(chunk["tasks"], start=1):
        stop_if_orphaned(parent)
        key, spec = row["key"], RunSpec.from_dict(row["spec"])
        if key not in store:
            write_bytes(directory / CURRENT, key.encode())
            try:
                store.put(key, {"key": key, **run(spec)})
            except ModuleNotFoundError as error:
                if is_installable(error):
                    raise  # no task of this chunk can run
                _fail(directory, key, error)
            except Exception as error:  # one run that breaks is no reason to lose the others
                _fail(directory, key, error)
        say_progress(directory.name, number, len(chunk["tasks"]), loss=0)
    write_bytes(directory / SUCCESS, b"")


def _fail(directory: Path, key: str, error: Exception) -> None:
    traceback.print_exc()
    told = str(error) if isinstance(error, ParityError) else f"{type(error).__name__}: {error}"
    write_bytes(directory / FAILED / key, told.encode("utf-8", "backslashreplace"))


def train(half: Half, name: str, spec: RunSpec, parent: int) -> dict[str, Any]:
    """Trains one run and returns its record; "run" alone differs from one time to the next."""
    from parity.data import run_data
    from parity.dataset import array_sha256
    from parity.recorder import EpochRecorder

    started = time.time()
    data = run_data(spec)
    recorder = EpochRecorder(on_step=lambda: stop_if_orphaned(parent))
    result = half.fit(spec, data, recorder)
    weights = hashlib.sha256()
    for key, array in result.weights.items():
        weights.update(f"{key} {array_sha256(array)}\n".encode())
    return {
        "half": name,
        "spec": spec.to_dict(),
        "history": encode_floats({**result.history, **recorder.columns}),
        "num_classes": data.num_classes,
        "num_train": len(data.x_train),
        "num_val": len(data.x_val),
        "data_sha256": data.sha256,
        "weights_sha256": weights.hexdigest(),
        "versions": half.describe_environment(spec)["versions"],
        "run": {
            "wall_s": result.wall_s,
            "total_s": time.time() - started,
            "started": started,
            "host": platform.node(),
            "process": os.getpid(),
        },
    }
