"""Sweeps whose runs are stubs: their specs, how an engine runs them, and what they leave."""

import sys

import stub_half
from paths import SUPPORT

from parity.halves.job import ChildOptions
from parity.programs.program_spec import ProgramSpec
from parity.programs.run_spec import RunSpec
from parity.sweeps.local import EngineOptions
from parity.sweeps.store import open_store

SCENARIO = RunSpec(scenario="too_small", model="underfit", epochs=3, train_size=40, val_size=20)
PROGRAM = ProgramSpec(
    program="small",
    keras="keras_side.py:build",
    torch="torch_side.py:build",
    folder=str(SUPPORT / "user_program"),
    max_feed=1,
)


def specs_of(*seeds, spec=SCENARIO, **settings):
    return [spec.replace(seed=seed, **settings) for seed in seeds]


def stub_options(folder, name="store", *, workers=2, python=sys.executable, timeout_s=60.0, **stub):
    """How an engine runs stubs; all that is written lies in a folder, under a name."""
    return EngineOptions(
        store=str(folder / name),
        scratch=folder / f"{name}-batches",
        children=ChildOptions(python, python, timeout_s, workers),
        program=stub_half.program(log=folder / f"{name}.log", **stub),
    )


def at_once(run):
    """An engine that takes as the record of a task what `run` returns, or a text as its failure."""

    def engine(batches, options, change):
        store = open_store(options.store)
        for number, tasks in enumerate(batches):
            for done, task in enumerate(tasks, 1):
                found = run(task)
                failed = {task.key: found} if isinstance(found, str) else {}
                if not failed:
                    store.put(task.key, {**found, "key": task.key})
                change(number, done, failed)

    return engine


def events(folder, name="store"):
    """(event, key, process) of every run so far: "start" or "end"."""
    log = folder / f"{name}.log"
    lines = log.read_text().splitlines() if log.exists() else []
    return [tuple(line.split()) for line in lines]


def started(folder, name="store"):
    """The keys of the runs that were started so far."""
    return [key for event, key, _ in events(folder, name) if event == "start"]


def records(store):
    """All records of a store, but for when and where each was made."""
    kept = open_store(store)
    return {key: {**kept.get(key), "run": None} for key in kept.finished()}
