"""What a child process does in a sweep: the tasks of a batch, one after the other, into the store.

A task that is finished already is left out, and one that fails does not keep the next from its
turn; see `parity.sweeps.batch`.
"""

from __future__ import annotations

import hashlib
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from parity.data.dataset import array_sha256
from parity.data.load import run_data
from parity.files.atomic import write_bytes
from parity.files.floats import encode_floats
from parity.files.json_io import read_json
from parity.halves.memory import kept_for_good
from parity.halves.protocol import Half, is_installable, say_progress, stop_if_orphaned
from parity.programs.program_spec import ProgramSpec
from parity.programs.run_spec import RunSpec
from parity.sweeps.batch import BATCH, CURRENT, NotTold, spec_from, write_failure
from parity.sweeps.store import open_store
from parity.traces.folder import RunFolder
from parity.traces.observer import EpochObserver

Run = Callable[[Any], dict[str, Any]]  # the spec of a run to its record


def train_batch(name: str, half: Half, directory: Path, parent: int) -> None:
    """Trains the tasks of a batch; see `run_batch`.

    Args:
        name: "keras" or "torch".
        half: the package, not configured yet.
        directory: of the batch.
        parent: process id of the parent.
    """
    batch = read_json(directory / BATCH)
    first = spec_from(batch["tasks"][0]["spec"])
    with kept_for_good():
        half.configure(first)
        _ = half.fit if isinstance(first, RunSpec) else half.fit_program  # imports the framework
    if isinstance(first, RunSpec):
        run_batch(directory, lambda spec: train(half, name, spec, parent), parent)
        return
    from parity.sweeps.program_child import feed_of, train_program

    keys = {spec_from(row["spec"]): row["key"] for row in batch["tasks"]}

    def run(spec: ProgramSpec) -> dict[str, Any]:
        told = batch["told"]
        feed = None if told is None else feed_of(Path(told), keys[spec], parent)
        return train_program(half, name, spec, parent, feed)

    run_batch(directory, run, parent)


def run_batch(directory: Path, run: Run, parent: int) -> None:
    """Runs the tasks of a batch that are not finished yet.

    Args:
        directory: of the batch.
        run: trains one spec.
        parent: process id of the parent: without it, nothing is run any more.
    """
    batch = read_json(directory / BATCH)
    store = open_store(batch["store"])
    for number, row in enumerate(batch["tasks"], start=1):
        stop_if_orphaned(parent)
        key, spec = row["key"], spec_from(row["spec"])
        if key not in store:
            write_bytes(directory / CURRENT, key.encode())
            try:
                store.put(key, {"key": key, **run(spec)})
            except NotTold:
                pass
            except ModuleNotFoundError as error:
                if is_installable(error):
                    raise  # no task of this batch can run
                write_failure(directory, key, error)
            except Exception as error:  # one run that breaks is no reason to lose the others
                write_failure(directory, key, error)
        say_progress(directory.name, number, len(batch["tasks"]), loss=0)
    RunFolder(directory).complete()


def train(half: Half, name: str, spec: RunSpec, parent: int) -> dict[str, Any]:
    """Trains one run and returns its record; "run" alone differs from one time to the next."""
    started = time.time()
    data = run_data(spec)
    observer = EpochObserver(on_step=lambda: stop_if_orphaned(parent))
    result = half.fit(spec, data, observer)
    weights = hashlib.sha256()
    for key, array in result.weights.items():
        weights.update(f"{key} {array_sha256(array)}\n".encode())
    return {
        "half": name,
        "spec": spec.to_dict(),
        "history": encode_floats({**result.history, **observer.columns}),
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
