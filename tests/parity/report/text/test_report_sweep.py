"""The report of a sweep: what it says, in 80 columns."""

import dataclasses

import pytest
from report_lines import check, styles, text

from parity.behaviour.judgement import VERDICTS
from parity.programs.scenarios import SCENARIOS
from parity.report.text.sweep import failure_lines, sweep_lines
from parity.stats import Equivalence
from parity.sweeps.agreement import ScenarioVerdicts
from parity.sweeps.collapses import Collapses
from parity.sweeps.equivalence import EquivalenceRow, SweepEquivalence
from parity.sweeps.result import SweepResult, result_of
from parity.sweeps.rows import Sweep

QUANTITIES = ["accuracy", "gap", "epochs", "effect on gap", "effect on accuracy"]
HOSTILE = {
    "an escape code": "\x1b[31mred\x1b[0m",
    "a bell": "ring\a",
    "an override of direction": "a\N{RIGHT-TO-LEFT OVERRIDE}b",
    "Hebrew": "שלום " * 60,
    "a very long word": "x" * 500,
    "very many words": "word " * 500,
    "carriage returns": "one\rtwo\rthree",
    "half a character": "a\udc80b",
    "markup": "[red]name[/red]",
    "nothing": "",
}


def equivalence(difference=0.001, half=0.002, *, p=0.01, power=0.9, needed=8, **others):
    return Equivalence(
        "equivalent",
        difference,
        difference - half,
        difference + half,
        p,
        **{"p_different": 1.0, "p_zero": 1.0, **others},
        margin=0.015,
        alpha=0.05,
        n=10,
        power=power,
        n_needed=needed,
    )


def comparison(
    quantity="accuracy", verdict="equivalent", *, scenario="leak", p_different=1.0, **numbers
):
    against = "too_large" if quantity.startswith("effect") else None
    found = equivalence(**numbers)
    return EquivalenceRow(
        scenario, quantity, against, 0.9, 0.9, 0, False, found, p_different, verdict
    )


def verdicts(keras, torch, *, scenario="leak", expected="suspicious", num_missing=0):
    count = sum(keras.values())
    same = sum(min(keras.get(name, 0), torch.get(name, 0)) for name in keras)
    agrees = ScenarioVerdicts.most(keras) == ScenarioVerdicts.most(torch)
    return ScenarioVerdicts(
        scenario=scenario,
        expected=expected,
        num_seeds=count,
        num_missing=num_missing,
        keras=keras,
        torch=torch,
        num_same=same,
        num_near=0,
        p_different=1.0 if agrees else 0.001,
        verdict="agree" if agrees else "different",
    )


def collapses(keras, torch, verdict="inconclusive", *, diverged=0):
    return Collapses("leak", 20, keras, torch, 0, diverged, -0.3, 0.1, 0.1, 1.0, verdict)


def result(
    verdict="pass",
    rows=(),
    comparisons=(),
    failures=(),
    mode="independent",
    *,
    margins="visible",
    collapsed=(),
):
    found = SweepEquivalence("pass", tuple(rows), tuple(collapsed), tuple(comparisons))
    return SweepResult(verdict, mode, margins, found, 20, 4, tuple(failures), {"keras": 2.0})


def missing(reason, seed=0):
    return {"scenario": "leak", "seed": seed, "half": "torch", "reason": reason}


def test_the_accuracy_of_one_of_several_outputs_stands_beside_its_name():
    rows = [comparison("kind_of_the_long_name_accuracy", scenario="two_heads", difference=0.001)]
    lines = text(sweep_lines(result(comparisons=rows)))
    (line,) = [line for line in lines if "two_heads" in line]
    assert line.startswith("  two_heads:..._long_name accuracy    -0.10 ")


def test_a_sweep_reads_like_this():
    rows = [
        verdicts({"suspicious": 10}, {"suspicious": 9, "good_fit": 1}),
        verdicts({"good_fit": 7, "overfit": 3}, {"overfit": 10}, scenario="cured_by_l2"),
    ]
    compared = [
        comparison(difference=0.001, half=0.002, p=0.012),
        comparison("gap", "different", difference=-0.03, half=0.002, p=1.0, p_different=2e-5),
        comparison("epochs", "inconclusive", difference=0.5, half=2.0, power=0.5, needed=25),
        comparison("effect on gap", scenario="cured_by_early_stopping", p=1e-9, power=1.0),
    ]
    lines = text(sweep_lines(result("fail", rows, compared)))
    assert lines == [
        "  scenario                expected    keras                torch",
        "  leak                    suspicious  suspicious 10/10     suspicious 9/10",
        "  cured_by_l2             suspicious  good_fit 7/10        overfit 10/10",
        "",
        "  scenario                quantity  torch-keras, interval      p power",
        "  leak                    accuracy    -0.10   -0.30 +0.10   0.01  0.90 =",
        "  leak                    gap         +3.00   +2.80 +3.20  2e-05  0.90 differs",
        "  leak                    epochs      -0.50   -2.50 +1.50   0.01  0.50 ? n 25",
        "  cured_by_early_stopping Δgap        -0.10   -0.30 +0.10  1e-09  1.00 =",
        "  in points of 0.01 (accuracy, gap), epochs",
        "  90 % intervals; p of what the mark says",
        "  Δ: effect of a remedy, its run minus the run that it cures",
        "  ? n: undecided; so many seeds would do, if there is no difference",
        "",
        "  leak                    seeds: 10 of 10 finished, about 25 needed",
        "",
        "  margins visible: ±1.5 points of accuracy, ±1.5 points of the gap, ±0.015",
        "  epochs",
        "  fail (independent, visible margins): 1 of 2 verdicts agree (1 not as",
        "  expected), 2 of 4 comparisons equivalent; 20 runs, 4 of them now",
        "",
    ]


def test_what_the_port_changes_is_torch_minus_keras():
    (line,) = [row for row in text(sweep_lines(result(comparisons=[
        comparison(difference=0.01, half=0.002),  # keras is better by a point
    ]))) if " accuracy " in row]  # fmt: skip
    assert line.split()[2:5] == ["-1.00", "-1.20", "-0.80"]


def test_what_is_nothing_has_no_negative_sign():
    tiny = comparison(difference=1e-9, half=0.0)
    assert "+0.00   +0.00 +0.00" in "\n".join(text(sweep_lines(result(comparisons=[tiny]))))


@pytest.mark.parametrize("verdict", ["equivalent", "different", "inconclusive"])
@pytest.mark.parametrize("needed", [2, 9_999, 10_000, 10**6, None])
def test_no_line_is_over_80_columns_whatever_the_numbers(verdict, needed):
    # Of accuracies. With two seeds, an interval of 90 % reaches 6.4 to either side of 1 at most.
    extremes = [(0.0, 0.0), (1.0, 6.4), (-1.0, 6.4), (0.99994, 0.0), (0.5, 0.49994)]
    compared = [
        comparison(
            quantity,
            verdict,
            scenario=name,
            difference=difference * (100 if quantity == "epochs" else 1),
            half=half * (100 if quantity == "epochs" else 1),
            p=p,
            p_different=p,
            needed=needed,
        )
        for name in SCENARIOS
        for quantity in QUANTITIES
        for difference, half in extremes
        for p in (0.0, 1e-300, 0.05, 1.0)
    ]
    counts = dict.fromkeys(VERDICTS, 500)
    rows = [verdicts(counts, counts, scenario=name, expected="suspicious") for name in SCENARIOS]
    lines = sweep_lines(result("inconclusive", rows, compared))
    check(lines)
    # Columns stay apart: there are eight of them, the mark may have up to three parts.
    for line in text(lines):
        if " accuracy " in line:
            assert 8 <= len(line.split()) <= 10


@pytest.mark.parametrize(
    ("needed", "told"),
    [(12, "? n 12"), (9_999, "? n 9999"), (10_000, "? n>9999"), (None, "? n>9999")],
)
def test_what_is_inconclusive_says_how_many_seeds_would_do(needed, told):
    compared = comparison(verdict="inconclusive", needed=needed)
    assert any(line.endswith(told) for line in text(sweep_lines(result(comparisons=[compared]))))


def test_a_scenario_shows_the_most_frequent_verdict_of_which_equals_are_alike_in_both_halves():
    tied = verdicts({"overfit": 2, "good_fit": 2}, {"good_fit": 2, "overfit": 2})
    assert tied.agrees
    line = text(sweep_lines(result(rows=[tied])))[1]
    assert line.split()[2:] == ["good_fit", "2/4", "good_fit", "2/4"]


def test_a_scenario_that_promises_no_verdict_shows_a_dash():
    row = verdicts({"overfit": 3}, {"overfit": 3}, expected=None)
    lines = sweep_lines(result(rows=[row]))
    assert text(lines)[1].split()[1] == "-"
    assert styles(lines, "overfit 3/3") == {""}


@pytest.mark.parametrize(
    ("keras", "torch", "style"),
    [
        ({"suspicious": 3}, {"suspicious": 3}, ""),
        ({"suspicious": 3}, {"overfit": 3}, "bold red"),  # the halves disagree
        ({"overfit": 3}, {"overfit": 3}, "bold red"),  # they agree on what was not expected
    ],
)
def test_verdicts_that_are_not_as_they_should_be_are_red(keras, torch, style):
    lines = sweep_lines(result(rows=[verdicts(keras, torch)]))
    assert styles(lines, "3/3") == {style}


@pytest.mark.parametrize(
    ("verdict", "mark", "style"),
    [
        ("equivalent", " =", "green"),
        ("different", " differs", "bold red"),
        ("inconclusive", " ? n 25", "yellow"),
    ],
)
def test_comparisons_have_the_colour_of_their_verdict(verdict, mark, style):
    lines = sweep_lines(result(comparisons=[comparison(verdict=verdict, needed=25)]))
    assert styles(lines, mark) == {style}


@pytest.mark.parametrize(
    ("verdict", "style"),
    [
        ("pass", "bold green"),
        ("fail", "bold red"),
        ("incomplete", "bold red"),
        ("inconclusive", "yellow"),
    ],
)
@pytest.mark.parametrize("mode", ["seeded", "independent"])
def test_a_sentence_says_what_came_of_it(verdict, style, mode):
    rows = [verdicts({"overfit": 1000}, {"overfit": 1000})] * 18
    lines = sweep_lines(result(verdict, rows, [comparison()] * 10_000, mode=mode))
    check(lines)
    (start,) = [n for n, line in enumerate(text(lines)) if line.startswith(f"  {verdict} ({mode},")]
    told = " ".join(row.strip() for row in text(lines[start:]))
    assert told.strip() == (
        f"{verdict} ({mode}, visible margins): 18 of 18 verdicts agree (18 not as expected), 10000 "
        "of 10000 comparisons equivalent; 20 runs, 4 of them now"
    )
    assert {style for line in lines[start:] for _, style in line} == {style}
    assert text(lines)[-1] == ""


@pytest.mark.parametrize("margins", ["visible", "strict"])
@pytest.mark.parametrize("verdict", ["pass", "incomplete"])
def test_the_margins_that_judge_are_always_told(verdict, margins):
    lines = sweep_lines(
        result(
            verdict,
            comparisons=[comparison(), comparison("gap"), comparison("effect on gap")],
            margins=margins,
            collapsed=[collapses(0, 0, "equivalent")],
        )
    )
    check(lines)
    told = " ".join(line.strip() for line in text(lines))
    assert f"{verdict} (independent, {margins} margins): " in told
    assert (
        f"margins {margins}: ±1.5 points of accuracy, ±1.5 points of the gap, ±10 % of runs that "
        "do not train"
    ) in told


def undecided(**changes):
    return dataclasses.replace(comparison(verdict="inconclusive", needed=25), **changes)


@pytest.mark.parametrize(
    ("row", "mark", "legend"),
    [
        (undecided(), " ? n 25", "? n: undecided; so many seeds would do"),
        (
            undecided(equivalence=equivalence(needed=10)),
            " ? margin",
            "? margin: undecided with enough seeds: the difference is near the margin",
        ),
        (undecided(has_diverged=True), " ? div", "? div: undecided: a run diverged"),
    ],
    ids=["seeds", "margin", "diverged"],
)
def test_why_a_comparison_is_undecided_is_told(row, mark, legend):
    lines = sweep_lines(result("inconclusive", comparisons=[row]))
    check(lines)
    (line,) = [line for line in text(lines) if " accuracy " in line]
    assert line.endswith(mark)
    assert [line.strip()[: len(legend)] for line in text(lines) if line.startswith("  ?")] == [
        legend
    ]


@pytest.mark.parametrize(
    ("row", "told", "style"),
    [
        (collapses(0, 1), "untrained: keras 0/20, torch 1/20 ? n 61", "yellow"),
        (
            collapses(2, 12, "different", diverged=3),
            "untrained: keras 2/20, torch 12/20 differs",
            "bold red",
        ),
        (collapses(1, 1, "equivalent"), "untrained: keras 1/20, torch 1/20 =", "green"),
    ],
)
def test_runs_that_did_not_train_are_counted(row, told, style):
    lines = sweep_lines(result(collapsed=[row]))
    check(lines)
    assert f"  leak                    {told}" in text(lines)
    assert any("diverged: keras 0, torch 3" in line for line in text(lines)) == ("12" in told)
    assert style in {
        s for line in lines for part, s in line if part in (" ? n 61", " differs", " =")
    }


def test_where_every_run_trained_nothing_is_told_of_it():
    lines = text(sweep_lines(result(collapsed=[collapses(0, 0, "equivalent")])))
    assert not any("untrained" in line for line in lines)


@pytest.mark.parametrize(
    ("num_missing", "needed", "told"),
    [
        (2, 8, "3 of 5 finished, 2 missing"),
        (2, 1050, "3 of 5 finished, 2 missing, about 1050 needed"),
        (0, 1050, "3 of 3 finished, about 1050 needed"),
        (0, None, "3 of 3 finished, about >9999 needed"),
    ],
)
def test_seeds_that_are_missing_and_seeds_that_are_needed_are_told(num_missing, needed, told):
    row = verdicts({"suspicious": 3}, {"suspicious": 3}, num_missing=num_missing)
    compared = comparison(verdict="inconclusive", needed=needed)
    lines = sweep_lines(result("incomplete", [row], [compared]))
    check(lines)
    assert f"  leak                    seeds: {told}" in text(lines)


def test_a_scenario_of_which_no_seed_has_finished_is_told():
    failures = [missing("killed", seed) for seed in (3, 4)]
    lines = text(sweep_lines(result("incomplete", failures=failures)))
    assert "  leak                    seeds: 0 of 2 finished, 2 missing" in lines


def test_seeds_that_are_enough_are_not_told():
    row = verdicts({"suspicious": 3}, {"suspicious": 3})
    assert not any("seeds:" in line for line in text(sweep_lines(result(rows=[row]))))


def test_missing_runs_are_listed_with_their_reasons():
    failures = [missing("the child was killed\nTraceback"), missing("out of memory", seed=1)]
    assert text(failure_lines(result("incomplete", failures=failures))) == [
        "  missing: leak seed 0 torch",
        "    the child was killed",
        "  missing: leak seed 1 torch",
        "    out of memory",
        "",
    ]


def test_missing_runs_of_one_reason_are_told_once():
    failures = [missing("no such file", seed) for seed in (0, 1, 2)]
    failures.insert(1, missing("killed", seed=7))
    assert text(failure_lines(result("incomplete", failures=failures))) == [
        "  missing: leak seed 0 torch, and 2 more likewise",
        "    no such file",
        "  missing: leak seed 7 torch",
        "    killed",
        "",
    ]


def test_a_sweep_without_missing_runs_lists_none():
    assert failure_lines(result()) == []


@pytest.mark.parametrize(("count", "more"), [(10, None), (11, 1), (3000, 2990)])
def test_after_ten_missing_runs_the_others_are_counted(count, more):
    failures = [missing(f"reason {seed}", seed) for seed in range(count)]
    told = text(sweep_lines(result("incomplete", failures=failures)))
    assert [line for line in told if line.startswith("    ")] == [
        f"    reason {seed}" for seed in range(10)
    ]
    counted = [line for line in told if " more" in line]
    assert counted == ([] if more is None else [f"  ... and {more} more"])


@pytest.mark.parametrize("reason", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("before", ["", "\n\n", "the child ended: "], ids=repr)
def test_a_hostile_reason_is_shown_as_text_in_a_few_lines(reason, before):
    lines = failure_lines(result("incomplete", failures=[missing(before + reason, seed=2**32 - 1)]))
    check(lines)
    assert len(lines) <= 6
    if before.strip():
        assert "the child ended:" in text(lines)[1]


def test_a_sweep_of_which_some_runs_are_missing_has_a_report():
    rows = [verdicts({"suspicious": 4}, {"suspicious": 4})]
    check(sweep_lines(result("incomplete", rows, [comparison()], [missing("killed")])))


def test_a_sweep_of_which_every_run_is_missing_has_a_report():
    found = result_of(Sweep(failures=[missing("killed", 0), missing("killed", 1)]), mode="seeded")
    lines = sweep_lines(found)
    check(lines)
    assert "incomplete (seeded, visible margins): 0 of 0 verdicts agree" in text(lines)[-3]
