"""A batch's tasks run one after the other; one that breaks is told, and the others go on."""

import os
import platform
from unittest.mock import ANY, Mock

import numpy as np
import pytest
from rows import each_row

from parity.data.load import run_data
from parity.errors import InputError
from parity.programs.run_spec import RunSpec
from parity.programs.scenarios import scenario
from parity.sweeps.batch import FAILED, write_batch
from parity.sweeps.child import run_batch, train, train_batch
from parity.sweeps.store import open_store
from parity.sweeps.task import Task
from parity.traces.folder import SUCCESS
from parity.traces.trace import RunResult

SPEC = RunSpec(scenario="tiny", model="underfit", epochs=2, train_size=40, val_size=20)


def task(number, spec=SPEC):
    return Task("torch", spec.replace(seed=number), f"{number:064x}")


@pytest.fixture
def store(tmp_path):
    return open_store(tmp_path / "store")


@pytest.fixture
def directory(tmp_path):
    """The folder of a batch of two tasks, whose seeds are 1 and 2."""
    write_batch(tmp_path / "batch-0", [task(1), task(2)], str(tmp_path / "store"))
    return tmp_path / "batch-0"


def run(directory, act=lambda spec: {}):
    """Runs a batch; returns the seeds that were run."""
    seeds = []

    def record(spec):
        seeds.append(spec.seed)
        return {"seed": spec.seed, **act(spec)}

    run_batch(directory, record, os.getppid())
    return seeds


def left(directory, store):
    """The seeds that have finished, the reasons of those that failed, and whether it is done."""
    failed = {int(path.name, 16): path.read_text() for path in (directory / FAILED).iterdir()}
    return {int(key, 16) for key in store.finished()}, failed, (directory / SUCCESS).exists()


def test_every_task_leaves_its_record(directory, store, capsys):
    assert (run(directory), left(directory, store)) == ([1, 2], ({1, 2}, {}, True))
    assert store.get(task(2).key) == {"key": task(2).key, "seed": 2}
    assert capsys.readouterr().out == "progress batch-0 1/2 loss=0\nprogress batch-0 2/2 loss=0\n"


def test_a_spec_arrives_as_it_was(tmp_path):
    specs = [scenario("cured_by_augmentation"), scenario("cured_by_early_stopping")]
    tasks = [Task("torch", spec, f"{n:064x}") for n, spec in enumerate(specs)]
    write_batch(tmp_path / "batch", tasks, str(tmp_path / "store"))
    train = Mock(return_value={})
    run_batch(tmp_path / "batch", train, os.getppid())
    assert [call.args for call in train.call_args_list] == [(spec,) for spec in specs]


def test_finished_tasks_are_left_out(directory, store, capsys):
    store.put(task(1).key, {"key": task(1).key})
    assert run(directory) == [2]
    assert capsys.readouterr().out.count("\n") == 2  # they count as done


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ZeroDivisionError("by zero"), "ZeroDivisionError: by zero (test_batch_child.py:"),
        (InputError("seed=-1: expected 0"), "seed=-1: expected 0"),
        (MemoryError(), "MemoryError (test_batch_child.py:"),
        (
            ModuleNotFoundError("no module", name="colours"),
            "ModuleNotFoundError: no module (test_batch_child.py:",
        ),
    ],
)
def test_a_task_that_breaks_is_told_and_the_others_go_on(directory, store, capsys, error, told):
    def act(spec):
        if spec.seed == 1:
            raise error
        return {}

    assert run(directory, act) == [1, 2]
    finished, failed, is_done = left(directory, store)
    assert (finished, failed.keys(), is_done) == ({2}, {1}, True)
    assert failed[1].startswith(told)
    assert type(error).__name__ in capsys.readouterr().err  # the log has the traceback


@pytest.mark.parametrize(
    "error",
    [ModuleNotFoundError("no torch", name="torch.nn"), KeyboardInterrupt(), SystemExit()],
    ids=["a framework that is missing", "an interrupt", "an exit"],
)
def test_what_ends_the_batch_is_no_failure_of_a_task(directory, store, error):
    with pytest.raises(type(error)):
        run(directory, Mock(side_effect=error))
    assert left(directory, store) == (set(), {}, False)


def test_the_parent_is_looked_for_between_tasks(directory, store, monkeypatch):
    def act(spec):
        monkeypatch.setattr(os, "getppid", lambda: -1)
        return {}

    with pytest.raises(SystemExit):
        run(directory, act)
    assert left(directory, store) == ({1}, {}, False)  # what is finished is kept


class FakeHalf:
    """Trains nothing, and tells the observer what a half tells."""

    def __init__(self, weights, loss=0.5):
        self.weights, self.loss, self.configure = weights, loss, Mock()

    def fit(self, spec, data, observer):
        self.data = data
        for _ in range(spec.epochs):
            observer.on_step()
            observer.on_epoch_end(lambda: (0.25, 0.75))
        history = {"loss": [self.loss] * spec.epochs}
        return RunResult(history=history, weights=self.weights, wall_s=1.5)

    def describe_environment(self, spec):
        return {"versions": {"fake": "1"}, "cores": 2}


WEIGHTS = {"a.kernel": np.arange(6, dtype=np.float32), "b.kernel": np.ones(2)}


def test_the_record_of_a_run():
    half = FakeHalf(WEIGHTS)
    record = train(half, "torch", SPEC, os.getppid())
    assert record == {
        "half": "torch",
        "spec": SPEC.to_dict(),
        "history": {
            "loss": [0.5, 0.5],
            "eval_loss": [0.25, 0.25],
            "eval_accuracy": [0.75, 0.75],
        },
        "num_classes": 10,
        "num_train": 40,
        "num_val": 20,
        "data_sha256": run_data(SPEC).sha256,
        "weights_sha256": ANY,
        "versions": {"fake": "1"},
        "run": {
            "wall_s": 1.5,
            "total_s": ANY,
            "started": ANY,
            "host": platform.node(),
            "process": os.getpid(),
        },
    }
    assert half.data.sha256 == record["data_sha256"]
    assert record["run"]["total_s"] > 0


@each_row(
    "other",
    [
        {"a.kernel": np.nextafter(WEIGHTS["a.kernel"], 9), "b.kernel": WEIGHTS["b.kernel"]},
        {"a.kernel": WEIGHTS["a.kernel"].astype(np.float64), "b.kernel": WEIGHTS["b.kernel"]},
        {"a.bias": WEIGHTS["a.kernel"], "b.kernel": WEIGHTS["b.kernel"]},
        {"a.kernel": WEIGHTS["a.kernel"]},
    ],
)
def test_other_weights_have_another_digest(other):
    one, two = (train(FakeHalf(each), "torch", SPEC, os.getppid()) for each in (WEIGHTS, other))
    assert one["weights_sha256"] != two["weights_sha256"]


def test_the_child_of_a_batch_is_set_up_once_and_trains_its_tasks(directory, store):
    """A run that diverged has a record, too."""
    half = FakeHalf(WEIGHTS, loss=float("inf"))
    train_batch("torch", half, directory, os.getppid())
    half.configure.assert_called_once_with(task(1).spec)
    assert left(directory, store) == ({1, 2}, {}, True)
    assert store.get(task(1).key)["history"]["loss"] == ["Infinity", "Infinity"]
