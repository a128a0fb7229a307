"""A benchmark of a program: the run that judges comes first, and only what passes is timed."""

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
    spec = bench_spec(variants=variants, train_size=48)
    return run_bench(spec, children=ChildOptions())


def test_a_right_port_is_measured_and_its_ratio_told(result):
    rows = {row.variant: row for row in result.rows}
    assert {name: row.status for name, row in rows.items()} == {
        "keras": OK,
        "torch-eager": OK,
        "torch-fused": OK,
        "torch-channels-last": SKIPPED,
    }
    assert result.verdict == "pass"
    for name in ("torch-eager", "torch-fused"):
        row = rows[name]
        assert (row.parity, row.batch_size, len(row.values)) == ("pass", 16, 3)
        assert row.parity_note == "the same training, step by step"
        assert (row.baseline, row.ratio.n) == ("keras", 3)
    assert {row.unit for row in result.rows} == {"samples/s"}
    assert rows["torch-channels-last"].reason == "the module has no two-dimensional convolutions"


def test_its_file_is_valid_and_says_what_was_trained_but_not_where(result, tmp_path):
    assert_valid(result.to_json())
    write_json(tmp_path / "bench.json", result.to_json())
    assert read_result(tmp_path / "bench.json").to_json() == result.to_json()
    told = result.spec["program"]
    assert (told["keras"], told["torch"]) == ("keras_side.py:build", "torch_side.py:build")
    assert str(FOLDER) not in str(result.to_json()["spec"])


def test_the_report_has_a_line_for_what_does_not_apply(result):
    lines = ["".join(text for text, _ in line) for line in page_lines(bench_page(result))]
    (place,) = [n for n, line in enumerate(lines) if line.startswith("  skipped: torch-channels")]
    assert lines[place + 1].strip() == "the module has no two-dimensional convolutions"
    assert any("pass: 4 rows, 3 measured, 1 skipped" in line for line in lines)


# --- ports that train otherwise: nothing of them is timed -----------------------------------------


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        yield keras_half(tmp_path_factory, spec_of(epochs=2))


@pytest.fixture
def rows_of(monkeypatch, reference, tmp_path):
    """The rows of a benchmark whose run was made in this process; no child may be started."""

    def run(spec, folder, children):
        found = result_of(spec.replace(epochs=2), folder, reference)
        return RunFolder(folder), found

    def rows(spec, python="no-such-python"):
        monkeypatch.setattr(program, "_run", run)
        children = ChildOptions(python, python, 20.0)
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
    import re

    keras, *others = rows_of(bench_spec(port))
    assert {row.status for row in others} == {REFUSED}
    assert {row.parity for row in others} == {"fail"}
    for row in others:
        assert re.match(reason, row.reason), row.reason
        assert row.values == ()
    assert (keras.status, keras.reason) == (
        SKIPPED,
        "there is nothing left to compare it with",
    )


@pytest.fixture
def rows_of_a_flow(monkeypatch, tmp_path, tmp_path_factory):
    """The rows of a benchmark of the flow, whose run is made in this process."""
    monkeypatch.syspath_prepend(str(FOLDER))
    reference = keras_half(tmp_path_factory, spec_of("flow_keras.py:build", epochs=2))

    def run(spec, folder, children):
        return RunFolder(folder), result_of(spec.replace(epochs=2), folder, reference)

    def rows(port, **settings):
        monkeypatch.setattr(program, "_run", run)
        own = spec_of("flow_keras.py:build", f"flow_torch.py:{port}", threads=1)
        spec = BenchSpec.of_program(own, rounds=3, threads=1, **settings)
        children = ChildOptions("no-such-python", "no-such-python", 20.0)
        return measure_program(spec, tmp_path, children, lambda text: None)

    return rows


@pytest.mark.long
def test_a_port_that_augments_otherwise_is_refused(rows_of_a_flow):
    keras, eager = rows_of_a_flow("rotated_back", variants=("keras", "torch-eager"))
    assert (keras.status, eager.status, eager.parity) == (SKIPPED, REFUSED, "fail")
    assert "it does not train as Keras does: data, " in eager.reason


@pytest.mark.long
def test_a_right_port_on_a_flow_would_be_timed_but_for_steps_on_one_batch(rows_of_a_flow):
    parts, variants = ("train", "step"), ("keras", "torch-eager")
    rows = {(r.part, r.variant): r for r in rows_of_a_flow("build", parts=parts, variants=variants)}
    for variant in variants:
        train, step = rows["train", variant], rows["step", variant]
        assert (train.status, train.parity, train.batch_size) == (FAILED, "pass", 8)
        assert "cannot be started" in train.reason
        assert step.status == SKIPPED
        assert "makes every batch anew" in step.reason


def test_nothing_is_judged_without_a_gate(rows_of):
    rows = rows_of(bench_spec("stock_adam", gate_seeds=0))
    # They would be timed: their children cannot be started here.
    assert {row.status for row in rows} == {FAILED}
    assert {row.parity for row in rows} == {"unchecked"}
    assert "cannot be started" in rows[0].reason


def test_a_variant_that_fails_a_level_is_refused_alone(rows_of, monkeypatch):
    class Client:
        def __init__(self, *arguments):
            pass

        ready = round = close = lambda self: None

    item = Item("running loss", 1.0, 1e-12, "abs", 1)
    level = Level("trajectory", FAIL, "measured", (item,))
    monkeypatch.setattr(program, "BenchClient", Client)
    for kind in ("KerasTrace", "PortTrace"):
        own = getattr(program, kind)
        monkeypatch.setattr(program, kind, _trace_unless_judged(own))
    passed = Level("data", PASS, "measured", ())
    found = {"trajectory": level}
    monkeypatch.setattr(program, "compare_level", lambda name, *_: found.get(name, passed))
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
    assert {row.status for row in found.rows} == {FAILED}
    assert found.verdict == "incomplete"
    for row in found.rows:
        assert "no such model here" in row.reason
    assert_valid(found.to_json())
