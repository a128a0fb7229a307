"""`parity sweep` takes programs of the user's, and histories that are there."""

import json
import random
import shutil

import pytest
import stub_half
from called import assert_wrong_use, calling
from programs_here import FOLDER
from stub_sweeps import at_once

from parity.programs.program_spec import ProgramSpec


@pytest.fixture
def call(monkeypatch, capsys, tmp_path):
    """Calls `parity` in this process, in a folder with the program of these tests."""
    shutil.copytree(FOLDER, tmp_path / "mine")
    return calling(monkeypatch, capsys, tmp_path / "mine")


@pytest.fixture
def sweep(call, monkeypatch):
    """Calls `parity sweep`; runs are not trained, their levels are given."""

    def sweep(levels, *arguments):
        def trained(task):
            sweep.started.append(task)
            return record(task, levels(task))

        monkeypatch.setattr("parity.sweeps.local.run", at_once(trained))
        return call("sweep", *arguments)

    sweep.started = []
    return sweep


def record(task, columns):
    spec = task.spec.to_dict()
    if "scenario" in spec:
        return stub_half.record_of(task.half, task.spec)
    return {
        "half": task.half,
        "spec": spec,
        "history": {
            name: [value * (2 if "loss" in name else 0.5), value, value, value]
            for name, value in columns.items()
        },
        "num_classes": 10,
        "num_train": 100,
        "num_val": 50,
        "fed_sha256": "0" * 64,
        "run": {"wall_s": 1.0, "started": 1.0},
    }


def losses(shift=0.0):
    """A training without accuracy; torch's losses are shifted by a share."""

    def levels(task):
        draw = random.Random(f"{task.spec.name} {task.spec.seed} {task.half}")
        size = (1 + draw.gauss(0, 0.005)) * (1 + shift * (task.half == "torch"))
        return {"loss": 0.3 * size, "val_loss": 0.4 * size}

    return levels


PAIR = ("--keras", "keras_side.py:build", "--torch", "torch_side.py:build")


def test_a_program_of_the_table_is_swept_with_five_seeds(sweep, tmp_path):
    ended = sweep(losses(), "small", "--json", "sweep.json")
    assert ended.returncode == 3  # fewer than six decide nothing
    specs = [task.spec for task in sweep.started if task.half == "torch"]
    assert all(isinstance(spec, ProgramSpec) and spec.sets_seed for spec in specs)
    assert sorted(spec.seed for spec in specs) == [0, 1, 2, 3, 4]
    found = json.loads((tmp_path / "mine" / "sweep.json").read_text())
    assert {row["quantity"] for row in found["comparisons"]} == {"loss", "val_loss", "epochs"}
    assert "? n 6" in ended.stdout
    plan = json.loads((tmp_path / "mine" / "parity-sweep" / "plan.json").read_text())
    assert plan["programs"]["small"]["margins"]["loss"] == 0.1


@pytest.mark.parametrize(
    ("shift", "table", "code"),
    [(0.0, "", 0), (0.3, "", 1), (-0.3, "", 1), (0.3, "margins = {loss = 0.5}\n", 0)],
    ids=["alike", "above", "below", "margin"],
)
def test_losses_are_judged_by_the_margin_of_the_table(shift, table, code, sweep, tmp_path):
    path = tmp_path / "mine" / "parity.toml"
    path.write_text(table + path.read_text())
    ended = sweep(losses(shift), "small", "--seeds", "0:8")
    assert ended.returncode == code, ended.stdout
    assert "% of the losses" in ended.stdout
    assert "percent of the mean loss" in ended.stdout
    assert (tmp_path / "mine" / "parity-sweep" / "report.html").exists()


WRONG = {
    "seeded": (("small", "--mode", "seeded"), "`parity run --seeds` trains a program with Keras's"),
    "both": (("small", *PAIR), "--keras and --torch give a program without a name"),
    "half": (PAIR[:2], "--torch is missing"),
    "unknown": (("smal",), "unknown program 'smal': "),
    "scenario": (("leak", "--max-feed", "5"), "only your own programs have it"),
    "full": (("small", "--full"), "--full with the program 'small'"),
    "histories": (("small", "--histories", "a", "b"), "--histories with a program"),
    "none": (("--histories", "a*", "b*"), "'a*': 0 of 0 files can be read; expected at least two"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_call_is_told_and_has_exit_code_2(case, call):
    arguments, message = WRONG[case]
    assert_wrong_use(call("sweep", *arguments), message)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            "margins = {points = 1}\n",
            "margins = {'points': 1}: expected some of accuracy, gap, loss",
        ),
        ("margins = {accuracy = 0}\n", "margins: accuracy = 0: expected points, above 0"),
        ("margins = {loss = 2}\n", "margins: loss = 2: expected a share in (0, 1]"),
        ("margins = 1\n", "margins = 1: expected some of"),
    ],
)
def test_margins_that_are_none_are_told(table, message, call, tmp_path):
    path = tmp_path / "mine" / "parity.toml"
    path.write_text(table + path.read_text())
    assert_wrong_use(call("sweep", "small"), message)


@pytest.mark.parametrize("name", ["frozen", "nothing"])
def test_a_remedy_names_another_program_of_the_table(name, call, tmp_path):
    path = tmp_path / "mine" / "parity.toml"
    path.write_text(path.read_text() + f"cures = {name!r}\n")
    told = f"programs.frozen: cures={name!r}: expected another program of the table"
    assert_wrong_use(call("sweep", "small"), told)


@pytest.fixture
def histories(call, tmp_path):
    def write(half, number, level):
        folder = tmp_path / "mine" / half
        folder.mkdir(exist_ok=True)
        columns = {
            "loss": [2.0, 0.9, 0.5],
            "accuracy": [0.5, 0.8, level],
            "val_loss": [2.1, 1.0, 0.6],
            "val_accuracy": [0.5, 0.8, level - 0.01],
        }
        (folder / f"run{number}.json").write_text(json.dumps(columns))

    draw = random.Random(2)
    for number in range(8):
        for half, level in (("keras", 0.95), ("torch", 0.95), ("worse", 0.85)):
            write(half, number, level + draw.gauss(0, 0.002))


def test_histories_are_judged_and_reported_as_a_sweep(histories, call, tmp_path):
    ended = call("sweep", "--histories", "keras/*.json", "torch/*.json", "--json", "sweep.json")
    assert ended.returncode == 0, ended.stdout
    assert "the runs are two groups and no pairs" in ended.stdout
    assert (tmp_path / "mine" / "parity-histories" / "report.html").exists()
    written = json.loads((tmp_path / "mine" / "sweep.json").read_text())
    assert (written["schema"], written["verdict"]) == ("parity.sweep/2", "pass")
    assert written["notes"][0].startswith("the runs are two groups")
    assert call("report", "parity-histories").stdout.startswith("pass")


def test_histories_that_differ_fail_and_one_that_is_damaged_is_missing(histories, call, tmp_path):
    assert call("sweep", "--histories", "keras/*", "worse/*").returncode == 1
    (tmp_path / "mine" / "torch" / "run3.json").write_text("{")
    ended = call("sweep", "--histories", "keras/*", "torch/*")
    assert ended.returncode == 3
    assert "missing: histories seed 3 torch" in ended.stdout
