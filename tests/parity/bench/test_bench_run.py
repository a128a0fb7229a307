"""A whole benchmark, from its spec to its result: with stubs, and once with the frameworks."""

import os
import signal
import tempfile
from dataclasses import replace

import pytest
from bench_children import Stub, open_files
from helpers import make_data
from processes import is_alive
from schemas import assert_valid

from parity.bench import run as measure
from parity.bench.result import FAILED, OK, REFUSED
from parity.bench.run import run_bench
from parity.errors import InputError
from parity.halves.job import ChildOptions
from parity.programs.bench_spec import BenchSpec

pytestmark = pytest.mark.usefixtures("warm_halves")

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

    def run(spec, texts=None, python=None, **options):
        run.stub = stub = Stub(tmp_path, texts)
        children = ChildOptions(python or stub.python, stub.python, 20.0)
        return run_bench(spec, children=children, **options)

    yield run
    assert list(scratch.iterdir()) == []
    assert not any(map(is_alive, run.stub.pids()))


def test_a_result_has_ratios_parity_and_machine(stub_run):
    texts = {
        "keras": "serve(seconds=(1.0,))",
        "torch-own": "serve(seconds=((0.5, 0.25, 0.2)[min(starts(), 2)],))",
    }
    spec = BenchSpec(**OWN, gate_seeds=6)
    result = stub_run(spec, texts)
    keras, own = result.rows
    assert (keras.ratio, keras.baseline, keras.parity_note) == (None, None, "the reference")
    # 64 images in 1 s against 0.5, 0.25 and 0.2 s.
    assert (own.ratio.low, own.ratio.median, own.ratio.high, own.ratio.n) == (2.0, 4.0, 5.0, 3)
    assert (own.baseline, own.parity, result.verdict) == ("keras", "pass", "pass")
    assert result.spec == spec.to_dict()
    machine = result.environment
    assert (machine["cores"], machine["began"][:2]) == (os.cpu_count(), "20")
    assert set(machine["versions"]) >= {"numpy", "keras", "tensorflow", "torch"}
    assert_valid(result.to_json())


@pytest.mark.parametrize(
    ("texts", "statuses", "parity", "verdict"),
    [
        (
            {"keras": "serve(accuracies=(0.9,))", "torch-own": "serve(accuracies=(0.1,))"},
            (OK, REFUSED),
            "fail",
            "fail",
        ),
        ({"keras": "raise MemoryError"}, (FAILED, OK), "unchecked", "incomplete"),
    ],
    ids=["a refused variant", "beside a baseline that failed"],
)
def test_a_variant_has_no_ratio_where_it_or_the_baseline_is_no_result(
    stub_run, texts, statuses, parity, verdict
):
    result = stub_run(BenchSpec(**OWN, gate_seeds=6), texts)
    keras, own = result.rows
    assert (keras.status, own.status) == statuses
    assert (own.parity, own.ratio, result.verdict) == (parity, None, verdict)
    assert_valid(result.to_json())


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
    rows = [replace(row, parity="unchecked", parity_note="") for row in result.rows]
    unfinished = replace(result, is_finished=False, rows=rows)
    assert (told, len(rows)) == ([replace(unfinished, rows=rows[:2]), unfinished], 4)
    assert [row.ratio is not None for row in rows] == [False, True] * 2
    assert (unfinished.verdict, result.is_finished) == ("incomplete", True)


def test_an_interpreter_that_is_none_is_refused_before_anything_is_measured(stub_run):
    with pytest.raises(InputError, match="--keras-python no-such-python"):
        stub_run(BenchSpec(**OWN), python="no-such-python")
    assert stub_run.stub.pids() == []


@pytest.fixture(params=[signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def number(request):
    """A signal as it is in a terminal: a suite in the background of a shell ignores SIGINT."""
    previous = signal.signal(request.param, signal.default_int_handler)
    yield request.param
    signal.signal(request.param, previous)


def test_a_signal_ends_the_benchmark_and_leaves_what_was_measured(stub_run, number):
    before, handler, told = open_files(), signal.getsignal(number), []

    def say(text):
        if text.startswith("step 32 torch-own"):
            os.kill(os.getpid(), number)

    spec = BenchSpec(**OWN, gate_seeds=0, parts=("train", "step"))
    with pytest.raises(KeyboardInterrupt, match=number.name):
        stub_run(spec, say=say, on_result=told.append)
    assert [len(found.rows) for found in told] == [2]
    assert (signal.getsignal(number), open_files()) == (handler, before)
    assert len(stub_run.stub.pids()) == 2 * 3 + 1


@pytest.mark.long
def test_a_real_benchmark_of_both_frameworks(scratch):
    """Keras as it is, Keras on torch, and the port; the others in test_*_bench.py of the halves."""
    spec = BenchSpec(
        **{**SMALL, "threads": 1, "rounds": 1, "gate_seeds": 0, "accuracy": 0.01},
        variants=("keras", "keras-torch", "torch"),
    )
    result = run_bench(spec)
    assert_valid(result.to_json())
    assert [row.status for row in result.rows] == [OK] * 3, [row.reason for row in result.rows]
    for row in result.rows:
        assert (len(row.values), min(row.values) > 0, row.peak_memory_mb > 50) == (1, True, True)
        assert 0 < row.seconds_to_accuracy < row.warmup_s  # of the first round, compiled in it
        assert (row.ratio is None) == (row.variant == "keras")
    told = ("variant", "threads", "framework", "backend")
    assert [[row.environment.get(name) for name in told] for row in result.rows] == [
        ["keras", 1, "keras", "tensorflow"],
        ["keras-torch", 1, "keras", "torch"],
        ["torch", 1, "torch", None],
    ]
    assert list(scratch.iterdir()) == []
