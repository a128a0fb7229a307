"""A sweep comes back from its file: of what follows from its runs, the file is not believed."""

import json
import re
from dataclasses import replace

import pytest
import swept
from changes import REMOVED, changed
from report_folders import sweep_result
from rows import each_row
from swept import rows

from parity.errors import InputError
from parity.programs.scenarios import Margins, Terms
from parity.report.pages.sweep_page import sweep_page
from parity.sweeps.result import result_of
from parity.sweeps.result_file import sweep_from
from parity.sweeps.rows import Sweep


def told(value):
    return json.loads(json.dumps(value))


FAILURE = {"scenario": "leak", "seed": 1, "half": "torch", "reason": "gone"}


@each_row("failures", [[], [FAILURE]])
def test_a_sweep_comes_back_from_its_json(failures):
    result = sweep_result(failures=failures)
    found = sweep_from(told(result.to_json()), "sweep.json")
    assert found.to_json() == result.to_json()
    assert (found.rows, found.failures) == (result.rows, result.failures)


def test_the_accuracies_of_several_outputs_come_back():
    pairs = rows([1.0, 1.1], [1.1, 1.0], scenario="mine", quantity="val_loss")
    runs = [
        replace(run, judgement=replace(run.judgement, output_accuracies={"tags": value}))
        for run, value in zip(pairs, (0.9, 0.8, 0.9, 0.7), strict=True)
    ]
    result = result_of(Sweep(runs), mode="independent", terms={"mine": Terms()})
    found = sweep_from(told(result.to_json()), "sweep.json")
    assert (found.to_json(), found.rows) == (result.to_json(), result.rows)
    assert [row.quantity for row in found.equivalence.comparisons] == ["val_loss", "tags_accuracy"]
    blocks = [block for part in sweep_page(found).sections for block in part.blocks]
    labels = [text for text in (getattr(b, "caption", "") for b in blocks) if "output tags" in text]
    assert [text.partition(" tags")[0] for text in labels] == [
        "Validation accuracy of the output"
    ] * 2


@each_row(
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
    with pytest.raises(InputError, match=re.escape(message)):
        sweep_from({**told(sweep_result().to_json()), **change}, "sweep.json")


def of_programs(*, are_pairs=True):
    """A program of a user's and its remedy, of which the longest run did not train."""
    margins = Margins(accuracy=0.02, gap=0.03, epochs=0.2, collapses=0.4, loss=0.05)
    runs = [
        replace(run, judgement=replace(run.judgement, num_epochs=20 + run.seed, **numbers))
        for name in ("mine", "cured")
        for run in swept.rows(swept.SEEDS, swept.moved(swept.SEEDS, 0.0), scenario=name)
        for numbers in [{"gap": run.seed / 100, "epochs_to_plateau": 5.0 + run.seed / 3}]
    ]
    last = runs[len(swept.SEEDS) - 1]
    runs[len(swept.SEEDS) - 1] = replace(
        last, judgement=replace(last.judgement, verdict="stagnant")
    )
    terms = {"mine": Terms(None, margins), "cured": Terms("mine", margins)}
    return result_of(Sweep(runs), mode="independent", terms=terms, are_pairs=are_pairs)


FAIL = sweep_result(shift=0.05)


@each_row("are_pairs", [True, False])
def test_programs_of_the_users_keep_their_margins(are_pairs):
    content = told(of_programs(are_pairs=are_pairs).to_json())
    assert told(sweep_from(content, "sweep.json").to_json()) == content


@each_row(
    ("place", "value"),
    [
        (("verdict",), "pass"),
        (("comparisons", 0, "verdict"), "equivalent"),
        (("comparisons", 0, "p_different"), 1.0),
        (("comparisons",), []),
        (("collapses", 0, "margin"), 1.0),
        (("scenarios", 0, "num_seeds"), 9),
        (("runs", "finished"), 5),
        (("wall_s", "keras"), 0.5),
    ],
    ids=str,
)
def test_what_follows_from_the_runs_is_computed_whatever_the_file_says(place, value):
    found = sweep_from(changed(told(FAIL.to_json()), place, value), "sweep.json")
    assert found.to_json() == FAIL.to_json()


def test_runs_that_were_changed_are_judged_as_they_stand():
    content = told(FAIL.to_json())
    keras = {(row["scenario"], row["seed"]): row for row in content["rows"][::-1]}
    for row in content["rows"]:
        row["judgement"] = keras[row["scenario"], row["seed"]]["judgement"]
    assert (FAIL.verdict, sweep_from(content, "sweep.json").verdict) == ("fail", "pass")


def test_without_its_runs_the_verdict_is_that_on_the_rows_that_are_there():
    content = changed(told(FAIL.to_json()), ("rows",), REMOVED)
    found = sweep_from({**content, "verdict": "pass"}, "sweep.json")
    assert (found.verdict, found.equivalence) == ("fail", FAIL.equivalence)


@each_row("lacking", ["notes", "rows"])
@each_row("failures", [[], [FAILURE]])
def test_a_sweep_may_be_incomplete_and_with_a_missing_run_is(failures, lacking):
    content = told(sweep_result(failures=failures).to_json())
    for verdict in ("pass", "incomplete"):
        edited = {key: content[key] for key in content if key != lacking}
        found = sweep_from({**edited, "verdict": verdict}, "sweep.json")
        assert found.verdict == ("incomplete" if failures else verdict)


@each_row(
    ("place", "value", "message"),
    [
        (("rows", 1), REMOVED, "rows and failures lack one half of a seed"),
        (("rows", 1, "half"), "keras", "a run occurs twice among rows and failures"),
        (("rows", 0, "seed"), -1, "rows[0].seed is -1"),
        (("rows", 0, "judgement", "val_accuracy"), "NaN", "a has nan: expected finite values"),
        (("comparisons", 0, "equivalence", "margin"), -1.0, "margin is -1.0; expected float >= 0"),
    ],
    ids=["removed", "twice", "seed", "nan", "margin"],
)
def test_a_damaged_row_is_refused_in_one_line(place, value, message):
    with pytest.raises(InputError, match=rf"\A.*{re.escape(message)}.*\Z") as caught:
        sweep_from(changed(told(FAIL.to_json()), place, value), "sweep.json")
    assert (len(str(caught.value)) < 400, caught.value.exit_code) == (True, 2)
