"""What a child does in a sweep: the tasks of a batch, one after the other."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from parity.data.dataset import array_sha256
from parity.data.load import run_data
from parity.errors import RunError
from parity.files.atomic import write_bytes
from parity.files.floats import encode_floats
from parity.files.json_io import read_json
from parity.halves.job import wait_for
from parity.halves.memory import kept_for_good
from parity.halves.protocol import Half, say_progress, stop_if_orphaned
from parity.programs.program_spec import ProgramSpec
from parity.programs.run_spec import RunSpec
from parity.sweeps.batch import (
    BATCH,
    CURRENT,
    FAILED,
    FEEDS,
    TELL,
    TOLD,
    FeedMissing,
    failing_alone,
    spec_from,
)
from parity.sweeps.store import open_store
from parity.traces.feed_file import read_feed, write_feed
from parity.traces.folder import RunFolder
from parity.traces.training_recorder import EpochObserver

# --- What a child process does with the user's programs in a sweep --------------------------------
#
# The Keras half knows what `fit` gets. Before the port is trained, a child of the Keras half
# therefore tells it, without training: a *feed folder*, which the children of the torch half wait
# for. It holds `tell.json`, the tasks; `feeds/DIGEST.safetensors`, a feed file for each content;
# `told/KEY`, which names that of a task; and `failed/KEY`, the reason of one that has none.


MIB = 2**20
NUM_COMPARED = 2  # seeds whose feeds are compared before the others are taken to be the same


@dataclass
class SweptProgram:
    """What a half does with a program in a sweep.

    Attributes:
        spec: of the training.
        on_step: called after every step; it ends the process if nobody waits for it.
        trains: whether it is trained; if not, the Keras half only tells what `fit` would get.
        nests: what `fit` gets; see `parity.traces.folder`. The Keras half fills them in.
        settings: arguments of `fit`, and what is known of Keras's model, ready for JSON. The Keras
            half fills them in.
    """

    spec: ProgramSpec
    on_step: Callable[[], None]
    trains: bool = True
    nests: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)


def train_program(
    half: Half, name: str, spec: ProgramSpec, parent: int, feed: Path | None
) -> dict[str, Any]:
    """Trains one run of a program and returns its record; "run" alone differs between two times.

    Args:
        half: the package, configured.
        name: "keras" or "torch".
        spec: of the training.
        parent: process id of the parent.
        feed: for the torch half, the feed file.

    Raises:
        InputError: the program cannot be trained.
    """
    started = time.time()
    task = SweptProgram(spec, on_step=lambda: stop_if_orphaned(parent))
    if feed is not None:
        task.nests, task.settings = read_feed(feed)
    result = half.fit_program(task)
    return {
        "half": name,
        "spec": {key: value for key, value in spec.to_dict().items() if key != "folder"},
        "history": encode_floats(result.history),
        "num_train": _length(task.nests.get("x")),
        "num_val": _length(task.nests.get("val")),
        "outputs": [each["name"] for each in task.settings["outputs"]],
        "fed_sha256": content_digest(task.nests) if _is_whole(task.nests) else None,
        "versions": half.describe_environment(spec)["versions"],
        "run": {
            "wall_s": result.wall_s,
            "total_s": time.time() - started,
            "started": started,
            "host": platform.node(),
            "process": os.getpid(),
        },
    }


def feed_of(feed_folder: Path, key: str, parent: int) -> Path:
    """Returns the feed file of a task, as soon as all are told.

    Args:
        feed_folder: the feed folder.
        key: of the task.
        parent: process id of the parent.

    Raises:
        RunError: it could not be told; the message says why.
        FeedMissing: there was no room for it.
    """
    wait_for(RunFolder(feed_folder), parent)
    reason = feed_folder / FAILED / key
    if reason.exists():
        raise RunError(reason.read_text(encoding="utf-8"))
    if not (feed_folder / TOLD / key).exists():
        raise FeedMissing
    digest = (feed_folder / TOLD / key).read_text(encoding="utf-8")
    return feed_folder / FEEDS / f"{digest}.safetensors"


def tell_batch(half: Half, directory: Path, parent: int) -> None:
    """Tells what `fit` of a program gets with each seed, until the feed folder is full.

    The feeds of two seeds are compared first. If they are the same arrays, that is what all seeds
    get; what a seed was really fed is in the record of its Keras task. Tasks for which there is no
    room any more are left out.

    Args:
        half: the Keras half, not configured yet.
        directory: the feed folder.
        parent: process id of the parent.
    """
    request = read_json(directory / TELL)
    rows = [(row["key"], ProgramSpec.from_dict(row["spec"])) for row in request["tasks"]]
    with kept_for_good():
        half.configure(rows[0][1])
        _ = half.fit_program  # imports the framework
    found: list[str] = []
    size = 0
    for number, (key, spec) in enumerate(rows, start=1):
        stop_if_orphaned(parent)
        compared = found[:NUM_COMPARED]
        if len(compared) == NUM_COMPARED and len({*compared}) == 1 and compared[0]:
            write_bytes(directory / TOLD / key, compared[0].encode())
        elif size <= request["max_bytes"]:
            with failing_alone(directory, key):
                task = SweptProgram(spec, lambda: stop_if_orphaned(parent), trains=False)
                half.fit_program(task)
                digest, added = _kept(directory, task)
                size += added
                write_bytes(directory / TOLD / key, digest.encode())
                # Of generators every seed is told by itself.
                found.append(digest if _is_whole(task.nests) else "")
        say_progress(directory.name, number, len(rows), loss=0)
    RunFolder(directory).complete()


def content_digest(nests: Mapping[str, Any]) -> str:
    """Returns the digest of all arrays of nests, and of how they are nested."""
    digest = hashlib.sha256()

    def add(nest: Any) -> None:
        if nest is None:
            digest.update(b"none\n")
        elif isinstance(nest, Mapping):
            for name, part in nest.items():
                digest.update(f"name {name}\n".encode())
                add(part)
            digest.update(b"end\n")
        elif isinstance(nest, tuple | list):
            digest.update(f"parts {len(nest)}\n".encode())
            for part in nest:
                add(part)
        else:
            array = np.ascontiguousarray(nest)
            digest.update(f"array {array.dtype.str} {array.shape}\n".encode())
            digest.update(array.data if array.dtype.kind != "O" else repr(array.tolist()).encode())

    add(dict(sorted(nests.items())))
    return digest.hexdigest()


def _kept(directory: Path, task: SweptProgram) -> tuple[str, int]:
    """Writes a feed file unless it is there; returns its digest, and the bytes that were added."""
    settings = json.dumps(task.settings, sort_keys=True)
    digest = hashlib.sha256((content_digest(task.nests) + settings).encode()).hexdigest()
    path = directory / FEEDS / f"{digest}.safetensors"
    if path.exists():
        return digest, 0
    write_feed(path, task.nests, task.settings)
    return digest, path.stat().st_size


def _is_whole(nests: Mapping[str, Any]) -> bool:
    """Whether all that is fed are arrays, known before the training."""
    return bool(nests) and not any(name.endswith("_batches") for name in nests)


def _length(nest: Any) -> int | None:
    """Returns the number of samples, where arrays are fed."""
    while isinstance(nest, Mapping | Sequence) and len(nest):
        nest = next(iter(nest.values())) if isinstance(nest, Mapping) else nest[0]
    return None if nest is None or not hasattr(nest, "shape") else int(nest.shape[0])


# --------------------------------------------------------------------------------------------------
#
# What a child process does in a sweep: the tasks of a batch, one after the other, into the store.
#
# A task that is finished already is left out, and one that fails does not keep the next from its
# turn; see `parity.sweeps.batch`.


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
    keys = {spec_from(row["spec"]): row["key"] for row in batch["tasks"]}

    def run(spec: ProgramSpec) -> dict[str, Any]:
        feed_folder = batch["told"]
        feed = None if feed_folder is None else feed_of(Path(feed_folder), keys[spec], parent)
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
            with failing_alone(directory, key), suppress(FeedMissing):
                store.put(key, {"key": key, **run(spec)})
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
