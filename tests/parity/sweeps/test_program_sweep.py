"""A sweep of programs: feeds before ports, failures that are told, kills that lose nothing."""

import json
import shutil
import subprocess
import sys

import pytest
from paths import SUPPORT
from processes import wait_for
from stub_sweeps import PROGRAM, SCENARIO, specs_of, started, stub_options

from parity.cli.main import main
from parity.programs.halves import HALVES
from parity.sweeps import local
from parity.sweeps.store import open_store
from parity.sweeps.sweep import batches_of, run_sweep
from parity.sweeps.task import tasks_of

pytestmark = pytest.mark.usefixtures("warm_halves")


@pytest.fixture
def sweep(tmp_path):
    """Runs a sweep of stub runs."""

    def sweep(specs, **stub):
        return run_sweep(specs, stub_options(tmp_path, **stub), local.run)

    return sweep


def programs(*seeds):
    return specs_of(*seeds, spec=PROGRAM)


def test_programs_and_scenarios_are_swept_together_and_only_once(sweep, tmp_path):
    specs = [*programs(0, 1, 2), *specs_of(4)]
    found = sweep(specs)
    assert [(row.scenario, row.seed, row.half) for row in found.rows] == [
        (spec.name, spec.seed, half) for spec in specs for half in HALVES
    ]
    assert list(tmp_path.glob("store-batches/*/*")) == []  # no feed is kept
    again = sweep(specs)
    assert (again.num_run, again.rows, len(started(tmp_path))) == (0, found.rows, 8)


def test_feeds_for_which_there_is_no_room_are_told_in_another_round(sweep, tmp_path):
    """Of a feed of 0.6 MiB, two go beyond 1 MiB, so that a round has two."""
    assert sweep(programs(0, 1, 2, 3, 4), acts={"bytes": 600_000}).is_complete
    assert len(started(tmp_path)) == len(set(started(tmp_path))) == 10


def test_a_seed_whose_feed_cannot_be_told_fails_alone(sweep):
    assert sweep(programs(0, 1, 2), acts={1: "untold"}).failures == [
        {"scenario": "small", "seed": 1, "half": "torch", "reason": "the stub was told not to tell"}
    ]


def test_if_the_child_that_tells_dies_the_ports_fail_and_keras_goes_on(sweep):
    found = sweep(programs(0, 1), acts={"tell": "kill"})
    assert [row.half for row in found.rows] == ["keras", "keras"]
    assert [failure["half"] for failure in found.failures] == ["torch", "torch"]
    assert all("killed by SIGKILL" in failure["reason"] for failure in found.failures)
    assert sweep(programs(0, 1)).is_complete


def test_a_batch_is_of_one_program_and_there_are_as_many_as_workers():
    other = PROGRAM.replace(program="other", epochs=2)
    tasks = tasks_of([*programs(*range(5)), other, SCENARIO], dict.fromkeys(HALVES, sys.executable))
    batches = [{(task.half, task.spec.name) for task in batch} for batch in batches_of(tasks, 2)]
    assert all(len(names) == 1 for names in batches)
    assert batches.count({("torch", "small")}) == 2


@pytest.mark.long
def test_a_real_sweep_of_a_program_is_killed_and_goes_on(tmp_path, monkeypatch, capsys):
    """Both halves train; the first sweep is killed when a run of each half has finished.

    The second one is called here, where its halves need not import their frameworks.
    """
    mine = tmp_path / "mine"
    shutil.copytree(SUPPORT / "user_program", mine)
    command = ["parity", "sweep", "small", "--seeds", "0:2", "--epochs", "3"]
    command += ["--workers", "1", "--json", "sweep.json"]  # a child for all seeds of a half
    first = subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=mine,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )

    def finished():
        results = (mine / "parity-sweep" / "results").rglob("*.json")
        return {path.name: path.stat().st_mtime_ns for path in results}

    wait_for(lambda: finished() or first.poll() is not None, 300)
    first.kill()
    first.communicate()
    before = finished()
    assert 0 < len(before) < 4
    monkeypatch.chdir(mine)
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as second:
        main()
    assert second.value.code == 3, capsys.readouterr()
    found = json.loads((mine / "sweep.json").read_text())
    assert found["verdict"] == "inconclusive"  # two seeds decide nothing
    assert found["runs"] == {"finished": 4, "failed": 0, "now": 4 - len(before)}
    assert {row["scenario"] for row in found["rows"]} == {"small"}
    assert before.items() <= finished().items()
    # The port and Keras were fed the same samples, and each begins with weights of its own.
    store = open_store(mine / "parity-sweep")
    rows = [store.get(key) for key in store.finished()]
    assert len({row["fed_sha256"] for row in rows}) == 1
    assert {(row["num_train"], row["num_val"]) for row in rows} == {(70, 23)}
    assert len({json.dumps(row["history"]) for row in rows}) == 4
