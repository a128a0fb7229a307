"""A benchmark of a program: the run that judges comes first, and only what passes is timed."""

import re
from unittest.mock import Mock

import pytest
from programs_here import FOLDER, keras_half, result_of, spec_of
from schemas import assert_valid

from parity.bench import run as program
from parity.bench.result import FAILED, OK, REFUSED, SKIPPED
from parity.bench.result_file import read_result
from parity.bench.run import measure_program, run_bench
from parity.files.json_io import write_json
from parity.halves.job import ChildOptions
from parity.ladder.items import FAIL, PASS, Item, Level
from parity.programs.bench_spec import BenchSpec
from parity.report.pages.bench_page import bench_page
from parity.report.text.page import page_lines
from parity.traces.folder import RunFolder

pytestmark = pytest.mark.usefixtures("warm_halves")


def bench_spec(port="build", reference="build", **settings):
    own = spec_of(f"keras_side.py:{reference}", f"torch_side.py:{port}", threads=1)
    return BenchSpec.of_program(own, **{"rounds": 3, "threads": 1, **settings})


@pytest.fixture(scope="module")
def result():
    """A whole benchmark of the right port, with all its children."""
    variants = ("keras", "torch-eager", "torch-fused", "torch-channels-last")
    return run_bench(bench_spec(variants=variants, train_size=48), children=ChildOptions())


def test_a_right_port_is_measured_and_its_ratio_told(result):
    assert [(row.variant, row.status, row.unit) for row in result.rows] == [
        ("keras", OK, "samples/s"),
        ("torch-eager", OK, "samples/s"),
        ("torch-fused", OK, "samples/s"),
        ("torch-channels-last", SKIPPED, "samples/s"),
    ]
    assert result.verdict == "pass"
    _, *ports, skipped = result.rows
    for row in ports:
        told = (row.parity, row.parity_note, row.batch_size, len(row.values))
        assert told == ("pass", "the same training, step by step", 16, 3)
        assert (row.baseline, row.ratio.n) == ("keras", 3)
    assert skipped.reason == "the module has no two-dimensional convolutions"


def test_its_file_is_valid_and_says_what_was_trained_but_not_where(result, tmp_path):
    assert_valid(result.to_json())
    write_json(tmp_path / "bench.json", result.to_json())
    assert read_result(tmp_path / "bench.json").to_json() == result.to_json()
    files = {"keras": "keras_side.py:build", "torch": "torch_side.py:build"}
    assert result.spec["program"].items() >= files.items()
    assert str(FOLDER) not in str(result.to_json()["spec"])


def test_the_report_has_a_line_for_what_does_not_apply(result):
    lines = ["".join(text for text, _ in line) for line in page_lines(bench_page(result))]
    (place,) = [n for n, line in enumerate(lines) if line.startswith("  skipped: torch-channels")]
    assert lines[place + 1].strip() == "the module has no two-dimensional convolutions"
    assert any("pass: 4 rows, 3 measured, 1 skipped" in line for line in lines)


# --- ports that train otherwise: nothing of them is timed -----------------------------------------


@pytest.fixture
def rows_of(monkeypatch, tmp_path, tmp_path_factory):
    """The rows of a benchmark whose run was made in this process; no child may be started."""
    monkeypatch.syspath_prepend(str(FOLDER))

    def run(spec, folder, children):
        reference = keras_half(tmp_path_factory, spec_of(spec.keras, epochs=2))
        return RunFolder(folder), result_of(spec.replace(epochs=2), folder, reference)

    monkeypatch.setattr(program, "_run", run)

    def rows(spec):
        children = ChildOptions("no-such-python", "no-such-python", 20.0)
        return measure_program(spec, tmp_path, children, lambda text: None)

    return rows


@pytest.mark.long
@pytest.mark.parametrize(
    ("port", "reason"),
    [
        ("stock_adam", "it does not train as Keras does: optimizer, .*: F"),
        ("no_activation", "it does not train as Keras does: forward, .*: "),
    ],
)
def test_a_wrong_port_is_refused_with_the_reason_and_nothing_is_timed(rows_of, port, reason):
    keras, *others = rows_of(bench_spec(port))
    assert {(row.status, row.parity, row.values) for row in others} == {(REFUSED, "fail", ())}
    assert all(re.match(reason, row.reason) for row in others), others
    assert (keras.status, keras.reason) == (SKIPPED, "there is nothing left to compare it with")


def flow_spec(port, **settings):
    own = spec_of("flow_keras.py:build", f"flow_torch.py:{port}", threads=1)
    return BenchSpec.of_program(own, rounds=3, threads=1, **settings)


@pytest.mark.long
def test_a_port_that_augments_otherwise_is_refused(rows_of):
    keras, eager = rows_of(flow_spec("rotated_back", variants=("keras", "torch-eager")))
    assert (keras.status, eager.status, eager.parity) == (SKIPPED, REFUSED, "fail")
    assert "it does not train as Keras does: data, " in eager.reason


@pytest.mark.long
def test_a_right_port_on_a_flow_would_be_timed_but_for_steps_on_one_batch(rows_of):
    variants = ("keras", "torch-eager")
    rows = rows_of(flow_spec("build", parts=("train", "step"), variants=variants))
    assert [(row.part, row.variant) for row in rows] == [
        (part, variant) for part in ("train", "step") for variant in variants
    ]
    for train, step in zip(rows[:2], rows[2:], strict=True):
        assert (train.status, train.parity, train.batch_size) == (FAILED, "pass", 8)
        assert "cannot be started" in train.reason
        assert (step.status, "makes every batch anew" in step.reason) == (SKIPPED, True)


def test_nothing_is_judged_without_a_gate(rows_of):
    rows = rows_of(bench_spec("stock_adam", gate_seeds=0))
    # They would be timed: their children cannot be started here.
    assert {(row.status, row.parity) for row in rows} == {(FAILED, "unchecked")}
    assert "cannot be started" in rows[0].reason


def test_a_variant_that_fails_a_level_is_refused_alone(rows_of, monkeypatch):
    item = Item("running loss", 1.0, 1e-12, "abs", 1)
    failed = {"trajectory": Level("trajectory", FAIL, "measured", (item,))}
    passed = Level("data", PASS, "measured", ())
    monkeypatch.setattr(program, "BenchClient", Mock())
    for kind in ("KerasTrace", "PortTrace"):
        monkeypatch.setattr(program, kind, _trace_unless_judged(getattr(program, kind)))
    monkeypatch.setattr(program, "compare_level", lambda name, *_: failed.get(name, passed))
    monkeypatch.setattr(program, "in_turns", lambda rows, cell: dict.fromkeys(range(len(rows)), 1))
    keras, eager, fused = rows_of(bench_spec(variants=("keras", "torch-eager", "torch-fused")))
    assert (keras.status, eager.status, fused.status) == (OK, OK, REFUSED)
    assert fused.reason == "it does not train as Keras does: trajectory, running loss"


def _trace_unless_judged(own):
    return lambda path: None if "judged" in str(path) else own(path)


# --- nothing can be timed -------------------------------------------------------------------------


@pytest.mark.long
def test_a_factory_that_raises_is_told_in_every_row():
    found = run_bench(bench_spec("raising"), children=ChildOptions())
    assert (found.verdict, {row.status for row in found.rows}) == ("incomplete", {FAILED})
    assert all("no such model here" in row.reason for row in found.rows)
    assert_valid(found.to_json())
