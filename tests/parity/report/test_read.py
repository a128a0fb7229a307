"""What a command has left is read as far as it goes, and what is missing is told."""

import re

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
    assert (type(found), found.result.to_json()) == (FoundRun, result.to_json())
    assert all("training/loss" in trace for trace in (found.keras, found.torch))
    assert (found.problems, found.logs, found.is_check) == ((), {}, False)


def test_several_runs_are_found_in_the_order_of_their_names(tmp_path):
    for name in ("b", "a"):
        run_folder(tmp_path / name)
    (tmp_path / "notes").mkdir()
    found = find(tmp_path)
    assert type(found) is FoundRuns
    assert [run.folder.name for run in found.runs] == ["a", "b"]


def test_a_check_is_found_without_traces(tmp_path):
    write(tmp_path / "result.json", check_result().to_json())
    found = find(tmp_path)
    assert (type(found), found.is_check, found.problems) == (FoundRun, True, ())


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


UNFINISHED = "torch/training/_SUCCESS is missing: the training of this half has not finished"
# A file of a run, what stands in it in its place, or None; which halves are read, and what is told.
DAMAGE = [
    ("torch/training/_SUCCESS", None, {"keras"}, UNFINISHED),
    *(
        (f"keras/training/{name}", b"{", {"torch"}, "keras/training: damaged run directory.*")
        for name in ("trace.safetensors", "trace.json", "history.json")
    ),
    *(
        ("result.json", content, {"keras", "torch"}, r".*result\.json.*")
        for content in (
            *(b"", b"{", b"[1]", b"\xff\xfe", b'{"schema": "parity.result/1"}'),
            b"[" * 100_000,
        )
    ),
]


@pytest.mark.parametrize(("name", "content", "halves", "told"), DAMAGE)
def test_what_is_damaged_is_told_and_the_rest_is_kept(name, content, halves, told, tmp_path):
    run_folder(tmp_path)
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    found = find(tmp_path)
    assert {half for half in ("keras", "torch") if getattr(found, half) is not None} == halves
    assert set(found.result.history) == {"keras", "torch"}
    assert (found.result.verdict == "error") == (name == "result.json")
    (problem,) = found.problems
    assert re.fullmatch(told, problem)
    assert str(tmp_path) not in problem


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
    with pytest.raises(InputError, match=f"some.json.*{re.escape(told)}"):
        find(path)


@pytest.mark.parametrize(
    ("name", "told"),
    [("", "contains no results of parity"), ("nowhere", "no such file or folder")],
)
def test_a_folder_with_nothing_of_ours_is_an_error(name, told, tmp_path):
    (tmp_path / "photos").mkdir()
    with pytest.raises(InputError, match=told):
        find(tmp_path / name)
