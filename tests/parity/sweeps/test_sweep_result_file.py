"""A sweep comes back from its file."""

import json
from dataclasses import asdict, replace

import pytest
from report_folders import (
    sweep_folder,
    sweep_result,
)
from swept import rows

from parity.errors import InputError
from parity.programs.scenarios import Terms
from parity.report.html.sweep_page import sweep_page
from parity.sweeps.result import result_of
from parity.sweeps.result_file import sweep_from
from parity.sweeps.rows import Sweep


def told(value):
    return json.loads(json.dumps(value))


FAILURE = {"scenario": "leak", "seed": 1, "half": "torch", "reason": "gone"}


@pytest.mark.parametrize("failures", [[], [FAILURE]])
def test_a_sweep_comes_back_from_its_json(failures):
    result = sweep_result(failures=failures)
    found = sweep_from(told(result.to_json()), "sweep.json")
    assert found.to_json() == result.to_json()
    assert (found.rows, found.failures) == (result.rows, result.failures)


def test_the_accuracies_of_several_outputs_come_back(tmp_path):
    result = several_outputs()
    found = sweep_from(told(result.to_json()), "sweep.json")
    assert found.to_json() == result.to_json()
    assert found.rows[0].judgement.output_accuracies == {"tags": 0.9}
    assert [row.quantity for row in found.equivalence.comparisons] == ["val_loss", "tags_accuracy"]
    page = sweep_page(found)
    captions = [getattr(block, "caption", "") for part in page.sections for block in part.blocks]
    labels = [text for text in captions if "output tags" in text]
    assert len(labels) == 2
    assert all(text.startswith("Validation accuracy of the output tags") for text in labels)


def several_outputs():
    runs = [
        replace(run, judgement=replace(run.judgement, output_accuracies={"tags": value}))
        for run, value in zip(
            rows([1.0, 1.1], [1.1, 1.0], scenario="mine", quantity="val_loss"),
            (0.9, 0.8, 0.9, 0.7),
            strict=True,
        )
    ]
    return result_of(Sweep(runs), mode="independent", terms={"mine": Terms()})


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
