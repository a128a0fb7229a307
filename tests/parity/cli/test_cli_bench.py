"""`parity bench`: exit codes, what is refused, and which files are written and when."""

import csv
import json
from dataclasses import dataclass, field, replace
from unittest.mock import Mock

import pytest
from bench_results import SPEC, noisy, result, row
from called import assert_wrong_use, calling

from parity.bench.result import FAILED, REFUSED
from parity.errors import InputError
from parity.files.json_io import write_json
from parity.halves.job import ChildOptions


@dataclass
class Benchmark:
    """What `run_bench` does in these tests: it was given, tells, and returns or raises."""

    result: object = field(default_factory=lambda: noisy(1))
    unfinished: tuple = ()
    error: BaseException | None = None
    spec: object = None
    options: dict = field(default_factory=dict)

    def __call__(self, spec, *, on_result, say, **options):
        self.spec, self.options = spec, options
        say("warming up")
        for found in self.unfinished:
            on_result(replace(found, is_finished=False))
        if self.error is not None:
            raise self.error
        return self.result


@pytest.fixture
def benchmark(monkeypatch):
    found = Benchmark()
    monkeypatch.setattr("parity.bench.run.run_bench", found)
    return found


@pytest.fixture
def call(monkeypatch, capsys, tmp_path):
    """Calls `parity bench` in this process, in an empty folder."""
    return calling(monkeypatch, capsys, tmp_path, "bench")


FASTER, SLOWER = noisy(2, speed=1.5), noisy(3, speed=0.7)
FAILING = result(row("keras", 1.0, 1.0, 1.0), row("torch", status=FAILED, reason="killed"))
WRONG_PORT = result(row("keras", 1.0, 1.0, 1.0), row("torch", status=REFUSED, reason="otherwise"))


@pytest.mark.parametrize(
    ("found", "code"), [(noisy(1), 0), (WRONG_PORT, 1), (FAILING, 3)], ids=["pass", "fail", "3"]
)
def test_the_exit_code_is_that_of_the_verdict(benchmark, call, found, code):
    benchmark.result = found
    ended = call()
    assert (ended.returncode, ended.stderr) == (code, "bench: warming up\n")
    assert "keras" in ended.stdout


COMPARED = {
    "the same": (noisy(1), noisy(1), 0),
    "other noise": (noisy(1), noisy(4), 0),
    "faster": (noisy(1), FASTER, 0),
    "slower": (noisy(1), SLOWER, 1),
    # Nothing says that it got slower: another task, too few rounds, nothing in common.
    "not comparable": (noisy(1, spec={**SPEC, "scenario": "capacity"}), SLOWER, 0),
    "too few rounds": (noisy(1, n=4), noisy(3, speed=0.7, n=4), 0),
    "nothing in common": (result(row("jax", 1.0)), noisy(1), 0),
    "empty": (result(), noisy(1), 0),
    # What failed or trains otherwise counts more.
    "failed": (noisy(1), FAILING, 3),
    "refused": (noisy(1), WRONG_PORT, 1),
}


@pytest.mark.parametrize("name", COMPARED)
def test_only_what_got_slower_makes_a_comparison_fail(benchmark, call, tmp_path, name):
    old, benchmark.result, code = COMPARED[name]
    write_json(tmp_path / "old.json", old.to_json())
    ended = call("--compare", "old.json")
    assert ended.returncode == code
    assert f"{int(name == 'slower')} slower" in ended.stdout


WRONG = {
    "scenario": (["no-such"], "unknown scenario 'no-such'"),
    "part": (["--parts", "train,test"], "parts=train,test: expected some of train, step"),
    "no part": (["--parts", ","], "parts=none: expected some of"),
    "variant": (["--variants", "keras,jax"], "variants=keras,jax: expected some of keras"),
    "precision": (["--precision", "fp8"], "precisions=fp8: expected some of fp32, tf32"),
    "baseline": (["--baseline", "keras-tuned"], "baseline='keras-tuned': expected one of"),
    "batch size": (["--batch-size", "32,x"], "'32,x': expected whole numbers, such as 32,128"),
    "no batch size": (["--batch-size", ""], "'': expected whole numbers"),
    "empty batches": (["--batch-size", "0"], "batch_size=0: expected an integer of at least 1"),
    "twice": (["--batch-size", "32,32"], "batch_sizes=32,32: expected each value once"),
    "device": (["--device", "tpu"], "device='tpu': expected 'cpu', 'cuda' or 'cuda:N'"),
    "threads": (["--threads", "0"], "0 is not in the range"),
    "rounds": (["--rounds", "2"], "2 is not in the range"),
    "train size": (["--train-size", "0"], "0 is not in the range"),
    "val size": (["--val-size", "0"], "0 is not in the range"),
    "accuracy": (["--accuracy", "97"], "97.0 is not in the range"),
    "accuracy 0": (["--accuracy", "0"], "accuracy=0.0: expected a fraction in (0, 1]"),
    "seed": (["--seed", "-1"], "seed=-1: expected an integer in"),
    "gate": (["--gate-seeds", "1"], "gate_seeds=1: one run shows no spread"),
    "timeout": (["--timeout", "-1"], "-1"),
    "json": (
        ["--json", "no/such/x.json"],
        "--json no/such/x.json: expected a file in an existing folder",
    ),
    "csv": (
        ["--csv", "no/such/x.csv"],
        "--csv no/such/x.csv: expected a file in an existing folder",
    ),
    "markdown": (["--markdown", "."], "--markdown .: expected a file in an existing folder"),
    "workers": (["--workers", "2"], "No such option"),  # one at a time: that is what is measured
    "no earlier benchmark": (["--compare", "old.json"], "old.json cannot be read"),
    "arguments": (["dropout", "capacity"], "unexpected extra argument"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_use_is_told_before_anything_is_measured(benchmark, call, name):
    arguments, message = WRONG[name]
    assert_wrong_use(call(*arguments), message)
    assert benchmark.spec is None


def test_options_reach_the_benchmark(benchmark, call):
    call(
        *("capacity", "--parts", "train, step", "--variants", "torch,torch-own"),
        *("--baseline", "torch", "--compile", "--batch-size", "8,16", "--precision", "fp32,bf16"),
        *("--across-precision", "--device", "cuda:1", "--threads", 3, "--rounds", 4),
        *("--train-size", 100, "--val-size", 50, "--accuracy", 0.9, "--data", "mnist"),
        *("--seed", 7, "--gate-seeds", 0, "--timeout", 12),
        *("--keras-python", "a", "--torch-python", "b"),
    )
    assert benchmark.spec.to_dict() == {
        "scenario": "capacity",
        "parts": ["train", "step"],
        "variants": ["torch", "torch-own", "torch-compiled"],
        "baseline": "torch",
        "batch_sizes": [8, 16],
        "precisions": ["fp32", "bf16"],
        "device": "cuda:1",
        "threads": 3,
        "rounds": 4,
        "train_size": 100,
        "val_size": 50,
        "accuracy": 0.9,
        "data": "mnist",
        "seed": 7,
        "across_precision": True,
        "gate_seeds": 0,
    }
    assert benchmark.options == {"children": ChildOptions("a", "b", 12.0, quiet=False)}


def test_the_result_is_written_in_every_form_that_is_asked_for(benchmark, call, tmp_path):
    assert call("--json", "a.json", "--csv", "a.csv", "--markdown", "a.md").returncode == 0
    assert json.loads((tmp_path / "a.json").read_text()) == benchmark.result.to_json()
    with (tmp_path / "a.csv").open(newline="") as file:
        assert [line["variant"] for line in csv.DictReader(file)] == ["keras", "torch"]
    assert (tmp_path / "a.md").read_text().startswith("**PASS: benchmark of dropout")
    assert {path.name for path in tmp_path.iterdir()} == {"a.json", "a.csv", "a.md"}


ENDS = {
    "Ctrl-C": (KeyboardInterrupt("SIGINT"), 3, "interrupted: the child processes were stopped"),
    "bad data": (InputError("the data are gone"), 2, "the data are gone"),
}


@pytest.mark.parametrize("name", ENDS)
def test_cells_that_were_measured_are_kept_whatever_comes_then(benchmark, call, tmp_path, name):
    benchmark.error, code, message = ENDS[name]
    benchmark.unfinished = (result(row("keras", 1.0)), noisy(1))
    ended = call("--json", "a.json", "--csv", "a.csv")
    assert ended.returncode == code
    assert message in ended.stderr
    written = json.loads((tmp_path / "a.json").read_text())
    # All its rows are right, and it is not all that was asked for.
    assert written == {**noisy(1).to_json(), "verdict": "incomplete"}
    assert {path.name for path in tmp_path.iterdir()} == {"a.json"}


def test_a_disk_that_fills_up_ends_no_benchmark_and_takes_no_report(
    benchmark, call, tmp_path, monkeypatch
):
    full = Mock(side_effect=OSError(28, "No space left on device"))
    monkeypatch.setattr("parity.cli.saved.write_json", full)
    benchmark.unfinished = (noisy(1),)
    ended = call("--json", "a.json")
    assert ended.returncode == 3
    assert ended.stderr.endswith(
        "parity: --json a.json: cannot be written (No space left on device)\n"
    )
    assert "x keras, interval" in ended.stdout  # the report


# --- programs of the user's ----------------------------------------------------------------------

TABLE = """
[programs.mine]
keras = "k.py:build"
torch = "t.py:build"
batch_size = 8
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "parity.toml").write_text(TABLE)
    for name in ("k.py", "t.py"):
        (tmp_path / name).write_text("def build():\n    return None\n")
    return tmp_path


def test_a_program_of_the_table_is_measured_by_its_name(benchmark, call, project):
    assert call("mine", "--rounds", "3", "--seed", "5", "--train-size", "100").returncode == 0
    spec = benchmark.spec
    assert (spec.program.program, spec.program.folder) == ("mine", str(project))
    assert (spec.seed, spec.program.sets_seed, spec.batch_sizes) == (5, True, (8,))
    assert (spec.train_size, spec.rounds) == (100, 3)


def test_a_pair_without_a_name_is_measured_too(benchmark, call, project):
    assert call("--keras", "k.py:build", "--torch", "t.py:build", "--compile").returncode == 0
    assert benchmark.spec.scenario == "custom"
    assert benchmark.spec.variants[-1] == "torch-compiled"
    assert benchmark.spec.program.sets_seed is False


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("yours",), "unknown program 'yours'"),
        (("mine", "--keras", "k.py:build"), "--keras and --torch give a program without a name"),
        (("--keras", "k.py:build"), "--torch is missing"),
        (("--keras", "none.py:build", "--torch", "t.py:build"), "there is no file none.py"),
        (("mine", "--data", "none.npz"), "data none.npz: there is no such file"),
        (("mine", "--variants", "keras,torch-own"), "variants=keras,torch-own: expected some of"),
        (("mine", "--parts", "augment"), "parts=augment: expected some of train, step"),
        (("mine", "--precision", "bf16"), "precisions=bf16: expected some of fp32"),
        (("mine", "--accuracy", "0.9"), "accuracy=0.9: expected nothing"),
    ],
)
def test_what_cannot_be_measured_of_a_program_is_told_in_one_line(
    benchmark, call, project, arguments, message
):
    ended = call(*arguments)
    assert_wrong_use(ended, message)
    assert (ended.stderr.count("\n"), benchmark.spec) == (1, None)
