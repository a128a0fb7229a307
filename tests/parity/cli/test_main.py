"""The command line: exit codes, messages, help; whole runs are in test_run.py."""

import json
import os
import resource
import subprocess
import sys

import pytest
from called import Ended, assert_wrong_use, calling
from schemas import assert_valid
from short_histories import GOOD_FIT, OVERFIT
from stub_sweeps import at_once

from parity.programs.scenarios import SCENARIOS, find

HEAVY = {"torch", "tensorflow", "keras", "pandas", "matplotlib", "ray"}


def parity(*arguments, cwd=None, **environment):
    return subprocess.run(
        [sys.executable, "-m", "parity", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=cwd,
        env={**os.environ, **environment},
        check=False,
    )


@pytest.fixture
def call(monkeypatch, capsys, tmp_path):
    """Calls `parity` in this process, in an empty folder: faster, and its engine can be another."""
    return calling(monkeypatch, capsys, tmp_path)


def write(path, columns):
    path.write_text(json.dumps(columns), encoding="utf-8")
    return path


@pytest.fixture
def history(tmp_path):
    """The file of a good fit."""
    return write(tmp_path / "history.json", GOOD_FIT)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "no-such"], "unknown scenario 'no-such': expected one of underfit, capacity"),
        (["run", "--seed", "1", "--seeds", "0:3"], "exclude each other"),
        (["run", "--seeds", "3:1"], "expected A:B with A < B"),
        (["run", "--seeds", "1,1"], "different seeds"),
        (["run", "--seeds", "0:1000000000000"], "are 1,000,000,000,000 seeds; expected at most"),
        (["run", "--data", "~no-such-user/x.npz"], "is in the home of an unknown user"),
        (["run", "--timeout", "nan"], "'nan': expected a finite number"),
        (["run", "--keras", "a:b", "--arguments", "'x"], "No closing quotation"),
        (["run", "--data", "no/such/folder"], "no/such/folder"),
        (["run", "--train-size", "10000000"], "10000000"),
        (["run", "--timeout", "-1"], "-1"),
        (["run", "--json", "no/such/folder/result.json"], "no/such/folder"),
        (["run", "--keras-python", "no-such-python", "--quiet"], "no-such-python"),
        (["sweep", "leak", "--seeds", "4"], "expected A:B with A < B"),
        (["sweep", "leak", "--torch-python", "no-such-python"], "no-such-python"),
        (["sweep", "leak", "--json", "no/such/folder/result.json"], "no/such/folder"),
        (["diagnose", "no-such.json"], "no-such.json cannot be read"),
        (["diagnose", "x" * 5000], "cannot be read"),
        (["diagnose", "h.json", "--json", "no/such/folder/result.json"], "no/such/folder"),
        (["diagnose", "h.json", "--classes", "3", "--data", "embedded"], "exclude each other"),
        (["list", "--json", "x" * 300], "expected a file in an existing folder"),
        (["run", "dropout", "--out", "/dev/null/out"], "--out /dev/null/out: cannot be written"),
        (["check", "--keras", "k" * 5000, "--torch", "t.py:b"], "has 5,0"),
        (["runn"], "No such command 'runn'"),
        (["diagnose", "h.json", "--target=nan"], "'nan': expected a finite number"),
    ],
    ids=lambda value: " ".join(value)[:80] if isinstance(value, list) else "",
)
def test_wrong_use_is_told_in_one_paragraph_with_exit_code_2(arguments, message, call, tmp_path):
    assert_wrong_use(call(*arguments), message)
    assert list(tmp_path.iterdir()) == []


COMMANDS = [
    *("run", "bench", "check", "record", "explain", "list", "sweep", "diagnose", "doctor"),
    *("completion", "convert", "port", "report"),
]


def test_help_takes_less_than_half_a_second_of_a_processor():
    def seconds():
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        parity("--help")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

    assert min(seconds() for _ in range(2)) < 0.5


# Each call in a fork of a process that has imported the command line alone.
FORKS = f"""
import io, json, os, sys
from parity.cli.main import main

for words in json.loads(sys.argv[1]):
    pid = os.fork()
    if not pid:
        stream, sys.stdout, sys.argv, code = sys.stdout, io.StringIO(), ["parity", *words], 0
        try: main()
        except SystemExit as ended: code = ended.code
        heavy = sorted({HEAVY | {"numpy", "rich", "scipy"}!r} & set(sys.modules))
        print(json.dumps([code, heavy, sys.stdout.getvalue()]), file=stream, flush=True)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
"""


def after(*calls):
    """Exit code, heavy packages that were imported, and output of each call by itself."""
    words = json.dumps([list(map(str, call)) for call in calls])
    ended = subprocess.run(
        [sys.executable, "-c", FORKS, words], capture_output=True, text=True, check=True
    )
    found = [json.loads(line) for line in ended.stdout.splitlines()]
    assert len(found) == len(calls)
    return [(code, set(heavy), text) for code, heavy, text in found]


def test_help_says_what_each_command_does_and_imports_neither_framework_nor_numpy():
    calls = [["--help"], *([command, "--help"] for command in COMMANDS)]
    for call, (code, heavy, text) in zip(calls, after(*calls), strict=True):
        assert (code, heavy) == (0, set()), call
        assert " ".join(["Usage: parity", *call[:-1], "["]) in text
        if call == ["--help"]:
            listed = text.partition("Commands:")[2].splitlines()
            assert {line.split()[0] for line in listed if line.strip()} == set(COMMANDS)


def test_a_diagnosis_imports_no_framework_and_what_draws_only_to_draw(tmp_path, history):
    sizes = ["--train-size", 300, "--val-size", 100]
    table = tmp_path / "history.csv"
    table.write_text("epoch,accuracy,loss\n0,0.5,1.0\n1,0.6,0.9\n", encoding="utf-8")
    plain = ["diagnose", history, "--data", "embedded", *sizes, "--json", tmp_path / "out.json"]
    drawn = ["diagnose", history, "--plot", tmp_path / "curves.svg"]
    found = [heavy & HEAVY for _, heavy, _ in after(plain, ["diagnose", table], drawn)]
    assert found == [set(), set(), {"matplotlib"}]


def test_list_names_every_scenario_with_its_epochs(call, tmp_path):
    ended = call("list", "--json", "list.json")
    assert ended.returncode == 0
    rows = [line for line in ended.stdout.splitlines() if line[:2] == "  " and line[2] != " "]
    assert [line.split()[0] for line in rows] == list(SCENARIOS)
    assert " 50 epochs: Example 1" in rows[1]
    written = json.loads((tmp_path / "list.json").read_text())
    assert list(written) == list(SCENARIOS)
    capacity, cured = written["capacity"], written["cured_by_dropout"]
    assert (capacity["epochs"], capacity["expected"]) == (50, None)
    assert (cured["expected"], cured["cures"]) == ("good_fit", "too_large")
    assert call("list", "--quiet").stdout == ""


def test_version_is_told(call):
    assert call("--version").stdout.startswith("parity, version ")


def test_several_runs_give_one_json_with_a_verdict_over_all(call, tmp_path):
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho something broke; exit 1\n")
    broken.chmod(0o755)
    ended = call(
        *["run", "dropout", "underfit", "--seeds", "5,9", "--out", "out"],
        *["--json", "results.json", "--quiet"],
        *["--keras-python", str(broken), "--torch-python", str(broken)],
    )
    assert (ended.returncode, ended.stdout) == (3, "")
    written = json.loads((tmp_path / "results.json").read_text())
    assert_valid(written)
    assert (written["schema"], written["verdict"]) == ("parity.results/1", "error")
    assert all("something broke" in r["errors"][0] for r in written["results"])
    found = [(r["spec"]["scenario"], r["spec"]["seed"]) for r in written["results"]]
    assert found == [("dropout", 5), ("dropout", 9), ("underfit", 5), ("underfit", 9)]


@pytest.mark.parametrize(
    ("columns", "code", "verdict"), [(GOOD_FIT, 0, "GOOD FIT"), (OVERFIT, 1, "OVERFIT")]
)
def test_a_diagnosis_has_the_exit_code_of_its_verdict(call, tmp_path, columns, code, verdict):
    history = write(tmp_path / "history.json", columns)
    ended = call("diagnose", history)
    assert (ended.returncode, ended.stderr) == (code, "")
    assert f"history.json  {verdict}" in ended.stdout
    assert ("likely causes" in ended.stdout) == (code == 1)
    assert call("diagnose", history, "--quiet") == Ended(code, "", "")


@pytest.mark.parametrize(
    "content",
    [b"", b"\x00\xff\xfe", b"not a history", b"{", b"[]", b'{"loss": []}', b'{"loss": "x"}'],
    ids=repr,
)
@pytest.mark.parametrize("name", ["history.json", "history.csv"])
def test_garbage_is_told_in_one_paragraph_with_exit_code_2(call, tmp_path, content, name):
    (tmp_path / name).write_bytes(content)
    ended = call("diagnose", name, "--json", "out.json", "--plot", "out.svg")
    assert_wrong_use(ended, name)
    assert ended.stderr.startswith("parity: ")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_the_data_are_looked_at_too(call, tmp_path, history):
    sizes = ["--data", "embedded", "--train-size", "300", "--val-size", "100"]
    ended = call("diagnose", history, *sizes, "--json", "out.json")
    assert ended.returncode == 0
    assert "Nothing suspicious was found in the data." in ended.stdout
    assert "±" in ended.stdout  # of a gap whose samples are counted
    written = json.loads((tmp_path / "out.json").read_text())
    assert_valid(written)
    classes = written["audit"]["classes"]
    assert (sum(classes["train"]), sum(classes["val"])) == (300, 100)


def test_what_is_known_without_data_is_an_option(call, tmp_path, history):
    ended = call("diagnose", history, "--classes", 10, "--val-size", 50, "--json", "out.json")
    assert ended.returncode == 0
    judgement = json.loads((tmp_path / "out.json").read_text())["judgement"]
    assert (judgement["chance"], judgement["gap_error"] > 0) == (0.1, True)
    assert call("diagnose", history, "--target", "0.97").returncode == 1


@pytest.mark.parametrize("suffix", [".svg", ".png", ".pdf"])
def test_the_curves_are_drawn_into_a_file(call, tmp_path, history, suffix):
    assert call("diagnose", history, "--plot", f"curves{suffix}", "--quiet") == Ended(0, "", "")
    start = {".svg": b"<?xml", ".png": b"\x89PNG", ".pdf": b"%PDF"}[suffix]
    assert (tmp_path / f"curves{suffix}").read_bytes().startswith(start)


@pytest.mark.parametrize("name", ["curves.gif", "curves", "no/such/folder/curves.svg"])
def test_a_picture_that_cannot_be_is_wrong_use(call, history, name):
    assert_wrong_use(call("diagnose", history, "--plot", name), name)


def test_half_a_character_in_the_name_of_a_column_breaks_no_json(call, tmp_path):
    history = write(tmp_path / "history.json", {**GOOD_FIT, "\udc80": [1.0] * 4})
    ended = call("diagnose", history, "--json", "out.json")
    assert_wrong_use(ended, "--json out.json: cannot be written")
    assert not (tmp_path / "out.json").exists()


@pytest.fixture
def sweep(call, monkeypatch):
    """Calls `parity sweep`; runs are not trained, their accuracies are given.

    `values` gives the validation accuracy by (half, seed); None is a run that fails. All runs train
    to 0.97, so that they are good fits down to 0.92.
    """
    started = []

    def run(values, *arguments):
        def trained(task):
            started.append(task)
            value = values(task.half, task.spec.seed)
            return "the child was killed\nby nobody" if value is None else record(task, value)

        monkeypatch.setattr("parity.sweeps.local.run", at_once(trained))
        return call("sweep", *arguments)

    run.started = started
    return run


def record(task, value):
    rest = task.spec.epochs - 1
    columns = {
        **{name: [0.6] + rest * [0.97] for name in ("accuracy", "eval_accuracy")},
        **{name: [1.0, 0.5, *(rest - 1) * [0.1]][: rest + 1] for name in ("loss", "eval_loss")},
        "val_accuracy": [0.6] + rest * [value],
        "val_loss": [1.0, 0.5, *(rest - 1) * [0.3]][: rest + 1],
    }
    return {
        "half": task.half,
        "spec": task.spec.to_dict(),
        "history": columns,
        "num_classes": 10,
        "num_train": 4000,
        "num_val": 1000,
        "data_sha256": {"x_train": "0" * 64},
        "run": {"wall_s": 1.5, "started": 1000.0},
    }


def accuracy(half, seed):
    return 0.94 + seed % 50 / 1000


CURED = ["cured_by_data", "--out", "out"]


def test_a_sweep_of_halves_that_are_equivalent_passes(sweep, tmp_path):
    ended = sweep(accuracy, *CURED, "--seeds", "0:6", "--json", "result.json")
    assert ended.returncode == 0
    assert "cured_by_data           good_fit    good_fit 6/6         good_fit 6/6" in ended.stdout
    assert "pass (independent, visible margins): 1 of 1 verdicts agree, 3" in ended.stdout
    assert "results and report.html in out" in ended.stdout
    written = json.loads((tmp_path / "result.json").read_text())
    assert_valid(written)
    assert (written["schema"], written["verdict"]) == ("parity.sweep/2", "pass")
    assert written["runs"] == {"finished": 12, "failed": 0, "now": 12}
    specs = [task.spec for task in sweep.started]
    assert sorted({spec.seed for spec in specs}) == list(range(6))
    assert {spec.mode for spec in specs} == {"independent"}


def test_a_sweep_goes_on_where_it_was(sweep, tmp_path):
    arguments = [*CURED, "--seeds", "0:6", "--json", "result.json"]
    first = sweep(lambda half, seed: None if seed == 2 else accuracy(half, seed), *arguments)
    assert first.returncode == 3
    assert "  missing: cured_by_data seed 2 " in first.stdout
    assert "incomplete (independent, visible margins)" in first.stdout
    assert len(sweep.started) == 12
    assert sweep(accuracy, *arguments).returncode == 0
    assert sorted(task.spec.seed for task in sweep.started[12:]) == [2, 2]
    assert sweep(accuracy, *arguments).returncode == 0
    assert len(sweep.started) == 14
    written = json.loads((tmp_path / "result.json").read_text())
    assert written["runs"] == {"finished": 12, "failed": 0, "now": 0}


def test_settings_are_those_of_every_run(sweep):
    settings = {"epochs": 3, "batch_size": 8, "train_size": 64, "val_size": 32, "dtype": "float64"}
    options = [
        part for key, value in settings.items() for part in (f"--{key.replace('_', '-')}", value)
    ]
    sweep(accuracy, *CURED, "--seeds", "5,6", "--mode", "seeded", *options)
    expected = find("cured_by_data").spec.replace(mode="seeded", **settings)
    assert len(sweep.started) == 4
    for task in sweep.started:
        assert task.spec == expected.replace(seed=task.spec.seed)


def test_a_file_in_the_place_of_the_results_is_wrong_use(sweep, tmp_path):
    (tmp_path / "out").write_text("mine")
    for out in ("out", "out/below"):
        ended = sweep(accuracy, "leak", "--seeds", "0:2", "--out", out)
        assert_wrong_use(ended, "name another with --out")
    assert (tmp_path / "out").read_text() == "mine"
    assert sweep.started == []


def test_without_ray_its_engine_is_wrong_use(call, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    ended = call("sweep", "too_short", "--seeds", "0:1", "--engine", "ray", "--out", "out")
    assert_wrong_use(ended, "--engine ray needs Ray")
