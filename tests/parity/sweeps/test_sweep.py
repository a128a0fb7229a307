"""A sweep runs what is not finished, and only that, whatever killed it before."""

import itertools
import json
import os
import random
import subprocess
import sys
import time
from dataclasses import replace
from unittest.mock import Mock, call

import pytest
import stub_half
from paths import ROOT, SUPPORT
from processes import wait_for
from rows import each_row
from stub_sweeps import PROGRAM, SCENARIO, at_once, events, records, specs_of, started, stub_options

from parity.errors import InputError
from parity.files.atomic import private_folder
from parity.programs.halves import HALVES
from parity.sweeps.rows import Row, Sweep, judge_record
from parity.sweeps.store import open_store
from parity.sweeps.sweep import MAX_BATCH, SweepListener, batches_of, run_sweep
from parity.sweeps.task import tasks_of

PYTHONS = dict.fromkeys(HALVES, sys.executable)


@pytest.fixture
def sweep(tmp_path):
    """Runs a sweep in the place of whose children records are made, but of seeds that fail.

    `sweep.started` has the keys that were started so far. Without an engine, nothing may be left
    to run.
    """

    def run(task):
        sweep.started.append(task.key)
        fails = task.spec.seed in sweep.fails
        return "it broke" if fails else stub_half.record_of(task.half, task.spec)

    usual = at_once(run)

    def sweep(specs, *, engine=usual, listener=None, fails=(), **changes):
        sweep.fails = fails
        return run_sweep(specs, replace(stub_options(tmp_path), **changes), engine, listener)

    sweep.started = []
    return sweep


def test_rows_come_in_the_order_of_the_specs(sweep):
    specs = [*specs_of(3, 1), *specs_of(2, scenario="leak", epochs=2)]
    rows = [
        Row(task.spec.scenario, task.spec.seed, task.half, *found, task.key)
        for task in tasks_of(specs, PYTHONS)
        for found in [judge_record(stub_half.record_of(task.half, task.spec), task.spec)]
    ]
    assert sweep(specs) == Sweep(rows, num_run=6)


def test_finished_runs_are_not_run_again(sweep):
    listener = Mock(SweepListener)
    first = sweep(specs_of(1, 2))
    again = sweep(specs_of(1, 2), engine=None, listener=listener)
    assert (first.num_run, again) == (4, replace(first, num_run=0))
    assert listener.mock_calls == [call.on_start(4, 4), call.on_end()]
    assert sweep(specs_of(2, 3)).num_run == 2
    assert len(sweep.started) == len(set(sweep.started)) == 6


def test_a_sweep_that_has_nothing_to_do_tidies_up_what_a_killed_one_left(sweep, tmp_path):
    sweep(specs_of(1))
    (tmp_path / "store-batches").mkdir()
    with private_folder("sweep", tmp_path / "store-batches", kept="*.log") as dead:
        (dead / "batch-0.log").touch()
    sweep(specs_of(1), engine=None)
    assert not dead.exists()


def test_runs_with_equal_content_are_run_once(sweep):
    found = sweep([*specs_of(1), *specs_of(1, scenario="leak"), *specs_of(1, mode="independent")])
    # Three times torch, of which two are the same; Keras's run is one, whatever the mode of torch.
    assert found.num_run == len(sweep.started) == 3
    assert [row.scenario for row in found.rows[::2]] == ["too_small", "leak", "too_small"]
    keras, torch = ([row.judgement for row in found.rows[half::2]] for half in (0, 1))
    assert torch[0] == torch[1]
    assert keras[0] == keras[1] == keras[2]


def test_failures_become_rows_with_reasons(sweep):
    listener = Mock(SweepListener)
    found = sweep(specs_of(1, 2, 3), listener=listener, fails=(1, 2))
    assert ([row.seed for row in found.rows], found.num_run) == ([3, 3], 2)
    assert found.failures == [
        {"scenario": "too_small", "seed": seed, "half": half, "reason": "it broke"}
        for seed in (1, 2)
        for half in HALVES
    ]
    names = [f"too_small seed {seed} {half}" for seed in (1, 2) for half in HALVES]
    listener.on_failure.assert_has_calls([call(name, "it broke") for name in names], any_order=True)
    assert (listener.on_failure.call_count, listener.on_change.call_args) == (4, call(2, 0, 4))
    # What has failed is run again, and then the sweep is complete.
    again = sweep(specs_of(1, 2, 3))
    assert (again.failures, again.num_run) == ([], 4)


def test_progress_counts_what_was_finished_before(sweep):
    listener = Mock(SweepListener)
    sweep(specs_of(0))
    sweep(specs_of(*range(13)), listener=listener)  # batches of two
    assert listener.mock_calls == [
        call.on_start(26, 2),
        *(call.on_change(finished, min(2, 26 - finished), 0) for finished in range(3, 27)),
        call.on_end(),
    ]


def test_an_interrupted_sweep_goes_on_where_it_was(sweep, tmp_path):
    listener = Mock(SweepListener)
    listener.on_change.side_effect = [None, None, KeyboardInterrupt]
    with pytest.raises(KeyboardInterrupt):
        sweep(specs_of(*range(6)), listener=listener)
    listener.on_end.assert_called_once_with()
    assert len(open_store(tmp_path / "store").finished()) == 3
    found = sweep(specs_of(*range(6)))
    assert (found.is_complete, found.num_run) == (True, 9)
    assert len(sweep.started) == len(set(sweep.started)) == 12


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (None, "damaged result ("),
        ((2, "keras"), "is the record of another run: "),
        ((1, "torch"), "is the record of another run: "),
    ],
    ids=["damaged", "another seed", "the other half"],
)
def test_a_record_that_is_not_that_of_its_key_is_told_and_run_again(sweep, tmp_path, other, reason):
    first = sweep(specs_of(1, 2))
    keys = {(row.seed, row.half): row.key for row in first.rows}
    store, key = open_store(tmp_path / "store"), keys[1, "keras"]
    (path,) = (tmp_path / "store").rglob(f"{key}.json")
    path.write_text(json.dumps({**store.get(keys[other]), "key": key}) if other else "{")
    listener = Mock(SweepListener)
    assert sweep(specs_of(1, 2), listener=listener) == replace(first, num_run=1)
    ((name, text),) = (told.args for told in listener.on_damaged.call_args_list)
    assert (name, reason in text, key in text) == ("too_small seed 1 keras", True, True)
    assert "\n" not in text
    assert path.with_suffix(".damaged").exists()
    assert sweep(specs_of(1, 2), engine=None) == replace(first, num_run=0)


@pytest.mark.parametrize(
    ("record", "reason"), [(None, "it was not run"), ({}, "has no 'half'")], ids=["lost", "damaged"]
)
def test_a_run_that_an_engine_loses_or_leaves_damaged_is_a_failure(sweep, record, reason):
    """It is not run for ever."""

    def engine(batches, options, change):
        for task in itertools.chain(*batches) if record is not None else ():
            open_store(options.store).put(task.key, {"key": task.key, **record})

    found = sweep(specs_of(1), engine=engine)
    assert found.rows == []
    assert record is None or found.num_run == 0
    assert [reason in row["reason"] for row in found.failures] == [True, True]


@pytest.mark.parametrize(
    ("store", "data", "message"),
    [("file", "embedded", "folder of a sweep"), ("store", "nowhere.npz", "nowhere")],
)
def test_a_store_or_data_that_cannot_be_used_start_nothing(sweep, tmp_path, store, data, message):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=message):
        sweep(specs_of(1, data=data), store=str(tmp_path / store))
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
    specs = [SCENARIO.replace(seed=seed, epochs=1 + seed) for seed in range(96)]
    batches = list(batches_of(tasks_of(specs, PYTHONS, ["torch"]), 2))
    costs = [[task.cost for task in batch] for batch in batches]
    assert max(map(sum, costs)) < 1.2 * min(map(sum, costs))
    assert costs == [sorted(each, reverse=True) for each in costs]
    assert batches[0][0].spec == specs[-1]


# A driver in a process of its own, that can be killed: 60 runs of 0.05 s.
NUM_RUNS = 60
DRIVER = f"""
import json, sys
from pathlib import Path
from stub_sweeps import stub_options
from parity.sweeps import local
from parity.sweeps.batch import spec_from
from parity.sweeps.sweep import run_sweep

specs = [spec_from(values) for values in json.loads(sys.argv[2])]
sweep = run_sweep(specs, stub_options(Path(sys.argv[1]), sleep_s=0.05), local.run)
assert sweep.is_complete and len(sweep.rows) == {NUM_RUNS}, sweep.failures
"""


def start_driver(folder, specs):
    folder.mkdir(exist_ok=True)
    settings = json.dumps([spec.to_dict() for spec in specs])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(ROOT), str(SUPPORT)))}
    return subprocess.Popen([sys.executable, "-c", DRIVER, folder, settings], env=environment)


@pytest.mark.long
@pytest.mark.parametrize(
    "specs",
    [specs_of(*range(30)), [*specs_of(*range(20), spec=PROGRAM), *specs_of(*range(10))]],
    ids=["scenarios", "with programs"],
)
def test_a_sweep_that_is_killed_ten_times_gives_the_same_results(tmp_path, specs):
    killed, undisturbed = tmp_path / "killed", tmp_path / "undisturbed"
    draw = random.Random(7)

    def kill_after(num_more):
        """At the start of the driver, between two runs, or in the middle of one."""

        def num_ended():
            return sum(event == "end" for event, _, _ in events(killed))

        target, driver = num_ended() + num_more, start_driver(killed, specs)
        wait_for(lambda: num_ended() >= target or driver.poll() is not None, 60)
        time.sleep(draw.random() * (0.06 if num_more else 0.8))
        assert driver.poll() is None, "killed too late"
        driver.kill()
        driver.wait()

    for _ in range(10):
        kill_after(draw.randrange(5))
    # Something was left to lose, and to do.
    assert 10 <= len(open_store(killed / "store").finished()) < NUM_RUNS
    for folder in (killed, undisturbed):
        assert start_driver(folder, specs).wait(timeout=120) == 0
    assert records(killed / "store") == records(undisturbed / "store")
    assert len(records(killed / "store")) == len(started(undisturbed)) == NUM_RUNS
    # A run that was ended halfway starts again; one that has finished never does.
    log = [event[:2] for event in events(killed)]
    ends = {key: log.index((event, key)) for event, key in log if event == "end"}
    assert all(("start", key) not in log[end:] for key, end in ends.items())
    # The folders of killed drivers, their batches and feeds are gone.
    assert [path for path in (killed / "store-batches").rglob("*") if path.is_file()] == []
