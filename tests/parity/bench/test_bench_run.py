"""A whole benchmark, from its spec to its result: with stubs, and once with the frameworks."""

import os
import signal
import stat
import sys
import tempfile
from pathlib import Path

import pytest
from bench_children import Stub, is_alive, open_files
from helpers import make_data

from parity.bench import measure
from parity.bench.comparison import compare
from parity.bench.result import FAILED, OK, REFUSED
from parity.bench.result_file import read_result
from parity.bench.run import run_bench
from parity.bench.spec import BenchSpec
from parity.data import run_data
from parity.errors import InputError
from parity.result import Result
from parity.trace import write_json
from torch_impl import fit as torch_fit

ROOT = Path(measure.__file__).resolve().parents[2]
SMALL = {"train_size": 64, "val_size": 16, "rounds": 3}
OWN = {**SMALL, "variants": ("keras", "torch-own")}


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """The folder in which temporary folders are made."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def stub_run(tmp_path, scratch, monkeypatch):
    """Runs a benchmark with children that do as the texts of their variants say."""
    data = make_data((4, 4, 1), num_classes=2, num_train=64, num_val=16)
    monkeypatch.setattr(measure, "run_data", lambda spec: data)

    def run(spec, texts=None, **options):
        stub = Stub(tmp_path, texts)
        run.stub = stub
        options = {"keras_python": stub.python, "torch_python": stub.python, **options}
        return run_bench(spec, timeout_s=20.0, **options)

    yield run
    assert list(scratch.iterdir()) == []
    assert not any(map(is_alive, run.stub.pids()))


def test_a_result_has_ratios_parity_and_machine(stub_run):
    texts = {
        "keras": "serve(seconds=(1.0,))",
        "torch-own": "serve(seconds=(0.5, 0.5, 0.5, 0.25, 0.2))",
    }
    spec = BenchSpec(**OWN, gate_seeds=3)
    result = stub_run(spec, texts)
    keras, own = result.rows
    assert (keras.ratio, keras.baseline) == (None, None)
    # 64 images in 1 s against 0.5, 0.25 and 0.2 s.
    assert (own.ratio.low, own.ratio.median, own.ratio.high, own.ratio.n) == (2.0, 4.0, 5.0, 3)
    assert (own.baseline, own.parity, keras.parity_note) == ("keras", "pass", "the reference")
    assert result.verdict == "pass"
    assert result.spec == spec.to_dict()
    assert result.environment["cores"] == os.cpu_count()
    assert result.environment["began"][:2] == "20"
    assert set(result.environment["versions"]) >= {"numpy", "keras", "tensorflow", "torch"}


def test_a_result_survives_its_file_and_is_as_fast_as_itself(stub_run, tmp_path):
    result = stub_run(BenchSpec(**{**OWN, "rounds": 5}, gate_seeds=0, parts=("train", "startup")))
    write_json(tmp_path / "a.json", result.to_json())
    found = compare(read_result(tmp_path / "a.json"), result)
    assert [change.status for change in found.changes] == ["same"] * 4
    assert [change.measure for change in found.changes] == ["speed", "ratio"] * 2
    assert found.verdict == "pass"
    assert (found.only_old, found.only_new, found.differences) == ((), (), ())


def test_a_refused_variant_has_no_ratio(stub_run):
    texts = {"keras": "serve(accuracies=(0.9,))", "torch-own": "serve(accuracies=(0.1,))"}
    result = stub_run(BenchSpec(**OWN, gate_seeds=2), texts)
    _, own = result.rows
    assert (own.status, own.parity, own.ratio) == (REFUSED, "fail", None)
    assert result.verdict == "fail"


def test_a_failed_baseline_leaves_the_others_without_a_ratio(stub_run):
    result = stub_run(BenchSpec(**OWN, gate_seeds=2), {"keras": "raise MemoryError"})
    keras, own = result.rows
    assert (keras.status, own.status, own.ratio) == (FAILED, OK, None)
    assert (own.parity, result.verdict) == ("unchecked", "incomplete")


def test_precisions_are_compared_where_it_is_asked_for_and_only_there(stub_run):
    settings = {**OWN, "precisions": ("bf16",), "gate_seeds": 0}
    result = stub_run(BenchSpec(**settings, across_precision=True))
    assert [(row.precision, row.baseline) for row in result.rows] == [
        ("fp32", None),
        ("bf16", None),  # the baseline of its precision
        ("bf16", "keras"),
    ]


def test_what_was_measured_is_handed_out_after_every_cell_with_its_ratios(stub_run):
    told = []
    spec = BenchSpec(**OWN, gate_seeds=2, parts=("train", "step"))
    result = stub_run(spec, on_result=told.append)
    assert [len(found.rows) for found in told] == [2, 4]
    for found in told:
        assert {row.parity for row in found.rows} == {"unchecked"}
        assert [row.ratio is not None for row in found.rows[:2]] == [False, True]
        assert found.environment == result.environment
    assert [row.values for row in told[1].rows] == [row.values for row in result.rows]


def test_an_interpreter_that_is_none_is_refused_before_anything_is_measured(stub_run):
    with pytest.raises(InputError, match="--keras-python no-such-python"):
        stub_run(BenchSpec(**OWN), keras_python="no-such-python")
    assert stub_run.stub.pids() == []


def test_data_that_are_missing_are_refused(tmp_path, scratch):
    python = Stub(tmp_path).python
    spec = BenchSpec(**OWN, data=str(tmp_path / "none"))
    with pytest.raises(InputError, match="none"):
        run_bench(spec, keras_python=python, torch_python=python)
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_benchmark_and_leaves_what_was_measured(stub_run, number):
    before, handlers = open_files(), [signal.getsignal(number)]
    told = []

    def say(text):
        if text.startswith("step 32 torch-own"):
            os.kill(os.getpid(), number)

    spec = BenchSpec(**OWN, gate_seeds=0, parts=("train", "step"))
    with pytest.raises(KeyboardInterrupt, match=number.name):
        stub_run(spec, say=say, on_result=told.append)
    assert [len(found.rows) for found in told] == [2]
    assert signal.getsignal(number) == handlers[0]
    assert open_files() == before
    assert len(stub_run.stub.pids()) == 3


WRAPPER = """#!{python}
import os, runpy, sys
sys.path.insert(0, {root!r})
sys.argv = sys.argv[2:]
{fault}
sys.argv.insert(0, "x")
half = sys.argv.pop(1)
runpy.run_module(half, run_name="__main__", alter_sys=True)
"""
# Its rate is three times what the spec says, wherever torch trains.
RATE = """
import torch_impl.train as train
right = train.Adam
train.Adam = lambda weights, learning_rate, **others: right(weights, 3 * learning_rate, **others)
"""
# `fit` is right; the program that is timed skips every second step.
LAZY = """
import torch_impl.train as train
step, count = train.Training.step, [0]
def lazy(self, batch):
    count[0] += 1
    if count[0] % 2 or "--bench" not in sys.argv:
        return step(self, batch)
    return self.criterion(self.forward(batch.x), batch.y).detach(), self.forward(batch.x).detach()
train.Training.step = lazy
"""


@pytest.fixture
def faulty_python(tmp_path):
    """An interpreter whose torch half has a fault."""

    def make(fault):
        path = tmp_path / "faulty"
        path.write_text(WRAPPER.format(python=sys.executable, root=str(ROOT), fault=fault))
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return str(path)

    return make


REAL = {
    "train_size": 96,
    "val_size": 40,
    "rounds": 3,
    "threads": 1,
    "variants": ("torch",),
    "baseline": "torch",
    "gate_seeds": 2,
}


@pytest.fixture
def ladder(monkeypatch):
    """The ladder passes, as it does if `fit` is right; climbing it takes Keras minutes."""

    def run_all(specs, options):
        (spec,) = specs
        history = torch_fit(spec, run_data(spec)).history
        return [Result("pass", spec.to_dict(), history={"torch": history})]

    monkeypatch.setattr("parity.pipeline.run_all", run_all)


@pytest.mark.parametrize(
    ("fault", "status", "parity"),
    [("", OK, "pass"), (RATE, REFUSED, "fail"), (LAZY, REFUSED, "fail")],
    ids=["right", "other rate", "lazy"],
)
def test_a_real_port_passes_the_gate_and_one_that_trains_otherwise_does_not(
    scratch, faulty_python, ladder, fault, status, parity
):
    (row,) = run_bench(BenchSpec(**REAL), torch_python=faulty_python(fault)).rows
    assert (row.status, row.parity) == (status, parity), row
    note = "seeded: the program that is timed reaches" if fault else "seeded: the same run, level"
    assert row.parity_note.startswith(note)
    assert len(row.values) == 3
    assert list(scratch.iterdir()) == []
