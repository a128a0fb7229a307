"""A sweep of programs: feeds before ports, failures that are told, kills that lose nothing."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest
import stub_half
from paths import ROOT, SUPPORT
from programs_here import FOLDER

from parity.cli.main import main
from parity.halves.job import ChildOptions
from parity.programs.halves import HALVES
from parity.programs.program_spec import ProgramSpec
from parity.programs.run_spec import RunSpec
from parity.sweeps import local
from parity.sweeps.local import EngineOptions
from parity.sweeps.store import open_store
from parity.sweeps.sweep import batches_of, run_sweep
from parity.sweeps.task import tasks_of

pytestmark = pytest.mark.usefixtures("warm_halves")

PYTHONS = dict.fromkeys(HALVES, sys.executable)
PROGRAM = ProgramSpec(
    program="small",
    keras="keras_side.py:build",
    torch="torch_side.py:build",
    folder=str(FOLDER),
    max_feed=1,
)
SCENARIO = RunSpec(scenario="too_small", model="underfit", epochs=3, train_size=40, val_size=20)


def specs_of(*seeds, spec=PROGRAM):
    return [spec.replace(seed=seed) for seed in seeds]


@pytest.fixture
def sweep(tmp_path):
    """Runs a sweep of stub runs; `sweep.started()` gives the keys that were started so far."""

    def sweep(specs, *, workers=2, **stub):
        options = EngineOptions(
            store=str(tmp_path / "store"),
            scratch=tmp_path / "batches",
            children=ChildOptions(timeout_s=60, workers=workers),
            program=stub_half.program(log=tmp_path / "log", **stub),
        )
        return run_sweep(specs, options, local.run)

    def started():
        log = tmp_path / "log"
        lines = log.read_text().splitlines() if log.exists() else []
        return [line.split()[1] for line in lines if line.startswith("start")]

    sweep.started = started
    sweep.left = lambda: sorted(path.name for path in (tmp_path / "batches").glob("*/*"))
    return sweep


def test_programs_and_scenarios_are_swept_together_and_only_once(sweep):
    specs = [*specs_of(0, 1, 2), *specs_of(4, spec=SCENARIO)]
    found = sweep(specs)
    assert found.is_complete
    assert [(row.scenario, row.seed, row.half) for row in found.rows] == [
        (spec.name, spec.seed, half) for spec in specs for half in HALVES
    ]
    assert sweep.left() == []  # no feed is kept
    again = sweep(specs)
    assert (again.num_run, again.rows) == (0, found.rows)
    assert len(sweep.started()) == 8


def test_feeds_for_which_there_is_no_room_are_told_in_another_round(sweep):
    """Of a feed of 0.6 MiB, two go beyond 1 MiB, so that a round has two."""
    found = sweep(specs_of(0, 1, 2, 3, 4), acts={"bytes": 600_000})
    assert found.is_complete
    assert len(sweep.started()) == len(set(sweep.started())) == 10


def test_a_seed_whose_feed_cannot_be_told_fails_alone(sweep):
    found = sweep(specs_of(0, 1, 2), acts={1: "untold"})
    (failure,) = found.failures
    assert (failure["seed"], failure["half"]) == (1, "torch")
    assert failure["reason"] == "the stub was told not to tell"


def test_if_the_child_that_tells_dies_the_ports_fail_and_keras_goes_on(sweep):
    found = sweep(specs_of(0, 1), acts={"tell": "kill"})
    assert [row.half for row in found.rows] == ["keras", "keras"]
    assert [failure["half"] for failure in found.failures] == ["torch", "torch"]
    assert all("killed by SIGKILL" in failure["reason"] for failure in found.failures)
    assert sweep(specs_of(0, 1)).is_complete


def test_a_batch_is_of_one_program_and_there_are_as_many_as_workers():
    other = PROGRAM.replace(program="other", epochs=2)
    specs = [*specs_of(*range(5)), *specs_of(0, spec=other), *specs_of(0, spec=SCENARIO)]
    batches = [
        {(task.half, task.spec.name) for task in batch}
        for batch in batches_of(tasks_of(specs, PYTHONS), workers=2)
    ]
    assert all(len(names) == 1 for names in batches)
    assert batches.count({("torch", "small")}) == 2


SWEEP = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import stub_half
from test_program_sweep import specs_of, SCENARIO
from parity.halves.job import ChildOptions
from parity.sweeps import local
from parity.sweeps.local import EngineOptions
from parity.sweeps.sweep import run_sweep
folder = Path(sys.argv[2])
options = EngineOptions(
    str(folder / "store"), folder / "batches", ChildOptions(timeout_s=60, workers=2),
    stub_half.program(log=folder / "log", sleep_s=0.03),
)
run_sweep([*specs_of(*range(4)), *specs_of(1, spec=SCENARIO)], options, local.run)
"""


def records(folder):
    store = open_store(folder)
    return {key: json.dumps({**store.get(key), "run": None}) for key in store.finished()}


@pytest.mark.long
def test_a_sweep_that_is_killed_again_and_again_ends_as_if_it_had_not_been(tmp_path):
    paths = os.pathsep.join([str(ROOT), str(SUPPORT), str(ROOT / "tests/parity/sweeps")])

    def start(folder):
        folder.mkdir(exist_ok=True)
        return subprocess.Popen(
            [sys.executable, "-c", SWEEP, str(SUPPORT), str(folder)],
            env=os.environ | {"PYTHONPATH": paths},
            start_new_session=True,
            stderr=subprocess.DEVNULL,
        )

    assert start(tmp_path / "whole").wait(timeout=120) == 0
    draw, kills = random.Random(5), 0
    for _ in range(60):
        process = start(tmp_path / "killed")
        try:
            # Later each time, so that the sweep ends.
            process.wait(timeout=0.5 + 0.5 * kills + draw.random())
            break
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
    assert process.returncode == 0
    assert kills > 0
    assert records(tmp_path / "killed" / "store") == records(tmp_path / "whole" / "store")
    assert len(records(tmp_path / "whole" / "store")) == 10
    assert start(tmp_path / "killed").wait(timeout=120) == 0  # has nothing to do, and tidies up
    assert not list((tmp_path / "killed" / "batches").glob("*/feeds*"))


@pytest.mark.long
def test_a_real_sweep_of_a_program_is_killed_and_goes_on(tmp_path, monkeypatch, capsys):
    """Both halves train; the first sweep is killed when a run of each half has finished.

    The second one is called here, where its halves need not import their frameworks.
    """
    shutil.copytree(FOLDER, tmp_path / "mine")
    command = ["parity", "sweep", "small", "--seeds", "0:2", "--epochs", "3"]
    command += ["--workers", "1", "--json", "sweep.json"]  # a child for all seeds of a half
    first = subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=tmp_path / "mine",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    results = tmp_path / "mine" / "parity-sweep" / "results"
    end_s = time.monotonic() + 300
    while len(list(results.rglob("*.json"))) < 1 and time.monotonic() < end_s:
        assert first.poll() is None
        time.sleep(0.05)
    first.kill()
    first.communicate()
    before = {path.name: path.stat().st_mtime_ns for path in results.rglob("*.json")}
    assert 0 < len(before) < 4
    monkeypatch.chdir(tmp_path / "mine")
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as second:
        main()
    said = "".join(capsys.readouterr())
    assert second.value.code == 3, said  # two seeds decide nothing
    found = json.loads((tmp_path / "mine" / "sweep.json").read_text())
    assert found["verdict"] == "inconclusive", said
    assert found["runs"] == {"finished": 4, "failed": 0, "now": 4 - len(before)}
    assert {row["scenario"] for row in found["rows"]} == {"small"}
    after = {path.name: path.stat().st_mtime_ns for path in results.rglob("*.json")}
    assert before.items() <= after.items()
    # The port and Keras were fed the same samples, and each begins with weights of its own.
    store = open_store(tmp_path / "mine" / "parity-sweep")
    rows = [store.get(key) for key in store.finished()]
    assert len({row["fed_sha256"] for row in rows}) == 1
    assert {(row["num_train"], row["num_val"]) for row in rows} == {(70, 23)}
    assert len({json.dumps(row["history"]) for row in rows}) == 4
