"""The page of a diagnosis: the verdict on a training history, likely causes, and remedies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from parity.report.html.curves import history_pictures
from parity.report.html.page import (
    FAIL,
    PASS,
    WARN,
    Block,
    Cell,
    Fact,
    Page,
    Table,
    Text,
    sections_of,
)

if TYPE_CHECKING:
    from parity.behaviour.causes import RankedCause
    from parity.behaviour.diagnosis import Diagnosis

SENTENCES = {
    "good_fit": "The training looks right.",
    "undecided": "The history lacks the values that would decide.",
    "overfit": "The model is better on its training samples than on new ones.",
    "underfit": "The model learns less than it could.",
    "stagnant": "Training makes no progress.",
    "suspicious": "The numbers are too good, or contradict each other: do not trust them.",
    "diverged": "Training has diverged.",
}
LOOKS = {"good_fit": PASS, "undecided": WARN}
SEVERITIES = {"high": FAIL, "medium": WARN}


def diagnosis_page(diagnosis: Diagnosis) -> Page:
    """Returns the page of a diagnosis."""
    judgement = diagnosis.judgement
    facts = [Fact("because", judgement.because)]
    for name in ("train_accuracy", "val_accuracy", "gap"):
        if (number := getattr(judgement, name)) is not None:
            facts.append(Fact(name.replace("_", " "), f"{number:.3f}"))
    parts: list[tuple[str, str, Sequence[Block]]] = [
        ("causes", "Likely causes", _causes(diagnosis.causes)),
        ("curves", "Curves", history_pictures(diagnosis.history)),
        ("data", "The data", _findings(diagnosis)),
    ]
    verdict = diagnosis.verdict
    return Page(
        title="diagnosis of a training",
        look=LOOKS.get(verdict, FAIL),
        verdict=verdict.replace("_", " "),
        sentence=SENTENCES.get(verdict, verdict),
        facts=tuple(facts),
        sections=sections_of(parts),
    )


def _causes(causes: Sequence[RankedCause]) -> list[Block]:
    if not causes:
        return []
    rows = tuple(
        (
            Cell(entry.cause.title),
            Cell(f"{100 * entry.confidence:.0f} %"),
            Cell("; ".join(entry.signs)),
            Cell(entry.cause.reason),
            Cell("; ".join(entry.cause.remedies)),
        )
        for entry in causes
    )
    head = ("cause", "confidence", "seen", "why", "try")
    return [Table("Causes, the most likely first", head, rows, frozenset({1}))]


def _findings(diagnosis: Diagnosis) -> list[Block]:
    if not diagnosis.findings:
        told = "Nothing suspicious was found in the data."
        return [] if diagnosis.audit is None else [Text(told, PASS)]
    rows = tuple(
        (
            Cell(finding.id.replace("_", " ")),
            Cell(finding.severity, SEVERITIES.get(finding.severity, "")),
            Cell(finding.text),
        )
        for finding in diagnosis.findings
    )
    return [Table("Findings in the data, worst first", ("finding", "severity", "text"), rows)]
