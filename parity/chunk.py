"""What a child process does in a sweep: some tasks one after the other, each into the store.

    python -m keras_impl --chunk DIRECTORY

The directory holds `chunk.json`: the store, and the tasks. Importing a framework takes seconds, as
long as a small run, hence several tasks for a child. A task that is finished already is left out;
`current` names the one that is running, so that a child that dies tells which task killed it; a
task that fails leaves `failed/KEY` with the reason, and the next one goes on.

Tasks that differ in seed only may be trained together (`parity.ensemble`). Then `current` names all
of them; if that fails they are run one by one, so that each is told its own reason.
"""

from __future__ import annotations

import hashlib
import os
import platform
import time
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from parity.child import Half, is_installable, say_progress, stop_if_orphaned
from parity.ensemble import grouped
from parity.errors import ParityError
from parity.programs.run_spec import RunSpec
from parity.store import Store, open_store
from parity.task import Task
from parity.trace import SUCCESS, encode_floats, read_json, write_bytes, write_json

CHUNK, CURRENT, FAILED = "chunk.json", "current", "failed"

Run = Callable[[RunSpec], dict[str, Any]]  # a spec to the record of its run
RunMany = Callable[[Sequence[RunSpec]], list[dict[str, Any]]]  # the same of several at a time


def write_chunk(
    directory: Path, tasks: Sequence[Task], store: str, ensemble: int | str = 1
) -> None:
    """Makes the directory of a chunk; its tasks share half, device and threads."""
    (directory / FAILED).mkdir(parents=True)
    rows = [{"key": task.key, "spec": task.spec.to_dict()} for task in tasks]
    write_json(directory / CHUNK, {"store": store, "ensemble": ensemble, "tasks": rows})


def run_chunk(directory: Path, run: Run, parent: int, run_many: RunMany | None = None) -> None:
    """Runs the tasks of a chunk that are not finished yet.

    Args:
        directory: of the chunk.
        run: trains one spec.
        parent: process id of the parent: without it, nothing is run any more.
        run_many: trains specs that differ in seed only; None where nothing can.
    """
    chunk = read_json(directory / CHUNK)
    store = open_store(chunk["store"])
    tasks = [(row["key"], RunSpec.from_dict(row["spec"])) for row in chunk["tasks"]]
    num_done = 0
    for group in grouped(tasks, lambda task: task[1], 1 if run_many is None else chunk["ensemble"]):
        left = [(key, spec) for key, spec in group if key not in store]
        if run_many is not None and len(left) > 1:
            stop_if_orphaned(parent)
            write_bytes(directory / CURRENT, "\n".join(key for key, _ in left).encode())
            if (records := _together(left, run_many)) is not None:
                for (key, _), record in zip(left, records, strict=True):
                    _keep(directory, store, key, partial(dict, record))
                left = []
        for task in group:
            stop_if_orphaned(parent)
            if task in left:
                key, spec = task
                write_bytes(directory / CURRENT, key.encode())
                _keep(directory, store, key, partial(run, spec))
            num_done += 1
            say_progress(directory.name, num_done, len(tasks), loss=0)
    write_bytes(directory / SUCCESS, b"")


def _together(
    tasks: Sequence[tuple[str, RunSpec]], run_many: RunMany
) -> list[dict[str, Any]] | None:
    """Returns the records of tasks that are trained together; None if that has failed."""
    try:
        return run_many([spec for _, spec in tasks])
    except ModuleNotFoundError as error:
        if is_installable(error):
            raise  # no task of this chunk can run
        traceback.print_exc()
    except Exception:  # which of them it was shows when they are run one by one
        traceback.print_exc()
    return None


def _keep(directory: Path, store: Store, key: str, make: Callable[[], dict[str, Any]]) -> None:
    """Keeps the record of a task, or the reason why there is none."""
    try:
        store.put(key, {"key": key, **make()})
    except ModuleNotFoundError as error:
        if is_installable(error):
            raise  # no task of this chunk can run
        _fail(directory, key, error)
    except Exception as error:  # one run that breaks is no reason to lose the others
        _fail(directory, key, error)


def _fail(directory: Path, key: str, error: Exception) -> None:
    traceback.print_exc()
    told = str(error) if isinstance(error, ParityError) else f"{type(error).__name__}: {error}"
    write_bytes(directory / FAILED / key, told.encode("utf-8", "backslashreplace"))


def train(half: Half, name: str, spec: RunSpec, parent: int) -> dict[str, Any]:
    """Trains one run and returns its record; "run" alone differs from one time to the next."""

    def fit(specs: Any, datas: Any, recorders: Any) -> list[Any]:
        return [half.fit(specs[0], datas[0], recorders[0])]

    return _records(half, name, [spec], parent, fit)[0]


def train_many(
    half: Half, name: str, specs: Sequence[RunSpec], parent: int
) -> list[dict[str, Any]]:
    """Trains runs that differ in seed only at a time, and returns their records, as `train` does.

    What is not training, as reading the data, is divided among the runs alike.
    """
    return _records(half, name, specs, parent, half.fit_many)  # type: ignore[attr-defined]


def _records(
    half: Half,
    name: str,
    specs: Sequence[RunSpec],
    parent: int,
    fit: Callable[[Sequence[RunSpec], Sequence[Any], Sequence[Any]], Sequence[Any]],
) -> list[dict[str, Any]]:
    from parity.data import run_data
    from parity.dataset import array_sha256
    from parity.recorder import EpochRecorder

    started = time.time()
    datas = [run_data(spec) for spec in specs]
    recorders = [EpochRecorder(on_step=lambda: stop_if_orphaned(parent)) for _ in specs]
    results = fit(specs, datas, recorders)
    records = []
    for spec, data, recorder, result in zip(specs, datas, recorders, results, strict=True):
        weights = hashlib.sha256()
        for key, array in result.weights.items():
            weights.update(f"{key} {array_sha256(array)}\n".encode())
        record = {
            "half": name,
            "spec": spec.to_dict(),
            "history": encode_floats({**result.history, **recorder.columns}),
            "num_classes": data.num_classes,
            "num_train": len(data.x_train),
            "num_val": len(data.x_val),
            "data_sha256": data.sha256,
            "weights_sha256": weights.hexdigest(),
            "versions": half.describe_environment(spec)["versions"],
        }
        records.append(record)
    besides_s = time.time() - started - sum(result.wall_s for result in results)
    for record, result in zip(records, results, strict=True):
        record["run"] = {
            "wall_s": result.wall_s,
            "total_s": result.wall_s + besides_s / len(specs),
            "started": started,
            "host": platform.node(),
            "process": os.getpid(),
            "ensemble": len(specs),
        }
    return records
