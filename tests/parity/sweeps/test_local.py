"""The local engine: whatever happens to a child, every task ends in the store or as a failure."""

import os
import subprocess
import sys
import tempfile
import time

import pytest
import stub_half
from paths import ROOT

from parity.errors import InputError
from parity.halves.job import ChildOptions
from parity.programs.run_spec import RunSpec
from parity.sweeps import local
from parity.sweeps.batch import BATCH, CURRENT
from parity.sweeps.local import EngineOptions
from parity.sweeps.store import open_store
from parity.sweeps.task import Task

SPEC = RunSpec(scenario="tiny", model="underfit", epochs=2, train_size=40, val_size=20)


def batch_of(*seeds, half="torch"):
    return [Task(half, SPEC.replace(seed=seed), f"{seed:064x}") for seed in seeds]


class Result:
    """What an engine told."""

    def __init__(self, folder):
        self.folder, self.store = folder, open_store(folder / "store")
        self.num_done, self.reasons, self.batches = {}, {}, {}

    def on_change(self, number, num_done, reasons):
        assert num_done >= self.num_done.get(number, 0)
        self.num_done[number] = num_done
        assert not self.reasons.keys() & reasons.keys()
        self.reasons.update(reasons)
        self.batches.update(dict.fromkeys(reasons, number))

    @property
    def finished(self):
        return {int(key, 16) for key in self.store.finished()}

    @property
    def failed(self):
        return {int(key, 16): reason for key, reason in self.reasons.items()}

    @property
    def started(self):
        """Seeds, as often as they were started."""
        lines = (self.folder / "log").read_text().splitlines()
        return [int(line.split()[1], 16) for line in lines if line.startswith("start")]

    @property
    def left(self):
        """What is left in the folder for batches."""
        return sorted(path.name for path in (self.folder / "scratch").glob("*/[!.]*"))


@pytest.fixture
def run(tmp_path):
    def run(
        *batches,
        workers=2,
        timeout_s=60.0,
        python=sys.executable,
        program=None,
        scratch=tmp_path / "scratch",
        **stub,
    ):
        result = Result(tmp_path)
        options = EngineOptions(
            store=str(tmp_path / "store"),
            scratch=scratch,
            children=ChildOptions(python, python, timeout_s, workers),
            program=stub_half.program(log=tmp_path / "log", **stub) if program is None else program,
        )
        local.run(batches, options, result.on_change)
        return result

    return run


def test_every_task_ends_in_the_store(run):
    result = run(batch_of(1, 2, 3), batch_of(4), batch_of(5, 6, half="keras"))
    assert result.finished == {1, 2, 3, 4, 5, 6}
    assert sorted(result.started) == [1, 2, 3, 4, 5, 6]
    assert result.failed == {}
    assert result.num_done == {0: 3, 1: 1, 2: 2}
    record = result.store.get(f"{5:064x}")
    expected = stub_half.record_of("keras", SPEC.replace(seed=5))
    assert {**record, "run": 0} == {**expected, "key": f"{5:064x}", "run": 0}
    assert list((result.folder / "scratch").iterdir()) == []


def test_a_task_that_raises_fails_alone(run):
    result = run(batch_of(1, 2, 3), acts={2: "raise"})
    assert result.finished == {1, 3}
    assert result.failed.keys() == {2}
    assert result.failed[2].startswith("ArithmeticError: the stub was told to raise (stub_half.py:")
    assert result.started == [1, 2, 3]  # in one child
    assert result.num_done == {0: 3}
    assert result.left == ["batch-0.log"]
    (log,) = result.folder.glob("scratch/*/batch-0.log")
    assert "Traceback" in log.read_text()


@pytest.mark.parametrize(
    ("act", "told"),
    [("kill", "was killed by SIGKILL"), ("exit", "told to exit")],
)
def test_a_task_that_ends_its_child_fails_alone(run, act, told):
    result = run(batch_of(1, 2, 3, 4), acts={2: act})
    assert result.finished == {1, 3, 4}
    assert list(result.failed) == [2]
    assert told in result.failed[2]
    assert not result.failed[2].startswith("batch")  # the reader knows tasks, and no batches
    assert result.started == [1, 2, 3, 4]
    assert result.num_done == {0: 4}
    assert result.left == ["batch-0.log"]


def test_a_child_that_cannot_start_fails_its_tasks_with_one_reason(run):
    result = run(batch_of(1, 2, 3), batch_of(4, 5), acts={"start": "exit"})
    assert result.finished == set()
    assert sorted(result.failed) == [1, 2, 3, 4, 5]
    assert len({result.failed[seed] for seed in (1, 2, 3)}) == 1
    assert "the stub was told to exit (exit code 1)" in result.failed[1]
    assert result.num_done == {0: 3, 1: 2}
    assert result.left == ["batch-0.log", "batch-1.log"]  # none was tried again


def test_an_interpreter_that_is_missing(run):
    result = run(batch_of(1, 2), python="/no/such/python", program=())
    assert set(result.failed) == {1, 2}
    assert result.failed[1].startswith("the interpreter '/no/such/python' was not found")


def test_a_task_that_hangs_is_terminated_alone_and_the_limit_is_that_of_a_task(run):
    started_s = time.monotonic()
    # Six tasks of 0.35 s take longer than the limit, each takes less.
    result = run(batch_of(1, 2, 3, 4, 5, 6, 7), sleep_s=0.35, acts={2: "hang"}, timeout_s=2.0)
    assert result.finished == {1, 3, 4, 5, 6, 7}
    assert list(result.failed) == [2]
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
    result = run(batch_of(1, 2, 3), program=(sys.executable, "-c", dying))
    assert result.finished == {1, 2, 3}
    assert result.failed == {}
    assert result.num_done == {0: 3}


def test_what_a_killed_sweep_left_is_removed_and_a_living_one_is_not_touched(run, tmp_path):
    hold = (
        "import sys; from pathlib import Path; from parity.files.atomic import private_folder\n"
        "with private_folder('sweep', Path(sys.argv[1])) as folder:\n"
        "    (folder / 'batch-0' / 'failed').mkdir(parents=True); print(flush=True); input()"
    )
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    dead, living = (
        subprocess.Popen([sys.executable, "-c", hold, scratch], stdin=-1, stdout=-1, cwd=ROOT)
        for _ in range(2)
    )
    for process in (dead, living):
        process.stdout.readline()
    dead.kill()
    dead.communicate()
    assert len(list(scratch.iterdir())) == 2
    assert run(batch_of(1)).finished == {1}
    assert len(list(scratch.glob("*/batch-0/failed"))) == 1
    living.communicate(b"\n")
    assert list(scratch.iterdir()) == []


def test_a_folder_that_waits_under_the_name_of_an_earlier_version_is_not_used(
    run, tmp_path, monkeypatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp" / f"parity-sweep-{os.getuid()}").symlink_to(elsewhere)
    result = run(batch_of(1, 2), acts={2: "raise"}, scratch=None)
    assert result.finished == {1}
    assert list(elsewhere.iterdir()) == []
    (log,) = tmp_path.glob("tmp/parity-sweep-????????/batch-0.log")
    assert log.parent.stat().st_mode & 0o777 == 0o700


def test_a_scratch_folder_that_cannot_be_used(run, tmp_path):
    (tmp_path / "scratch").touch()
    with pytest.raises(InputError, match=r"scratch: cannot be used .*--out"):
        run(batch_of(1))


def test_an_interrupt_ends_the_children_and_keeps_what_has_finished(run, tmp_path, monkeypatch):
    def interrupt(self, number, num_done, reasons):
        if num_done == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(Result, "on_change", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(batch_of(1, 2, 3, 4, 5, 6), sleep_s=0.3)
    assert {1, 2} <= Result(tmp_path).finished < {1, 2, 3, 4, 5, 6}
    assert not list(tmp_path.glob("scratch/*/batch-0/*"))
