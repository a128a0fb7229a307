"""What a command has left is read as far as it goes, and what is missing is told."""

import bench_results
import pytest
from report_folders import (
    bench_folder,
    check_result,
    diagnosis_folder,
    error_folder,
    program_spec,
    run_folder,
    run_spec,
    stored_runs,
    sweep_folder,
    sweep_rows,
    write,
)

from parity.behaviour.diagnosis import Diagnosis
from parity.bench.result import BenchResult
from parity.errors import InputError
from parity.programs.program_spec import ProgramSpec
from parity.report.read import FoundResult, FoundRun, FoundRuns, find
from parity.sweeps.result import SweepResult
from parity.traces.folder import BENCH, DIAGNOSIS, SWEEP


@pytest.mark.parametrize("spec", [run_spec(), program_spec()], ids=["scenario", "program"])
def test_a_run_is_found_with_the_traces_of_both_trainings(spec, tmp_path):
    result = run_folder(tmp_path, spec=spec)
    found = find(tmp_path)
    assert isinstance(found, FoundRun)
    assert found.result.to_json() == result.to_json()
    assert all("training/loss" in trace for trace in (found.keras, found.torch))
    assert (found.problems, found.logs, found.is_check) == ((), {}, False)


def test_several_runs_are_found_in_the_order_of_their_names(tmp_path):
    for name in ("b", "a"):
        run_folder(tmp_path / name)
    (tmp_path / "notes").mkdir()
    found = find(tmp_path)
    assert isinstance(found, FoundRuns)
    assert [run.folder.name for run in found.runs] == ["a", "b"]


def test_a_check_is_found_without_traces(tmp_path):
    write(tmp_path / "result.json", check_result().to_json())
    found = find(tmp_path)
    assert isinstance(found, FoundRun)
    assert found.is_check
    assert found.problems == ()


@pytest.mark.parametrize(
    ("make", "name", "kind"),
    [
        (sweep_folder, SWEEP, SweepResult),
        (lambda folder: bench_folder(folder, bench_results.noisy(1)), BENCH, BenchResult),
        (diagnosis_folder, DIAGNOSIS, Diagnosis),
    ],
    ids=["sweep", "bench", "diagnosis"],
)
def test_every_other_kind_is_known_by_its_file(make, name, kind, tmp_path):
    make(tmp_path)
    for path in (tmp_path, tmp_path / name):
        found = find(path)
        assert isinstance(found, FoundResult)
        assert (type(found.result), found.problems) == (kind, ())


def test_a_result_that_is_known_is_not_read_again(tmp_path):
    sweep_folder(tmp_path)
    known = find(tmp_path).result
    (tmp_path / SWEEP).write_text("not read")
    assert find(tmp_path, {tmp_path: known}).result is known


def test_results_of_several_runs_in_one_file_are_found(tmp_path):
    results = [run_folder(tmp_path / name).to_json() for name in ("a", "b")]
    path = tmp_path / "all.json"
    write(path, {"schema": "parity.results/1", "verdict": "pass", "results": results})
    found = find(path)
    assert isinstance(found, FoundRuns)
    assert [run.result.to_json() for run in found.runs] == results


@pytest.mark.parametrize("spec", [run_spec(), program_spec()], ids=["scenario", "program"])
def test_a_run_without_result_tells_so_and_keeps_its_histories(spec, tmp_path):
    run_folder(tmp_path, spec=spec, has_result=False)
    found = find(tmp_path)
    assert found.result.verdict == "error"
    assert found.result.spec == (spec.told() if isinstance(spec, ProgramSpec) else spec.to_dict())
    assert set(found.result.history) == {"keras", "torch"}
    assert "result.json is missing" in " ".join(found.problems)


def test_a_half_that_has_not_ended_is_told(tmp_path):
    run_folder(tmp_path)
    (tmp_path / "torch" / "training" / "_SUCCESS").unlink()
    found = find(tmp_path)
    assert found.torch is None
    assert found.keras is not None
    assert found.problems == (
        "torch/training/_SUCCESS is missing: the training of this half has not finished",
    )


@pytest.mark.parametrize("name", ["trace.safetensors", "trace.json", "history.json"])
def test_a_damaged_trace_is_told_without_the_place_of_the_folder(name, tmp_path):
    run_folder(tmp_path)
    (tmp_path / "keras" / "training" / name).write_bytes(b"{")
    found = find(tmp_path)
    assert found.keras is None
    (problem,) = found.problems
    assert problem.startswith("keras/training: damaged run directory")
    assert str(tmp_path) not in problem


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1]", b"\xff\xfe", b'{"schema": "parity.result/1"}', b"[" * 100_000]
)
def test_a_damaged_result_is_told_and_the_histories_are_kept(content, tmp_path):
    run_folder(tmp_path)
    (tmp_path / "result.json").write_bytes(content)
    found = find(tmp_path)
    assert found.result.verdict == "error"
    assert "result.json" in found.problems[0]
    assert set(found.result.history) == {"keras", "torch"}


def test_a_run_that_crashed_shows_the_end_of_its_log_without_progress(tmp_path):
    error_folder(tmp_path)
    found = find(tmp_path)
    assert found.logs == {"torch.log": "Traceback (most recent call last):\nKeyError: 'conv9'"}
    assert found.problems == ()


def test_a_sweep_that_has_not_ended_is_told(tmp_path):
    stored_runs(tmp_path, sweep_rows(seeds=2))
    found = find(tmp_path)
    assert found.result.verdict == "incomplete"
    assert "sweep.json is missing" in found.problems[0]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('{"schema": "other/1"}', "schema is 'other/1'"),
        ("{}", "schema is 'None'"),
        ("[]", "not a JSON object"),
        ("nonsense", "cannot be read"),
        ('{"schema": "parity.results/1", "results": []}', "expected array of length >= 2"),
        ('{"schema": "parity.results/1", "results": [3, 3]}', "results[0] is 3; expected object"),
    ],
)
def test_a_file_that_is_no_result_is_an_error_that_names_it(content, told, tmp_path):
    path = tmp_path / "some.json"
    path.write_text(content)
    with pytest.raises(InputError) as caught:
        find(path)
    assert told in str(caught.value)
    assert "some.json" in str(caught.value)


def test_a_folder_with_nothing_of_ours_is_an_error(tmp_path):
    (tmp_path / "photos").mkdir()
    with pytest.raises(InputError, match="contains no results of parity"):
        find(tmp_path)
    with pytest.raises(InputError, match="no such file or folder"):
        find(tmp_path / "nowhere")
