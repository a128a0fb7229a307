"""A sweep runs what is not finished, and only that, whatever killed it before."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import stub_half
from paths import ROOT, SUPPORT
from rows import each_row

from parity.errors import InputError
from parity.halves.job import ChildOptions
from parity.programs.halves import HALVES
from parity.programs.run_spec import RunSpec
from parity.sweeps.local import EngineOptions
from parity.sweeps.rows import judge_record
from parity.sweeps.store import open_store
from parity.sweeps.sweep import MAX_BATCH, SweepListener, batches_of, run_sweep
from parity.sweeps.task import tasks_of

PYTHONS = dict.fromkeys(HALVES, sys.executable)
SPEC = RunSpec(scenario="too_small", model="underfit", epochs=3, train_size=40, val_size=20)


def specs_of(*seeds, **settings):
    return [SPEC.replace(seed=seed, **settings) for seed in seeds]


class Told(SweepListener):
    """Keeps what it is told."""

    def __init__(self, interrupt_at=None):
        self.start, self.changes, self.failures, self.has_ended = None, [], [], False
        self.damaged = []
        self.interrupt_at = interrupt_at

    def on_start(self, total, finished):
        self.start = (total, finished)

    def on_change(self, finished, running, failed):
        self.changes.append((finished, running, failed))
        if finished == self.interrupt_at:
            raise KeyboardInterrupt

    def on_damaged(self, name, reason):
        self.damaged.append((name, reason))

    def on_failure(self, name, reason):
        self.failures.append((name, reason))

    def on_end(self):
        self.has_ended = True


@pytest.fixture
def sweep(tmp_path):
    """Runs a sweep in the place of whose children records are made, but of seeds that fail.

    `sweep.started` has the keys that were started so far.
    """

    def sweep(specs, *, engine=None, listener=None, halves=HALVES, store=None, fails=()):
        def at_once(batches, options, change):
            kept = open_store(options.store)
            for number, tasks in enumerate(batches):
                for done, task in enumerate(tasks, 1):
                    sweep.started.append(task.key)
                    failed = {task.key: "it broke"} if task.spec.seed in fails else {}
                    if not failed:
                        made = stub_half.record_of(task.half, task.spec)
                        kept.put(task.key, {"key": task.key, **made})
                    change(number, done, failed)

        options = EngineOptions(
            store=str(store or tmp_path / "store"),
            scratch=tmp_path / "batches",
            children=ChildOptions(timeout_s=60, workers=2),
        )
        return run_sweep(specs, options, engine or at_once, listener, halves)

    sweep.started = []
    return sweep


def events(log, event):
    lines = log.read_text().splitlines() if log.exists() else []
    return [line.split()[1] for line in lines if line.startswith(event)]


def records(folder):
    """All records of a store without what differs from one time to the next, as text."""
    store = open_store(folder)
    return {key: json.dumps({**store.get(key), "run": None}) for key in store.finished()}


def no_engine(batches, options, change):
    pytest.fail("nothing is left to run")


def test_rows_come_in_the_order_of_the_specs(sweep):
    found = sweep([*specs_of(3, 1), *specs_of(2, scenario="leak", epochs=2)])
    assert [(row.scenario, row.seed, row.half) for row in found.rows] == [
        ("too_small", 3, "keras"),
        ("too_small", 3, "torch"),
        ("too_small", 1, "keras"),
        ("too_small", 1, "torch"),
        ("leak", 2, "keras"),
        ("leak", 2, "torch"),
    ]
    assert found.is_complete
    assert found.num_run == 6
    expected = judge_record(stub_half.record_of("torch", specs_of(3)[0]), specs_of(3)[0])
    assert (found.rows[1].judgement, found.rows[1].wall_s) == expected
    assert found.rows[0].judgement.num_epochs == 3


def test_finished_runs_are_not_run_again(sweep):
    listener = Told()
    first = sweep(specs_of(1, 2))
    again = sweep(specs_of(1, 2), engine=no_engine, listener=listener)
    assert again.rows == first.rows
    assert (first.num_run, again.num_run) == (4, 0)
    assert listener.start == (4, 4)
    assert listener.has_ended
    more = sweep(specs_of(2, 3))
    assert more.num_run == 2
    assert len(sweep.started) == len(set(sweep.started)) == 6


def test_runs_with_equal_content_are_run_once(sweep):
    found = sweep([*specs_of(1), *specs_of(1, scenario="leak"), *specs_of(1, mode="independent")])
    # Three times torch, of which two are the same; Keras's run is one, whatever the mode of torch.
    assert len(sweep.started) == 3
    assert found.num_run == 3
    assert [row.scenario for row in found.rows[::2]] == ["too_small", "leak", "too_small"]
    assert found.rows[1].judgement == found.rows[3].judgement
    assert found.rows[0].judgement == found.rows[2].judgement == found.rows[4].judgement


def test_failures_become_rows_with_reasons(sweep):
    listener = Told()
    found = sweep(specs_of(1, 2, 3), listener=listener, fails=(1, 2))
    assert not found.is_complete
    assert [row.seed for row in found.rows] == [3, 3]
    assert found.num_run == 2
    told = [(row["scenario"], row["seed"], row["half"]) for row in found.failures]
    assert told == [("too_small", seed, half) for seed in (1, 2) for half in ("keras", "torch")]
    assert {row["reason"] for row in found.failures} == {"it broke"}
    names = [f"too_small seed {seed} {half}" for seed in (1, 2) for half in HALVES]
    assert sorted(name for name, _ in listener.failures) == sorted(names)
    assert listener.changes[-1] == (2, 0, 4)
    # What has failed is run again, and then the sweep is complete.
    again = sweep(specs_of(1, 2, 3))
    assert again.is_complete
    assert again.num_run == 4


def test_an_engine_that_loses_a_task_is_told(sweep):
    found = sweep(specs_of(1), engine=lambda batches, options, change: None)
    assert [row["reason"] for row in found.failures] == ["it was not run"] * 2


def test_progress_counts_what_was_finished_before(sweep):
    sweep(specs_of(1))
    listener = Told()
    sweep(specs_of(1, 2, 3), listener=listener)
    assert listener.start == (6, 2)
    assert listener.changes[0][0] == 3
    assert listener.changes[-1] == (6, 0, 0)
    finished = [change[0] for change in listener.changes]
    assert finished == sorted(finished)


def test_an_interrupted_sweep_goes_on_where_it_was(sweep, tmp_path):
    listener = Told(interrupt_at=3)
    with pytest.raises(KeyboardInterrupt):
        sweep(specs_of(*range(6)), listener=listener)
    assert listener.has_ended
    before = open_store(tmp_path / "store").finished()
    assert len(before) == 3
    found = sweep(specs_of(*range(6)))
    assert found.is_complete
    assert found.num_run == 12 - len(before)
    assert all(sweep.started.count(key) == 1 for key in before)


def test_a_damaged_result_is_told(sweep, tmp_path):
    sweep(specs_of(1))
    (path, _) = (tmp_path / "store").glob("results/*/*.json")
    path.write_text("{")
    listener = Told()
    found = sweep(specs_of(1), listener=listener)
    assert (found.num_run, found.is_complete) == (1, True)
    ((name, reason),) = listener.damaged
    assert name.startswith("too_small seed 1 ")
    assert (path.stem in reason, reason.count("\n")) == (True, 0)
    assert sweep(specs_of(1), engine=no_engine, listener=(again := Told())).is_complete
    assert again.damaged == []


@pytest.mark.parametrize("kind", ["another seed", "the other half"])
def test_another_run_under_a_new_key_is_told_and_run_again(sweep, tmp_path, kind):
    first = sweep(specs_of(1, 2))
    seed, half = (2, "keras") if kind == "another seed" else (1, "torch")
    keys = {(row.seed, row.half): row.key for row in first.rows}
    store, key = open_store(tmp_path / "store"), keys[1, "keras"]
    store.put(key, {**store.get(keys[seed, half]), "key": key})
    listener = Told()
    again = sweep(specs_of(1, 2), listener=listener)
    ((name, reason),) = listener.damaged
    assert name == "too_small seed 1 keras"
    assert "is the record of another run: " in reason
    assert again.num_run == 1
    assert [replace(row, wall_s=0) for row in again.rows] == [
        replace(row, wall_s=0) for row in first.rows
    ]


def test_a_record_that_stays_damaged_is_a_failure_and_not_run_for_ever(sweep, tmp_path):
    def engine(batches, options, change):
        for number, tasks in enumerate(batches):
            for task in tasks:
                open_store(options.store).put(task.key, {"key": task.key})
            change(number, len(tasks), {})

    found = sweep(specs_of(1), engine=engine)
    assert (found.rows, found.num_run) == ([], 0)
    assert all("has no 'half'" in row["reason"] for row in found.failures)


def test_a_store_or_data_that_cannot_be_used_start_nothing(sweep, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="folder of a sweep"):
        sweep(specs_of(1), store=tmp_path / "file")
    with pytest.raises(InputError, match="nowhere"):
        sweep(specs_of(1, data="nowhere.npz"))
    assert sweep.started == []


@each_row("workers", [1, 2, 7, 64])
@each_row("num_seeds", [0, 1, 5, 40])
def test_batches_deal_every_task_once(workers, num_seeds):
    groups = [{}, {"threads": 2}, {"device": "cuda"}, {"epochs": 50}]
    specs = [spec for group in groups for spec in specs_of(*range(num_seeds), **group)]
    tasks = tasks_of(specs, PYTHONS)
    random.Random(0).shuffle(tasks)
    batches = list(batches_of(tasks, workers))
    assert sorted(task.key for batch in batches for task in batch) == sorted(t.key for t in tasks)
    for batch in batches:
        assert 1 <= len(batch) <= MAX_BATCH
        assert len({(task.half, task.spec.device, task.spec.threads) for task in batch}) == 1


def test_batches_cost_about_the_same_and_the_long_tasks_come_first():
    specs = [SPEC.replace(seed=seed, epochs=1 + seed) for seed in range(96)]
    batches = list(batches_of(tasks_of(specs, PYTHONS, ["torch"]), 2))
    costs = [sum(task.cost for task in batch) for batch in batches]
    assert max(costs) < 1.2 * min(costs)
    for batch in batches:
        assert [task.cost for task in batch] == sorted((t.cost for t in batch), reverse=True)
    assert max(specs, key=lambda spec: spec.epochs) == batches[0][0].spec


# A driver in a process of its own, that can be killed: 60 runs of 0.05 s.
NUM_SEEDS = 30
DRIVER = f"""
import sys
from pathlib import Path
import stub_half
from parity.sweeps import local
from parity.sweeps.local import EngineOptions
from parity.halves.job import ChildOptions
from parity.programs.run_spec import RunSpec
from parity.sweeps.sweep import run_sweep

folder = Path(sys.argv[1])
spec = RunSpec.from_dict({SPEC.to_dict()!r})
sweep = run_sweep(
    [spec.replace(seed=seed) for seed in range({NUM_SEEDS})],
    EngineOptions(
        store=str(folder),
        scratch=folder / "batches",
        children=ChildOptions(timeout_s=60, workers=2),
        program=stub_half.program(log=folder / "log", sleep_s=0.05),
    ),
    local.run,
)
assert sweep.is_complete and len(sweep.rows) == {2 * NUM_SEEDS}, sweep.failures
"""


def start_driver(folder):
    paths = os.pathsep.join((str(ROOT), str(SUPPORT)))
    return subprocess.Popen(
        [sys.executable, "-c", DRIVER, folder], env=os.environ | {"PYTHONPATH": paths}
    )


@pytest.mark.long
def test_a_sweep_that_is_killed_ten_times_gives_the_same_results(tmp_path):
    killed, undisturbed = tmp_path / "killed", tmp_path / "undisturbed"
    log, draw = killed / "log", random.Random(7)
    killed.mkdir()
    undisturbed.mkdir()
    for _ in range(10):
        # At the start of the driver, between two runs, or in the middle of one.
        num_more = draw.randrange(5)
        target = len(events(log, "end")) + num_more
        driver = start_driver(killed)
        end_s = time.monotonic() + 60
        while len(events(log, "end")) < target and driver.poll() is None:
            assert time.monotonic() < end_s
            time.sleep(0.005)
        time.sleep(draw.random() * (0.06 if num_more else 0.8))
        assert driver.poll() is None, "killed too late"
        driver.send_signal(signal.SIGKILL)
        driver.wait()
    before = open_store(killed).finished()
    assert 10 <= len(before) < 2 * NUM_SEEDS  # something was left to lose, and to do
    for folder in (killed, undisturbed):
        assert start_driver(folder).wait(timeout=120) == 0
    assert records(killed) == records(undisturbed)
    assert len(records(killed)) == 2 * NUM_SEEDS
    # A run that was ended halfway starts again; one that has finished never does.
    lines = [line.split()[:2] for line in log.read_text().splitlines()]
    finished = set()
    for event, key in lines:
        assert (event, key) not in {("start", key) for key in finished}
        if event == "end":
            finished.add(key)
    assert len(events(undisturbed / "log", "start")) == 2 * NUM_SEEDS
    # The folders of killed drivers and their batches are gone.
    assert [path for path in (killed / "batches").rglob("*") if path.is_file()] == []
