"""The page of a diagnosis: what a training's history says, why that may be, and what to try."""

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
    "undecided": "The history does not tell: what would is missing.",
    "overfit": "The model knows its training samples better than new ones.",
    "underfit": "The model does not learn what it could.",
    "stagnant": "Training does not move.",
    "suspicious": "The figures are too good, or contradict each other: do not trust them.",
    "diverged": "Training has left every useful place.",
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
    return [Table("Causes, the likeliest first", head, rows, frozenset({1}))]


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
    return [Table("What the data show, the gravest first", ("finding", "severity", "what"), rows)]
