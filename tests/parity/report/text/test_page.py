"""A page on a terminal: in 80 columns whatever stands on it, in colours, and cut with a count."""

import dataclasses
import math

import pytest
import report_lines
from bench_results import HOSTILE, MACHINE, SPEC, row
from checked import level, result_of
from labelled_histories import LABELLED
from page_parts import page_of
from result_samples import CAUSE, PLACE, accepted_check, failing_check, run, sweep

from parity.behaviour.causes import CAUSES, RankedCause
from parity.behaviour.diagnosis import Diagnosis, diagnose
from parity.behaviour.rules import VERDICTS, Judgement
from parity.bench.result import BenchResult, Ratio
from parity.ladder.items import FAIL, SKIPPED, Item, Level
from parity.ladder.result import Found
from parity.programs.scenarios import SCENARIOS
from parity.report import page
from parity.report.page import MAX_NOTES
from parity.report.pages.bench_page import bench_page
from parity.report.pages.diagnosis_page import diagnosis_page
from parity.report.pages.runs_page import result_page
from parity.report.pages.sweep_page import sweep_page
from parity.report.text.page import FEW, note_lines, page_lines
from parity.stats import Equivalence
from parity.sweeps.equivalence import EquivalenceRow, SweepEquivalence
from parity.sweeps.samples import QUANTITIES
from parity.sweeps.verdicts import ScenarioVerdicts

EXTREMES = [1e-100, 0.00999, 0.0949, 1.0, 99.994, 99_999.4, 999_999.4, 1e6, 1e100]
# Our longest names, late in a long training.
LONGEST = [
    ("dense1.kernel.momentum", None, 20, (1599, 127)),
    ("optimizer.learning_rate", None, None, None),
    ("running loss", 9_999, 10**7, None),
    ("x" * 5000, 3, 700, (1,)),
]


def lines_of(result, *more):
    return report_lines.text(page_lines(result_page(result, *more)))


def with_divergences(*found, **changes):
    result = result_of(level("data"), level("forward", worst=0.75))
    return dataclasses.replace(result, divergences=found, **changes)


def found(causes=(CAUSE,), **changes):
    item = level("forward", worst=0.75).items[0]
    return Found("forward", item, (item.name,), tuple(causes), **changes)


def test_many_divergences_are_shown_without_formulas_and_other_causes():
    both = found((CAUSE, {**CAUSE, "id": "A7"}))
    few, many = (lines_of(with_divergences(*[both] * number)) for number in (FEW, FEW + 1))
    assert "    rule  Keras: the odd one after" in few
    assert sum(line.startswith("    or    A7") for line in few) == FEW
    assert not any("A7" in line or "rule" in line for line in many)
    assert sum(line.startswith("    fix ") for line in many) == FEW + 1


def test_a_comment_that_does_not_fit_beside_its_code_comes_before_it():
    fix = f"x = 1  # {'why ' * 30}\n# {'and ' * 30}\ny = 2  # short"
    lines = lines_of(with_divergences(found(({**CAUSE, "fix": fix, "tried": True},))))
    start = next(n for n, line in enumerate(lines) if line.startswith("    fix "))
    told = [line[10:] for line in lines[start : start + 7]]
    assert [text.partition(" ")[0] for text in told] == ["#", "#", "x", "#", "#", "y", "tried:"]
    assert told[2] == "x = 1"


@pytest.mark.parametrize(("name", "is_told"), [("data", True), ("schedule", False)])
def test_the_ladder_says_why_there_is_no_data_and_not_that_there_is_no_schedule(name, is_told):
    absent = Level(name, SKIPPED, "no layer could be paired", applies=False)
    (line,) = [each for each in lines_of(result_of(absent)) if each.split()[:1] == [name]]
    assert line.split(maxsplit=2)[1:] == (["-", "no layer could be paired"] if is_told else ["-"])


def test_the_seconds_of_a_check_are_those_of_its_halves_and_what_else_a_bundle_says_is_none():
    wall_s = {"keras": {"check": 1.25, "import": 2.5}, "torch": {"check": "fast", "import": None}}
    environment = {half: {"wall_s": told} for half, told in wall_s.items()}
    lines = lines_of(dataclasses.replace(result_of(level("data")), environment=environment))
    assert "  keras      1.2 s, and 2.5 s of imports" in lines
    assert not any("fast" in line for line in lines)


COMPARED = sweep("fail", verdicts=["different", "equivalent"])
# A result, a text on its page, and the style in which it is shown.
STYLES = [
    *(
        (sweep(verdict), text, style)
        for verdict, style in (
            ("pass", "bold green"),
            ("fail", "bold red"),
            ("incomplete", "bold yellow"),
        )
        for text in (verdict.upper(), f"{verdict} (independent")
    ),
    (failing_check(), "FAIL     ", "bold red"),
    (failing_check(), "skipped", "bold yellow"),
    (accepted_check(), "  1  accepted, ", "yellow"),
    (COMPARED, " differs", "bold red"),
    (COMPARED, " =", "bold green"),
]


@pytest.mark.parametrize(("result", "text", "style"), STYLES, ids=[row[1] for row in STYLES])
def test_verdicts_levels_and_cells_have_their_colour(result, text, style):
    assert report_lines.styles(page_lines(page_of(result)), text) == {style}


@pytest.mark.parametrize("number", [MAX_NOTES, MAX_NOTES + 1, 3000])
def test_after_ten_notes_of_a_kind_the_others_are_counted(number):
    lines = report_lines.text(note_lines([page.Note("warning", str(n)) for n in range(number)]))
    assert lines[:MAX_NOTES] == [f"  warning: {n}" for n in range(MAX_NOTES)]
    more = [line for line in lines if "more" in line]
    assert more == ([f"  warning: ... and {number - MAX_NOTES} more"] if number > 10 else [])


@pytest.mark.parametrize(("name", "epoch", "step", "index"), LONGEST)
def test_no_line_of_a_run_is_over_80_columns_whatever_the_names(name, epoch, step, index):
    item = Item(
        name, 1.5e-300, 1e-308, "rel", 10**9, epoch, step, index, keras=-1.23e-300,
        torch="x" * 500, note="1,234,567 of 1,234,567,890 above",
    )  # fmt: skip
    rates = {"val_accuracy": [0.5], "learning_rate": [1 / n for n in range(1, 60)]}
    place = {**PLACE, "keras": "a_long_name" * 9, "torch": "0." * 40}
    result = run(
        (Level("trajectory", FAIL, "why " * 90, (item,)),),
        scenario=name,
        history={"keras": rates, "torch": rates},
        wall_s={"keras": 123_456.7, "torch": 98_765.4},
        divergences=(Found("trajectory", item, (name, "a"), (CAUSE,) * 2, place),),
        incomplete=({"what": "w" * 200, "why": "y " * 90, "do": "z " * 90},),
        not_compared=({"what": name, "why": name},),
    )
    lines = page_lines(result_page(result))
    report_lines.check(lines)
    printed = "\n".join(report_lines.text(lines))
    assert name[:9] in printed
    assert name[-5:] in printed
    assert f"step {step}" in printed or step is None
    assert f"at {list(index or ())}" in printed or index is None
    assert "123456.7 s" in printed


@pytest.mark.parametrize("worst", [math.inf, math.nan, 3.0, 1e300, 12_345_678.0])
def test_numbers_beyond_all_measure_fit(worst):
    item = Item("item", worst, 0.0, "abs", 1)
    report_lines.check(page_lines(result_page(run((Level("data", FAIL, "", (item,)),)))))
    keys = ("loss", "val_loss", "accuracy")
    history = {key: [1.0, 0.5, worst] for key in keys}
    report_lines.check(page_lines(diagnosis_page(diagnose(history))))


@pytest.mark.parametrize("string", HOSTILE.values(), ids=HOSTILE)
def test_no_line_of_a_benchmark_is_over_80_columns_whatever_the_texts(string):
    rows = [
        row(
            f"{string}{number}", value, part=string, batch_size=2**63 - 1, peak_memory_mb=value,
            warmup_s=value, seconds_to_accuracy=value, baseline=string,
            ratio=Ratio(value, value, value, 0.0, 1), environment={"versions": {string: string}},
        )
        for number, value in enumerate(EXTREMES)
    ]  # fmt: skip
    rows.append(row(string, status="failed", reason=string))
    report_lines.check(page_lines(bench_page(BenchResult(SPEC, rows, {**MACHINE, "gpu": string}))))


@pytest.mark.parametrize("verdict", ["equivalent", "different", "inconclusive"])
@pytest.mark.parametrize("needed", [2, 9_999, None])
def test_no_line_of_a_sweep_is_over_80_columns_whatever_the_numbers(verdict, needed):
    # Of accuracies. With two seeds, an interval of 90 % reaches 6.4 to either side of 1 at most.
    extremes = [(0.0, 0.0), (1.0, 6.4), (-1.0, 6.4), (0.99994, 0.0), (0.5, 0.49994)]
    compared = []
    for name in SCENARIOS:
        for quantity in (*QUANTITIES, "effect on accuracy", "kind_of_a_long_name_accuracy"):
            for middle, half in extremes:
                ends = (middle, middle - half, middle + half)
                test = Equivalence("", *ends, 1e-300, 1.0, 1.0, 0.015, 0.05, 10, 0.5, needed)
                fields = (name, quantity, None, 0.9, 0.8, 0, False, test, 1e-300, verdict)
                compared.append(EquivalenceRow(*fields))
    counts = dict.fromkeys(VERDICTS, 500)
    rows = tuple(
        ScenarioVerdicts(name, "suspicious", 10**6, 0, counts, counts, 5, 5, 1.0, "agree")
        for name in SCENARIOS
    )
    found = SweepEquivalence("inconclusive", rows, (), tuple(compared))
    lines = page_lines(sweep_page(dataclasses.replace(sweep(), equivalence=found)))
    report_lines.check(lines)
    for line in report_lines.text(lines):  # columns stay apart
        if line.endswith((" =", " differs")) or " ? " in line[60:]:
            assert 8 <= len(line.split()) <= 11


@pytest.mark.parametrize("columns", [case[1] for case in LABELLED], ids=[c[0] for c in LABELLED])
def test_no_line_of_a_diagnosis_is_over_80_columns(columns):
    report_lines.check(page_lines(diagnosis_page(diagnose(columns), "first" + "x" * 90)))


def test_every_known_cause_is_told_whole():
    for cause in CAUSES:
        signs = tuple(told for _, _, told in cause.signs if told)
        ranked = (RankedCause(cause, 1.0, signs),)
        judgement = Judgement("overfit", "gap", "training is better", 4)
        lines = page_lines(diagnosis_page(Diagnosis(judgement, ranked, (), None, {})))
        report_lines.check(lines)
        told = " ".join(" ".join(report_lines.text(lines)).split())
        for text in (cause.reason, cause.confirm, "; ".join(cause.remedies), *signs):
            assert text in told
