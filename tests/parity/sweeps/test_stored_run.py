"""A record of a store is what its run has left, or it is refused with what is wrong."""

import json
from types import SimpleNamespace

import pytest
import stub_half
from changes import REMOVED, changed, places
from rows import each_row

from parity.errors import RunError
from parity.programs.program_spec import ProgramSpec
from parity.programs.run_spec import EarlyStopping, RunSpec
from parity.sweeps.rows import judge_record
from parity.sweeps.store import open_store
from parity.sweeps.stored_run import StoredRun, run_of, unlike_fed
from parity.sweeps.task import Task

KEY = "ab" * 32
SPEC = RunSpec(scenario="leak", model="underfit", epochs=3, train_size=40, val_size=20)
PROGRAM = ProgramSpec(program="mine", keras="k.py:build", torch="t.py:build", folder="/home/me")
DIGEST = "0" * 64


def record(spec=SPEC, **changes):
    """What the child of a half writes."""
    found = {"key": KEY, **stub_half.record_of("torch", spec), "versions": {"torch": "2.13.0"}}
    found["run"] |= {"host": "here", "total_s": 1.5}
    if isinstance(spec, ProgramSpec):
        del found["num_classes"], found["weights_sha256"]
    return {**found, **changes}


@pytest.fixture
def read(tmp_path):
    """Reads a record as that of a task, out of a store."""

    def read(content, spec=SPEC, half="torch"):
        path = tmp_path / "store" / "results" / KEY[:2] / f"{KEY}.json"
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(json.dumps(content))
        return run_of(Task(half, spec, KEY), open_store(tmp_path / "store"))

    return read


def told(read, content, **task):
    """The line with which a record is refused."""
    with pytest.raises(RunError, match=rf"\A.*{KEY}.*\Z") as caught:
        read(content, **task)
    text = str(caught.value)
    assert len(text) < 500
    return text


@pytest.mark.parametrize("spec", [SPEC, PROGRAM], ids=["scenario", "program"])
def test_what_a_child_writes_is_taken(read, spec):
    content = record(spec)
    judgement, _ = judge_record(content, spec)
    assert read(content, spec) == StoredRun(
        spec=spec if spec is SPEC else PROGRAM.replace(folder=ProgramSpec.folder),
        half="torch",
        judgement=judgement,
        wall_s=0.5,
        started=content["run"]["started"],
        versions={"torch": "2.13.0"},
        fed=DIGEST if spec is PROGRAM else {"x_train": DIGEST},
    )


def fed(digests):
    """Runs by place, of which only the data that they were fed are known."""
    return {place: SimpleNamespace(fed=digest) for place, digest in digests.items()}


@each_row("other", [{"x_train": "1"}, {"x_train": "0", "y_train": "0"}, "0"])
def test_a_port_that_was_fed_other_data_than_keras_is_found(other):
    same, keras, torch = {"x_train": "0"}, ("a", 1, "keras"), ("a", 1, "torch")
    other_seed = {("a", 0, "keras"): same, ("a", 0, "torch"): same}
    assert unlike_fed(fed({**other_seed, keras: same, torch: other})) == [torch]
    assert unlike_fed(fed({**other_seed, keras: other, torch: same})) == [torch]
    assert unlike_fed(fed({**other_seed, torch: other})) == []
    # What a generator fed is not known.
    assert unlike_fed(fed({**other_seed, keras: None, torch: other})) == []


def test_settings_that_change_nothing_may_differ(read):
    read(record(), SPEC.replace(scenario="other"))
    read(record(half="keras"), SPEC.replace(mode="independent"), "keras")
    read(record(PROGRAM), PROGRAM.replace(folder="/elsewhere", max_feed=7))


ACCURACY, LOSS = ("history", "accuracy"), ("history", "loss")
WRONG = [
    ((), {}, "it is not the record of this task"),
    (("key",), "cd" * 32, "it is not the record of this task"),
    (("half",), "jax", "half is 'jax'"),
    (("spec", "seed"), REMOVED, "spec has no 'seed'"),
    (("spec", "epochs"), -1, "spec.epochs is -1"),
    (("spec", "colour"), "red", "spec has the unknown key 'colour'"),
    (("colour",), "red", "the file has the unknown key 'colour'"),
    (("history",), {}, "history has no 'loss'"),
    (("history",), None, "history is None"),
    (("history", "val_loss"), REMOVED, "history has no 'val_loss'"),
    (ACCURACY, [7.0] * 3, "history.accuracy is 7 in epoch 1; expected 0 to 1"),
    (ACCURACY, [0.5, -0.1, 0.5], "history.accuracy is -0.1 in epoch 2"),
    (ACCURACY, ["NaN"] * 3, "history.accuracy is nan in epoch 1"),
    (ACCURACY, [], "history.accuracy has 0 epochs, and loss 3"),
    (LOSS, [0.5], "history.loss has 1 epochs; expected 3"),
    (LOSS, [0.5] * 4, "history.loss has 4 epochs; expected 3"),
    (LOSS, [0.5, "NaN", 0.5], "history.loss is NaN in epoch 2, and "),
    (LOSS, [0.5, 0.5, "NaN"], "history.loss is NaN in epoch 3, and val_loss is "),
    (("history", "val_loss"), ["NaN", 1, 1], "history.val_loss is NaN in epoch 1, and a number"),
    (LOSS, [0.5, -0.5, 0.5], "history.loss has -0.5; expected 0 or more"),
    (LOSS, [1e308] * 3, "history.loss has 1e+308; expected at most 1e+300"),
    (LOSS, [0.5, None, 0.5], r"history.loss[1] is None"),
    (("num_classes",), 0, "num_classes is 0"),
    (("num_classes",), REMOVED, "the file has no 'num_classes'"),
    (("num_train",), None, "num_train is None; expected 40, as spec says"),
    (("num_val",), 21, "num_val is 21; expected 20, as spec says"),
    (("num_val",), REMOVED, "the file has no 'num_val'"),
    (("run",), None, "run is None"),
    (("run", "wall_s"), "NaN", "run.wall_s is 'NaN'"),
    (("run", "started"), -1.0, "run.started is -1.0"),
    (("weights_sha256",), "x", "weights_sha256 is 'x'"),
    (("versions", "torch"), 2, "versions.torch is 2"),
]


# Of a program, the history; and what is right, but of another run.
WRONG_PROGRAM = [
    ("loss", [], "history.loss has 0 epochs; expected at least 1"),
    ("val_loss", [], "history.val_loss has 0 epochs, and loss 3"),
    ("val_loss", [1.0] * 4, "history.val_loss has 4 epochs, and loss 3"),
    ("accuracy", [1.0], "history.accuracy has 1 epochs, and loss 3"),
    ("accuracy", [1.0, 1.0, 700.0], "history.accuracy is 700 in epoch 3; expected 0 to 100"),
    ("mse", [1e301] * 3, "history.mse has 1e+301"),
]
ANOTHER = [
    (SPEC.replace(seed=7), "torch", "another run: seed is 42; expected 7"),
    (SPEC.replace(epochs=4), "torch", "another run: epochs is 3; expected 4"),
    (SPEC.replace(mode="independent"), "torch", "another run: mode is 'seeded'"),
    (SPEC, "keras", "another run: half is 'torch'; expected 'keras'"),
    (PROGRAM, "torch", "another run: it is of a scenario"),
]
REFUSED = [
    *((SPEC, "torch", changed(record(), place, value), text) for place, value, text in WRONG),
    *(
        (PROGRAM, "torch", changed(record(PROGRAM), ("history", name), value), text)
        for name, value, text in WRONG_PROGRAM
    ),
    *((spec, half, record(), text) for spec, half, text in ANOTHER),
]


@pytest.mark.parametrize(
    ("spec", "half", "content", "message"),
    REFUSED,
    ids=[f"{number}-{text[:30]}" for number, (_, _, _, text) in enumerate(REFUSED)],
)
def test_a_wrong_value_or_another_run_is_named(read, spec, half, content, message):
    assert message in told(read, content, spec=spec, half=half)


@pytest.mark.parametrize("spec", [SPEC, PROGRAM], ids=["scenario", "program"])
def test_every_value_is_checked(read, spec):
    content = record(spec)
    for place in places(content):
        told(read, changed(content, place, {"a": [1.5]}), spec=spec)


def test_a_run_that_diverged_is_one(read):
    columns = {"loss": [0.5, "NaN", "NaN"], "val_loss": [0.5, "Infinity", "NaN"]}
    assert read(record(history=record()["history"] | columns)).judgement.verdict == "diverged"


def test_only_a_run_that_may_stop_early_has_fewer_epochs(read):
    short = {name: column[:2] for name, column in record()["history"].items()}
    assert "history.loss has 2 epochs; expected 3" in told(read, record(history=short))
    spec = SPEC.replace(early_stopping=EarlyStopping())
    assert read(record(spec, history=short), spec).judgement.num_epochs == 2
    long = record(spec, history={name: column * 2 for name, column in short.items()})
    assert "history.loss has 4 epochs; expected at most 3" in told(read, long, spec=spec)


def test_a_program_may_validate_in_some_epochs_and_has_what_metrics_it_likes(read):
    content = record(PROGRAM)
    content["history"] |= {"val_loss": [0.5], "mse": ["NaN", 1.0, -3.0], "accuracy": [50, 60, 70]}
    del content["history"]["val_accuracy"], content["history"]["eval_accuracy"]
    assert read(content, PROGRAM).judgement.num_epochs == 3
