"""A sweep comes back from its file, and from the runs of a folder that has none."""

import json
from dataclasses import asdict

import pytest
from report_folders import (
    stored_run,
    stored_runs,
    sweep_folder,
    sweep_result,
    sweep_rows,
    write,
)

from parity.errors import InputError
from parity.sweeps.result_file import sweep_from, sweep_of_store


def told(value):
    return json.loads(json.dumps(value))


FAILURE = {"scenario": "leak", "seed": 1, "half": "torch", "reason": "gone"}


@pytest.mark.parametrize("failures", [[], [FAILURE]])
def test_a_sweep_comes_back_from_its_json(failures):
    result = sweep_result(failures=failures)
    found = sweep_from(told(result.to_json()), "sweep.json")
    assert found.to_json() == result.to_json()
    assert (found.rows, found.failures) == (result.rows, result.failures)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": "parity.sweep/1"}, "schema is 'parity.sweep/1'; expected 'parity.sweep/2'"),
        ({"verdict": "good"}, "verdict is 'good'; expected 'pass' or 'fail'"),
        ({"runs": {"finished": "3"}}, "runs.finished is '3'; expected int"),
        ({"runs": 7}, "runs is 7; expected object"),
        ({"wall_s": {"keras": None}}, "wall_s.keras is None; expected a number"),
        ({"wall_s": {"jax": 1.0}}, "a key of wall_s is 'jax'; expected 'keras' or 'torch'"),
        ({"failures": [1]}, "failures[0] is 1; expected object"),
        ({"rows": {}}, "rows is {}; expected array"),
        ({"environment": []}, "environment is []; expected object"),
        ({"rows": [{"scenario": "leak"}]}, "rows[0] has no 'seed'"),
        ({"comparisons": [{}]}, "comparisons[0] has no 'scenario'"),
        ({"scenarios": ["x"]}, "scenarios[0] is 'x'; expected object"),
    ],
)
def test_what_is_no_sweep_is_told_with_its_place(change, message):
    with pytest.raises(InputError) as caught:
        sweep_from({**told(sweep_result().to_json()), **change}, "sweep.json")
    assert message in str(caught.value)


def test_the_runs_of_an_unfinished_sweep_are_judged_and_the_sweep_is_incomplete(tmp_path):
    rows = sweep_rows(seeds=3)
    stored_runs(tmp_path, rows, mode="independent")
    result, problems = sweep_of_store(tmp_path)
    assert (result.verdict, result.mode, result.num_runs, problems) == (
        "incomplete", "independent", 12, (),
    )  # fmt: skip
    found = {(r.scenario, r.seed, r.half): r.judgement.val_accuracy for r in result.rows}
    for row in rows:
        expected = pytest.approx(row.judgement.val_accuracy)
        assert found[row.scenario, row.seed, row.half] == expected


def test_a_damaged_run_is_told_and_the_others_are_kept(tmp_path):
    rows = sweep_rows(seeds=2)
    stored_runs(tmp_path, rows)
    damaged = next((tmp_path / "results").rglob("*.json"))
    damaged.write_text("{")
    result, problems = sweep_of_store(tmp_path)
    assert result.num_runs == len(rows) - 1
    assert len(problems) == 1
    assert "cannot be used" in problems[0]


def test_of_two_records_of_a_run_the_later_one_counts(tmp_path):
    row = sweep_rows(scenarios=("too_large",), seeds=1)[0]
    for key, started, accuracy in (("a" * 64, 5.0, 0.7), ("b" * 64, 4.0, 0.6)):
        told = stored_run(row) | {"key": key, "run": {"wall_s": 1.0, "started": started}}
        told["history"]["val_accuracy"] = [accuracy] * 4
        write(tmp_path / "results" / key[:2] / f"{key}.json", told)
    (found,) = sweep_of_store(tmp_path)[0].rows
    assert found.judgement.val_accuracy == pytest.approx(0.7)


def test_a_folder_without_a_finished_run_is_an_error(tmp_path):
    (tmp_path / "results").mkdir()
    with pytest.raises(InputError, match="no run of the sweep has finished"):
        sweep_of_store(tmp_path)


def test_the_json_of_a_sweep_tells_every_run(tmp_path):
    result = sweep_folder(tmp_path)
    rows = json.loads((tmp_path / "sweep.json").read_text())["rows"]
    assert rows == [told(asdict(row)) for row in result.rows]
