"""A diagnosis as text: what it says, in 80 columns, with nothing that a terminal would obey."""

import math

import pytest
from helpers import make_data
from labelled_histories import LABELLED

from parity.behaviour.audit.findings import Finding
from parity.behaviour.causes import CAUSES, RankedCause
from parity.behaviour.diagnosis import Diagnosis, diagnose
from parity.behaviour.judgement import Judgement
from parity.data.load import load_data
from parity.report.text.diagnosis import diagnosis_lines

HOSTILE = {
    "an escape code": ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
    "a line break": ("two\nlines\r", r"two\nlines\r"),
    "an override of direction": ("a\N{RIGHT-TO-LEFT OVERRIDE}b", r"a\u202eb"),
    "half a character": ("a\udc80b", r"a\udc80b"),
    "Hebrew": ("שלום.json", "שלום.json"),
    "markup": ("[red]name[/red]", "[red]name[/red]"),
}
OVERFIT = {
    "loss": [1.2, 0.5, 0.2, 0.05],
    "accuracy": [0.5, 0.8, 0.95, 1.0],
    "val_loss": [1.1, 0.8, 0.9, 1.2],
    "val_accuracy": [0.6, 0.7, 0.72, 0.72],
}


def made(judgement=None, *, causes=(), findings=(), audit=None, history=None, notes=()):
    judgement = judgement or Judgement("overfit", "gap", "training is better", 4)
    return Diagnosis(judgement, tuple(causes), tuple(findings), audit, history or {}, notes)


def text(diagnosis, name="history.json"):
    lines = ["".join(part for part, _ in line) for line in diagnosis_lines(diagnosis, name)]
    return [line.rstrip() for line in lines]


def check(diagnosis, name="history.json"):
    for line in text(diagnosis, name):
        assert len(line) <= 80, line
        assert all(character.isprintable() for character in line)


def styles(diagnosis, part):
    lines = diagnosis_lines(diagnosis, "history.json")
    return {style for line in lines for shown, style in line if part in shown}


def test_a_diagnosis_reads_like_this():
    judgement = Judgement(
        "overfit",
        "gap",
        "training is better than validation by 0.250 (±0.041)",
        20,
        train_accuracy=0.999,
        val_accuracy=0.749,
        gap=0.25,
        gap_error=0.041,
        best_epoch_number=4,
        val_loss_rise=2.345,
        epochs_to_plateau=4.44,
    )
    cause = next(cause for cause in CAUSES if cause.id == "too_little_data")
    found = made(
        judgement,
        causes=[RankedCause(cause, 0.6543, ("there are fewer than 1,000",))],
        findings=[Finding("duplicates", "high", "12 of validation occur in training")],
    )
    assert text(found, "runs/history.json") == [
        "runs/history.json  OVERFIT",
        "  training is better than validation by 0.250 (±0.041)",
        "  training accuracy 0.999 (running mean); validation 0.749; gap +0.250 ±0.041;",
        "  validation loss is lowest in epoch 4 of 20, and ends at 2.35 times that;",
        "  plateau after 4.4 epochs",
        "",
        "the data",
        "  high    12 of validation occur in training",
        "",
        "likely causes",
        "  1. there are too few training samples  65%",
        "     seen: there are fewer than 1,000",
        "     With few samples, the network learns random differences, which new samples",
        "     do not have.",
        "     to confirm: with half of the training samples, validation is clearly worse",
        "     try: more data; augmentation (Example 2); weights trained on a larger set",
        "",
    ]


def test_what_was_measured_in_eval_mode_is_told():
    judgement = Judgement("good_fit", "none", "fine", 4, train_accuracy=0.95, is_eval=True)
    assert "  training accuracy 0.950 (eval mode)" in text(made(judgement))


def test_what_is_not_known_is_left_out():
    lines = text(made(Judgement("undecided", "no_epoch", "the history has no epoch", 0)))
    assert lines == ["history.json  UNDECIDED", "  the history has no epoch", ""]


def test_a_verdict_of_two_words_is_written_as_words():
    judgement = Judgement("good_fit", "none", "fine", 4)
    assert text(made(judgement))[0] == "history.json  GOOD FIT"


@pytest.mark.parametrize(
    ("verdict", "style"),
    [
        ("good_fit", "bold green"),
        ("undecided", "bold yellow"),
        ("overfit", "bold red"),
        ("underfit", "bold red"),
        ("stagnant", "bold red"),
        ("diverged", "bold red"),
        ("suspicious", "bold red"),
    ],
)
def test_a_verdict_has_its_colour(verdict, style):
    judgement = Judgement(verdict, "rule", "because", 4)
    assert styles(made(judgement), verdict.replace("_", " ").upper()) == {style}


@pytest.mark.parametrize(
    ("severity", "style"), [("high", "bold red"), ("medium", "yellow"), ("low", "")]
)
def test_a_finding_has_the_colour_of_its_severity(severity, style):
    found = made(findings=[Finding("imbalance", severity, "told")])
    assert styles(found, severity) == {style}


def test_findings_of_several_lines_stand_below_each_other():
    finding = Finding("imbalance", "medium", "one class is more frequent " * 10)
    first, *rest = text(made(findings=[finding]))[4:-1]
    assert first.startswith("  medium  one class")
    assert len(rest) > 2
    assert all(line.startswith(" " * 10) and line[10] != " " for line in rest if line)


def test_data_in_which_nothing_was_found_are_told_to_be_so():
    data = make_data((8, 8, 1), num_classes=4, num_train=60, num_val=40)
    found = diagnose(OVERFIT, data)
    assert found.findings == ()
    assert "the data: nothing suspicious was found" in text(found)
    assert not any("the data" in line for line in text(diagnose(OVERFIT)))


def test_the_curves_are_shown():
    lines = text(diagnose(OVERFIT))
    assert any("loss" in line and "accuracy" in line for line in lines)
    assert any("●" in line for line in lines)
    assert any("val_accuracy  last 0.72" in line for line in lines)


def test_causes_are_numbered_and_a_good_fit_has_none():
    found = diagnose(OVERFIT)
    lines = text(found)
    told = lines[lines.index("likely causes") + 1 :]
    assert len(found.causes) >= 2
    for number, entry in enumerate(found.causes, start=1):
        assert f"  {number}. {entry.cause.title}  {round(100 * entry.confidence)}%" in told
    assert sum(line[2:3].isdigit() for line in told) == len(found.causes)
    good = diagnose({"loss": [1.0, 0.1], "accuracy": [0.5, 0.97], "val_accuracy": [0.6, 0.96]})
    assert "likely causes" not in text(good)


@pytest.mark.parametrize("columns", [case[1] for case in LABELLED], ids=[c[0] for c in LABELLED])
def test_no_line_of_a_labelled_history_is_over_80_columns(columns):
    check(diagnose(columns))


@pytest.mark.parametrize("spoiled", [{"leakage": 1.0}, {"split": "sorted"}])
def test_no_line_about_spoiled_data_is_over_80_columns(spoiled):
    data = load_data("embedded", train=400, val=200, test=50, **spoiled)
    found = diagnose(OVERFIT, data)
    check(found)
    assert all(any(finding.severity in line for line in text(found)) for finding in found.findings)


def test_notes_of_the_reader_stand_below_the_evidence():
    found = made(notes=("the last epoch did not end and is left out", "a\x1bb"))
    check(found)
    notes = [line for line in text(found) if line.startswith("  note: ")]
    assert notes == ["  note: the last epoch did not end and is left out", "  note: a\\x1bb"]


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.id)
def test_no_line_of_a_cause_is_over_80_columns(cause):
    signs = tuple(told for _, _, told in cause.signs if told)
    found = made(causes=[RankedCause(cause, 1.0, signs)] * 4)
    check(found)
    told = " ".join(" ".join(text(found)).split())
    assert cause.reason in told
    assert cause.confirm in told
    assert "; ".join(cause.remedies) in told


@pytest.mark.parametrize(("name", "shown"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_name_is_shown_as_text(name, shown):
    check(diagnose(OVERFIT), name)
    assert text(diagnose(OVERFIT), name)[0] == f"{shown}  OVERFIT"
    # ... as the name of a column, and as the text of a finding.
    found = made(history={name: [1.0, 0.5]}, findings=[Finding("duplicates", "high", name)])
    check(found)
    assert any(shown in line for line in text(found))


@pytest.mark.parametrize("length", [70, 71, 80, 5000])
def test_a_long_name_loses_its_middle_and_never_its_verdict(length):
    name = "first." + "x" * (length - 11) + ".last"
    check(diagnose(OVERFIT), name)
    head = text(diagnose(OVERFIT), name)[0]
    assert head.startswith("first.")
    assert head.endswith(".last  OVERFIT")
    assert ("..." in head) == (length > 71)


@pytest.mark.parametrize("value", [1e300, -1e300, 1e-300, 0.0, math.nan, math.inf], ids=str)
def test_numbers_beyond_all_measure_fit(value):
    keys = [key for key in OVERFIT if "accuracy" not in key or not value < 0]  # else it is refused
    check(diagnose({key: [1.0, 0.5, value] for key in keys}))
    check(diagnose({key: [value] * 3 for key in ("loss", "accuracy") if key in keys}))
