"""A batch's tasks run one after the other; one that breaks is told, and the others go on."""

import os

import numpy as np
import pytest
from rows import each_row

from parity.data.load import run_data
from parity.errors import InputError
from parity.files.json_io import read_json
from parity.programs.run_spec import RunSpec
from parity.programs.scenarios import scenario
from parity.sweeps.batch import BATCH, FAILED, write_batch
from parity.sweeps.child import run_batch, train, train_batch
from parity.sweeps.store import open_store
from parity.sweeps.task import Task
from parity.traces.folder import SUCCESS
from parity.traces.trace import RunResult

SPEC = RunSpec(scenario="tiny", model="underfit", epochs=2, train_size=40, val_size=20)


def task(number, spec=SPEC):
    return Task("torch", spec.replace(seed=number), f"{number:064x}")


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "batch-0"


@pytest.fixture
def store(tmp_path):
    return open_store(tmp_path / "store")


def write(directory, *tasks):
    write_batch(directory, tasks, os.fspath(directory.parent / "store"))


def run(directory, act=lambda spec: {}):
    """Runs a batch; returns the seeds that were run."""
    seeds = []

    def record(spec):
        seeds.append(spec.seed)
        return {"seed": spec.seed, **act(spec)}

    run_batch(directory, record, os.getppid())
    return seeds


def failures(directory):
    return {int(path.name, 16): path.read_text() for path in (directory / FAILED).iterdir()}


def test_every_task_leaves_its_record(directory, store, capsys):
    write(directory, task(1), task(2))
    assert run(directory) == [1, 2]
    assert store.finished() == {task(1).key, task(2).key}
    assert store.get(task(2).key) == {"key": task(2).key, "seed": 2}
    assert (directory / SUCCESS).exists()
    assert capsys.readouterr().out == "progress batch-0 1/2 loss=0\nprogress batch-0 2/2 loss=0\n"


def test_a_spec_arrives_as_it_was(directory):
    specs = [scenario("cured_by_augmentation"), scenario("cured_by_early_stopping")]
    write(directory, *(Task("torch", spec, f"{n:064x}") for n, spec in enumerate(specs)))
    arrived = []
    run_batch(directory, lambda spec: arrived.append(spec) or {}, os.getppid())
    assert arrived == specs


def test_finished_tasks_are_left_out(directory, store, capsys):
    write(directory, task(1), task(2), task(3))
    store.put(task(2).key, {"key": task(2).key})
    assert run(directory) == [1, 3]
    assert capsys.readouterr().out.count("\n") == 3  # they count as done


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ZeroDivisionError("by zero"), "ZeroDivisionError: by zero"),
        (InputError("seed=-1: expected 0"), "seed=-1: expected 0"),
        (MemoryError(), "MemoryError"),
        (ModuleNotFoundError("no module", name="colours"), "ModuleNotFoundError: no module"),
    ],
)
def test_a_task_that_breaks_is_told_and_the_others_go_on(directory, store, capsys, error, told):
    def act(spec):
        if spec.seed == 1:
            raise error
        return {}

    write(directory, task(1), task(2))
    assert run(directory, act) == [1, 2]
    place = "" if isinstance(error, InputError) else " (test_batch_child.py:"
    assert failures(directory).keys() == {1}
    assert failures(directory)[1].startswith(f"{told}{place}")
    assert store.finished() == {task(2).key}
    assert (directory / SUCCESS).exists()
    assert type(error).__name__ in capsys.readouterr().err  # the log has the traceback


def test_a_framework_that_is_missing_ends_the_batch(directory, store):
    def act(spec):
        raise ModuleNotFoundError("no torch", name="torch.nn")

    write(directory, task(1), task(2))
    with pytest.raises(ModuleNotFoundError):
        run(directory, act)
    assert failures(directory) == {}
    assert not (directory / SUCCESS).exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_end_from_outside_is_no_failure(directory, store, error):
    def act(spec):
        raise error

    write(directory, task(1), task(2))
    with pytest.raises(error):
        run(directory, act)
    assert failures(directory) == {}
    assert store.finished() == set()


def test_the_parent_is_looked_for_between_tasks(directory, store, monkeypatch):
    write(directory, task(1), task(2))

    def act(spec):
        monkeypatch.setattr(os, "getppid", lambda: 1)
        return {}

    with pytest.raises(SystemExit):
        run(directory, act)
    assert store.finished() == {task(1).key}  # what is finished is kept


class FakeHalf:
    """Trains nothing, and tells the observer what a half tells."""

    def __init__(self, weights, loss=0.5):
        self.weights, self.loss, self.data = weights, loss, None

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
    data = run_data(SPEC)
    assert half.data.sha256 == data.sha256 == record["data_sha256"]
    assert record["half"] == "torch"
    assert record["spec"] == SPEC.to_dict()
    assert record["history"] == {
        "loss": [0.5, 0.5],
        "eval_loss": [0.25, 0.25],
        "eval_accuracy": [0.75, 0.75],
    }
    assert (record["num_classes"], record["num_train"], record["num_val"]) == (10, 40, 20)
    assert record["versions"] == {"fake": "1"}
    assert record["run"]["wall_s"] == 1.5
    assert record["run"]["total_s"] > 0
    assert record["run"]["process"] == os.getpid()


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
    digests = {
        train(FakeHalf(weights), "torch", SPEC, os.getppid())["weights_sha256"]
        for weights in (WEIGHTS, other)
    }
    assert len(digests) == 2


def test_a_run_that_diverged_has_a_record(directory, store):
    half = FakeHalf(WEIGHTS, loss=float("inf"))
    write(directory, task(1))
    run_batch(directory, lambda spec: train(half, "torch", spec, os.getppid()), os.getppid())
    assert store.get(task(1).key)["history"]["loss"] == ["Infinity", "Infinity"]


def test_the_child_of_a_batch_is_set_up_once_and_trains_its_tasks(directory, store):
    half, configured = FakeHalf(WEIGHTS), []
    half.configure = configured.append
    write(directory, task(1), task(2))
    train_batch("torch", half, directory, os.getppid())
    assert configured == [task(1).spec]
    assert store.finished() == {task(1).key, task(2).key}
    assert read_json(directory / BATCH)["half"] == "torch"
