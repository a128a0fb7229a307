"""What the file of a sweep says follows from its runs, or the file is refused in one line."""

import json
from dataclasses import replace

import pytest
import swept
from changes import REMOVED, changed
from report_folders import sweep_result

from parity.errors import InputError
from parity.programs.scenarios import Margins, Terms
from parity.sweeps.result import result_of
from parity.sweeps.result_file import sweep_from
from parity.sweeps.rows import Sweep

FAILURE = {"scenario": "too_large", "seed": 99, "half": "torch", "reason": "gone"}


def told(result):
    return json.loads(json.dumps(result.to_json()))


def refusal(content):
    with pytest.raises(InputError) as caught:
        sweep_from(content, "sweep.json")
    text = str(caught.value)
    assert (text.count("\n"), len(text) < 400, caught.value.exit_code) == (0, True, 2)
    return text


def of_programs(margins=None, *, are_pairs=True, shift=0.0):
    """A sweep of a program of a user's and its remedy."""
    margins = margins or Margins(accuracy=0.02, gap=0.03, epochs=0.2, collapses=0.4, loss=0.05)
    rows = [
        replace(row, scenario=name)
        for name in ("mine", "cured")
        for row in swept.rows(swept.SEEDS, swept.moved(swept.SEEDS, shift), scenario=name)
    ]
    terms = {"mine": Terms(None, margins), "cured": Terms("mine", margins)}
    return result_of(Sweep(rows=rows), mode="independent", terms=terms, are_pairs=are_pairs)


RIGHT = {
    "pass": sweep_result(),
    "fail": sweep_result(shift=0.05),
    "inconclusive": sweep_result(seeds=3),
    "incomplete": sweep_result(failures=[FAILURE]),
    "programs": of_programs(),
    "programs that differ": of_programs(shift=0.1),
    "groups": of_programs(are_pairs=False),
    "losses": result_of(
        Sweep(rows=swept.rows(swept.SEEDS, swept.SEEDS, quantity="val_loss")),
        mode="independent",
        terms={"some": Terms(None, Margins(loss=0.3))},
    ),
}


@pytest.mark.parametrize("name", RIGHT)
@pytest.mark.parametrize("has_rows", [True, False])
def test_what_was_written_is_taken(name, has_rows):
    content = told(RIGHT[name])
    if not has_rows:
        del content["rows"]
    assert sweep_from(content, "sweep.json").verdict == RIGHT[name].verdict


@pytest.mark.parametrize("name", RIGHT)
def test_a_sweep_may_say_that_it_is_incomplete(name):
    content = {**told(RIGHT[name]), "verdict": "incomplete"}
    assert sweep_from(content, "sweep.json").verdict == "incomplete"


@pytest.mark.parametrize("name", [name for name in RIGHT if RIGHT[name].verdict != "pass"])
@pytest.mark.parametrize("has_rows", [True, False])
def test_no_other_sweep_passes(name, has_rows):
    content = {**told(RIGHT[name]), "verdict": "pass"}
    if not has_rows:
        del content["rows"]
    assert f"verdict is 'pass', but it is {RIGHT[name].verdict!r}" in refusal(content)


def test_a_pass_over_missing_runs_is_refused():
    content = {**told(RIGHT["incomplete"]), "verdict": "pass"}
    assert "it is 'incomplete': 1 runs are missing" in refusal(content)
    content["failures"] = []
    assert "runs.failed is 1, and failures 0" in refusal(content)


FIRST = ("comparisons", 0)
FORGED = [
    ("fail", (*FIRST, "verdict"), "equivalent", "comparisons[0].verdict is 'equivalent', but "),
    ("fail", (*FIRST, "p_different"), 1.0, "comparisons[0].p_different is 1, but its runs give "),
    ("fail", (*FIRST, "equivalence", "margin"), 0.5, "equivalence.margin is 0.5, but"),
    ("fail", (*FIRST, "torch"), 0.9, "comparisons[0].torch is 0.9, but its runs give 0.9"),
    ("fail", ("comparisons",), [], "comparisons has 0 entries, but its runs give "),
    ("fail", ("collapses", 0, "margin"), 1.0, "collapses[0].margin is 1, but its runs give 0.1"),
    ("fail", ("scenarios", 0, "num_seeds"), 9, "scenarios[0].num_seeds is 9, but its runs give 8"),
    ("fail", ("scenarios", 0, "agrees"), False, "scenarios[0].agrees is False, and 'agree'"),
    ("fail", ("rows", 0, "judgement", "val_accuracy"), 0.1, "but its runs give"),
    ("fail", ("rows", 0), REMOVED, "runs.finished is 32, but there are 31 rows"),
    ("fail", ("rows", 1, "half"), "keras", "a run occurs twice among rows and failures"),
    ("fail", ("runs", "finished"), 5, "runs.finished is 5, but there are 32 rows"),
    ("fail", ("mode",), "seeded", "but its runs give"),
    ("pass", ("margins",), "strict", "collapses[0].margin is 0.1, but its runs give 0.05"),
    ("programs", ("collapses", 0, "margin"), 0.0, "collapses of 'mine' is no number above 0"),
    ("groups", (*FIRST, "equivalence", "low"), -9.0, "equivalence.low is -9, but its runs give"),
]


@pytest.mark.parametrize(
    ("name", "place", "value", "message"),
    FORGED,
    ids=[f"{n}-{'.'.join(map(str, place))}" for n, (_, place, _, _) in enumerate(FORGED)],
)
def test_what_does_not_follow_from_the_runs_is_refused(name, place, value, message):
    assert message in refusal(changed(told(RIGHT[name]), place, value))


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ((*FIRST, "verdict"), "equivalent", "comparisons[0].verdict is 'equivalent', but it is"),
        ((*FIRST, "p_different"), 1.0, "comparisons[0].verdict is 'different', but it is"),
        (("collapses", 0, "verdict"), "different", "collapses[0].verdict is 'different', but"),
        (("collapses", 0, "p_different"), 0.01, "collapses[0].verdict is 'equivalent', but it is"),
        (("scenarios", 0, "p_different"), 0.01, "scenarios[0].verdict does not follow from its p"),
        (("scenarios", 0, "num_seeds"), 9, "scenarios[0].keras does not count its 9 seeds"),
    ],
)
def test_without_its_runs_a_row_is_compared_with_its_numbers(place, value, message):
    content = changed(told(RIGHT["fail"]), ("rows",), REMOVED)
    assert message in refusal(changed(content, place, value))


def test_the_rounding_of_another_machine_is_no_contradiction():
    content = told(RIGHT["pass"])
    for row in content["comparisons"]:
        row["keras"] *= 1 + 1e-12
        row["equivalence"]["p"] *= 1 + 1e-9
    assert sweep_from(content, "sweep.json").verdict == "pass"
