"""Damaged and forged files of every kind that the tool reads back, drawn from a seed.

    for mutation in mutations(): folder = mutation.write(tmp_path)

A *kind* is a folder of files that are right, and the file of it that is changed. An operation
changes its text, its JSON, its header or its bytes. What is drawn follows from kind and number, so
that a test names the file that it failed on. `file_operations` has the operations.
"""

import functools
import random
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from bench_results import result as bench_result
from bench_results import row
from file_operations import OPERATIONS
from report_folders import (
    check_result,
    diagnosis_folder,
    run_folder,
    stored_runs,
    sweep_folder,
    sweep_rows,
    write,
)

from parity.ladder.result import ALL_RESULTS
from parity.programs.scenarios import scenario
from parity.sweeps.task import Task
from parity.sweeps.unfinished import write_plan

SEED = 20261127
HISTORY = {
    "loss": [2.0, 1.0, 0.5],
    "accuracy": [0.25, 0.5, 0.75],
    "val_loss": [2.5, 1.5, 1.0],
    "val_accuracy": [0.25, 0.5, 0.5],
}
PROGRAMS = """
tolerance = {loss = 1e-9}
accept = ["F2"]

[programs.migration]
keras = "keras_model.py:build"
torch = "torch_model.py:build"
data = "data.py:load"
epochs = 6
arguments = ["--fast"]

[margins]
accuracy = 1.5
"""


@dataclass(frozen=True)
class Kind:
    """A folder of files, one of which is changed.

    Attributes:
        make: writes the folder.
        file: the file that is changed, in the folder.
        form: "json", "safetensors", "npz", "toml" or "events".
        count: number of mutations.
        command: of `parity`, where {} is the folder.
        is_input: whether the file is what a verdict is made of, so that another one may be right.
    """

    make: Callable[[Path], object]
    file: str
    form: str
    count: int
    command: tuple[str, ...]
    is_input: bool = False


@dataclass(frozen=True)
class Mutation:
    """One changed file.

    Attributes:
        kind: name of its kind.
        number: of the mutation, from 0.
        what: the operation.
        content: of the file.
    """

    kind: str
    number: int
    what: str
    content: bytes

    def write(self, folder):
        """Writes the folder with the changed file."""
        for name, content in right_files(self.kind).items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.content if name == KINDS[self.kind].file else content)
        return folder


def mutation(kind, number):
    """Draws a mutation."""
    rng = random.Random(f"{SEED} {kind} {number}")
    content = right_files(kind)[KINDS[kind].file]
    operations = OPERATIONS[KINDS[kind].form]
    operation = operations[number % len(operations)]
    return Mutation(kind, number, operation.__name__.strip("_"), operation(content, rng))


@functools.cache
def right_files(kind):
    """The files of a kind as they should be, by their path in the folder."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        KINDS[kind].make(folder)
        return {
            str(path.relative_to(folder)): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }


# --- what a folder holds -------------------------------------------------------------------------


def _several(folder):
    with tempfile.TemporaryDirectory() as other:
        result = run_folder(Path(other)).to_json()
    write(folder / "all.json", {"schema": ALL_RESULTS, "verdict": "pass", "results": [result] * 2})


def _bench(folder):
    rows = [row("keras", *[1000.0] * 7), row("torch", *[1500.0] * 7, parity="pass")]
    rows.append(row("torch-own", 9.0, status="refused", reason="accuracy", parity="fail"))
    write(folder / "bench.json", bench_result(*rows).to_json())


def _store(folder):
    rows = sweep_rows(scenarios=("too_large",), seeds=2)
    stored_runs(folder, rows)
    tasks = [
        Task(each.half, scenario(each.scenario).replace(seed=each.seed), f"{number:064x}")
        for number, each in enumerate(rows)
    ]
    write_plan(folder, tasks, mode="independent", margins="visible", command="parity sweep")


def _failing_run(folder):
    run_folder(folder, failing="forward")


def _history(folder):
    write(folder / "history.json", HISTORY)


def _data(folder):
    _history(folder)
    rng = np.random.default_rng(0)
    arrays = {f"x_{part}": rng.integers(0, 256, (40, 28, 28), np.uint8) for part in PARTS}
    arrays |= {f"y_{part}": np.arange(40, dtype=np.uint8) % 10 for part in PARTS}
    np.savez_compressed(folder / "data.npz", **arrays)


def _toml(folder):
    (folder / "parity.toml").write_text(PROGRAMS)


def _events(folder):
    from event_files import write_columns

    write_columns(folder, {f"epoch_{name}": HISTORY[name] for name in ("loss", "accuracy")})


PARTS = ("train", "test")
RECORD = f"results/00/{1:064x}.json"
KINDS = {
    "result of a run": Kind(_failing_run, "result.json", "json", 60, ("report", "{}")),
    "result of a check": Kind(
        lambda folder: write(folder / "check.json", check_result().to_json()),
        *("check.json", "json", 40, ("report", "{}/check.json")),
    ),
    "results": Kind(_several, "all.json", "json", 30, ("report", "{}/all.json")),
    "sweep": Kind(
        lambda folder: sweep_folder(folder, shift=0.05),
        *("sweep.json", "json", 60, ("report", "{}"), True),
    ),
    "benchmark": Kind(_bench, "bench.json", "json", 45, ("report", "{}")),
    "diagnosis": Kind(diagnosis_folder, "diagnosis.json", "json", 45, ("report", "{}")),
    "record of a store": Kind(_store, RECORD, "json", 75, ("report", "{}")),
    "plan": Kind(_store, "plan.json", "json", 45, ("report", "{}")),
    "trace": Kind(run_folder, "torch/training/trace.json", "json", 30, ("report", "{}")),
    "history of a run": Kind(
        run_folder, "torch/training/history.json", "json", 30, ("report", "{}")
    ),
    "arrays": Kind(
        run_folder, "torch/training/trace.safetensors", "safetensors", 36, ("report", "{}")
    ),
    "history": Kind(
        _history, "history.json", "json", 30, ("diagnose", "{}/history.json"), is_input=True
    ),
    "data": Kind(
        _data,
        *("data.npz", "npz", 32, ("diagnose", "{}/history.json", "--data", "{}/data.npz")),
        is_input=True,
    ),
    "table": Kind(_toml, "parity.toml", "toml", 30, ("list",), is_input=True),
    "events": Kind(
        _events, "events.out.tfevents.1", "events", 20, ("diagnose", "{}"), is_input=True
    ),
}
