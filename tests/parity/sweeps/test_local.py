"""The local engine: whatever happens to a child, every task ends in the store or as a failure."""

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace

import pytest
import stub_half
from paths import ROOT
from stub_sweeps import SCENARIO, started, stub_options

from parity.errors import InputError
from parity.sweeps import local
from parity.sweeps.batch import BATCH, CURRENT
from parity.sweeps.store import open_store
from parity.sweeps.task import Task


def batch_of(*seeds, half="torch"):
    return [Task(half, SCENARIO.replace(seed=seed), f"{seed:064x}") for seed in seeds]


class Result:
    """What an engine told, and what it left in a folder, by seed."""

    def __init__(self, folder):
        self.folder, self.num_done, self.failed = folder, {}, {}

    def on_change(self, number, num_done, reasons):
        assert num_done >= self.num_done.get(number, 0)
        self.num_done[number] = num_done
        reasons = {int(key, 16): reason for key, reason in reasons.items()}
        assert not self.failed.keys() & reasons.keys()
        self.failed |= reasons

    @property
    def finished(self):
        return {int(key, 16) for key in open_store(self.folder / "store").finished()}

    @property
    def started(self):
        """Seeds, as often as they were started."""
        return [int(key, 16) for key in started(self.folder)]

    @property
    def logs(self):
        """What is left of the batches."""
        left = sorted((self.folder / "store-batches").glob("*/[!.]*"))
        return {path.name: path.read_text() for path in left}


@pytest.fixture
def run(tmp_path):
    def run(*batches, changes=None, **settings):
        result = Result(tmp_path)
        options = replace(stub_options(tmp_path, **settings), **(changes or {}))
        local.run(batches, options, result.on_change)
        return result

    return run


def test_every_task_ends_in_the_store(run, tmp_path):
    result = run(batch_of(1, 2, 3), batch_of(4), batch_of(5, 6, half="keras"))
    assert (result.finished, sorted(result.started)) == ({1, 2, 3, 4, 5, 6}, [1, 2, 3, 4, 5, 6])
    assert (result.failed, result.num_done) == ({}, {0: 3, 1: 1, 2: 2})
    key = f"{5:064x}"
    expected = stub_half.record_of("keras", SCENARIO.replace(seed=5))
    record = open_store(tmp_path / "store").get(key)
    assert record == {**expected, "key": key, "run": record["run"]}
    assert list((tmp_path / "store-batches").iterdir()) == []


@pytest.mark.parametrize(
    ("act", "told", "log"),
    [
        ("raise", "ArithmeticError: the stub was told to raise (stub_half.py:", "Traceback"),
        ("kill", "was killed by SIGKILL", ""),
        ("exit", "the stub was told to exit (exit code 1)", "told to exit"),
    ],
)
def test_a_task_that_breaks_or_ends_its_child_fails_alone(run, act, told, log):
    result = run(batch_of(1, 2, 3, 4), acts={2: act})
    assert (result.finished, result.started, result.failed.keys()) == ({1, 3, 4}, [1, 2, 3, 4], {2})
    assert result.failed[2].startswith(told)  # the reader knows tasks, and no batches
    assert (result.num_done, result.logs.keys()) == ({0: 4}, {"batch-0.log"})
    assert log in result.logs["batch-0.log"]


def test_a_child_that_cannot_start_fails_its_tasks_with_one_reason(run):
    result = run(batch_of(1, 2, 3), batch_of(4, 5), acts={"start": "exit"})
    assert (result.finished, result.num_done) == (set(), {0: 3, 1: 2})
    reasons = [result.failed[seed] for seed in range(1, 6)]
    assert all("the stub was told to exit (exit code 1)" in reason for reason in reasons)
    assert len(set(reasons[:3])) == 1
    assert result.logs.keys() == {"batch-0.log", "batch-1.log"}  # none was tried again


def test_an_interpreter_that_is_missing(run):
    result = run(batch_of(1, 2), python="/no/such/python", changes={"program": ()})
    assert set(result.failed) == {1, 2}
    assert result.failed[1].startswith("the interpreter '/no/such/python' was not found")


def test_a_task_that_hangs_is_terminated_alone_and_the_limit_is_that_of_a_task(run):
    started_s = time.monotonic()
    # Six tasks of 0.35 s take longer than the limit, each takes less.
    result = run(batch_of(1, 2, 3, 4, 5, 6, 7), sleep_s=0.35, acts={2: "hang"}, timeout_s=2.0)
    assert (result.finished, result.failed.keys()) == ({1, 3, 4, 5, 6, 7}, {2})
    assert "did not end within 2 s and was stopped" in result.failed[2]
    assert time.monotonic() - started_s < 20


def test_a_child_that_dies_between_two_tasks_is_no_task_s_fault(run):
    # It has finished the first task when it is killed.
    stub = list(stub_half.program())
    dying = (
        "import json, os, pathlib, sys; d = pathlib.Path(sys.argv[2])\n"
        f"if d.name != 'batch-0': os.execv(sys.executable, {stub} + sys.argv[1:])\n"
        "from parity.sweeps.store import open_store\n"
        f"batch = json.loads((d / {BATCH!r}).read_text()); key = batch['tasks'][0]['key']\n"
        f"(d / {CURRENT!r}).write_text(key)\n"
        "open_store(batch['store']).put(key, {'key': key}); os.kill(os.getpid(), 9)"
    )
    result = run(batch_of(1, 2, 3), changes={"program": (sys.executable, "-c", dying)})
    assert (result.finished, result.failed, result.num_done) == ({1, 2, 3}, {}, {0: 3})


def test_what_a_killed_sweep_left_is_removed_and_a_living_one_is_not_touched(run, tmp_path):
    hold = (
        "import sys; from pathlib import Path; from parity.files.atomic import private_folder\n"
        "with private_folder('sweep', Path(sys.argv[1])) as folder:\n"
        "    (folder / 'batch-0' / 'failed').mkdir(parents=True); print(flush=True); input()"
    )
    scratch = tmp_path / "store-batches"
    scratch.mkdir()
    dead, living = (
        subprocess.Popen([sys.executable, "-c", hold, scratch], stdin=-1, stdout=-1, cwd=ROOT)
        for _ in range(2)
    )
    for process in (dead, living):
        process.stdout.readline()
    dead.kill()
    dead.communicate()
    assert (len(list(scratch.iterdir())), run(batch_of(1)).finished) == (2, {1})
    assert len(list(scratch.glob("*/batch-0/failed"))) == 1
    living.communicate(b"\n")
    assert list(scratch.iterdir()) == []


def test_a_folder_that_waits_under_the_name_of_an_earlier_version_is_not_used(
    run, tmp_path, monkeypatch
):
    elsewhere, temporary = tmp_path / "elsewhere", tmp_path / "tmp"
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    for folder in (elsewhere, temporary):
        folder.mkdir()
    (temporary / f"parity-sweep-{os.getuid()}").symlink_to(elsewhere)
    assert run(batch_of(1, 2), acts={2: "raise"}, changes={"scratch": None}).finished == {1}
    assert list(elsewhere.iterdir()) == []
    (log,) = temporary.glob("parity-sweep-????????/batch-0.log")
    assert log.parent.stat().st_mode & 0o777 == 0o700


def test_a_scratch_folder_that_cannot_be_used(run, tmp_path):
    (tmp_path / "store-batches").touch()
    with pytest.raises(InputError, match=r"store-batches: cannot be used .*--out"):
        run(batch_of(1))


def test_an_interrupt_ends_the_children_and_keeps_what_has_finished(run, tmp_path, monkeypatch):
    def interrupt(self, number, num_done, reasons):
        if num_done == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(Result, "on_change", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(batch_of(1, 2, 3, 4, 5, 6), sleep_s=0.3)
    assert {1, 2} <= Result(tmp_path).finished < {1, 2, 3, 4, 5, 6}
    assert not list(tmp_path.glob("store-batches/*/batch-0/*"))
