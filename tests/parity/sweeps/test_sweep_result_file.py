"""A sweep comes back from its file."""

import json
from dataclasses import asdict

import pytest
from report_folders import (
    sweep_folder,
    sweep_result,
)

from parity.errors import InputError
from parity.sweeps.result_file import sweep_from


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


def test_the_json_of_a_sweep_tells_every_run(tmp_path):
    result = sweep_folder(tmp_path)
    rows = json.loads((tmp_path / "sweep.json").read_text())["rows"]
    assert rows == [told(asdict(row)) for row in result.rows]
