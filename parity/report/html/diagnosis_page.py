"""The page of a diagnosis: the verdict on a training history, likely causes, and remedies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from parity.report.html import page
from parity.report.html.curves import history_pictures

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
LOOKS = {"good_fit": page.PASS, "undecided": page.WARN}
SEVERITIES = {"high": page.FAIL, "medium": page.WARN}


def diagnosis_page(diagnosis: Diagnosis) -> page.Page:
    """Returns the page of a diagnosis."""
    judgement = diagnosis.judgement
    facts = [page.Fact("because", judgement.because)]
    for name in ("train_accuracy", "val_accuracy", "gap"):
        if (number := getattr(judgement, name)) is not None:
            facts.append(page.Fact(name.replace("_", " "), f"{number:.3f}"))
    facts += [page.Fact("note", note) for note in diagnosis.notes]
    parts: list[tuple[str, str, Sequence[page.Block]]] = [
        ("causes", "Likely causes", _causes(diagnosis.causes)),
        ("curves", "Curves", history_pictures(diagnosis.history)),
        ("data", "The data", _findings(diagnosis)),
    ]
    verdict = diagnosis.verdict
    return page.Page(
        title="diagnosis of a training",
        look=LOOKS.get(verdict, page.FAIL),
        verdict=verdict.replace("_", " "),
        sentence=SENTENCES.get(verdict, verdict),
        facts=tuple(facts),
        sections=page.sections_of(parts),
    )


def _causes(causes: Sequence[RankedCause]) -> list[page.Block]:
    if not causes:
        return []
    rows = tuple(
        (
            page.Cell(entry.cause.title),
            page.Cell(f"{100 * entry.confidence:.0f} %"),
            page.Cell("; ".join(entry.signs)),
            page.Cell(entry.cause.reason),
            page.Cell(entry.cause.confirm),
            page.Cell("; ".join(entry.cause.remedies)),
        )
        for entry in causes
    )
    head = ("cause", "confidence", "seen", "why", "to confirm", "try")
    return [page.Table("Causes, the most likely first", head, rows, frozenset({1}))]


def _findings(diagnosis: Diagnosis) -> list[page.Block]:
    notes = [] if diagnosis.audit is None else [*map(page.Text, diagnosis.audit.notes())]
    if not diagnosis.findings:
        told = "Nothing suspicious was found in the data."
        return [] if diagnosis.audit is None else [page.Text(told, page.PASS), *notes]
    rows = tuple(
        (
            page.Cell(finding.id.replace("_", " ")),
            page.Cell(finding.severity, SEVERITIES.get(finding.severity, "")),
            page.Cell(finding.text),
        )
        for finding in diagnosis.findings
    )
    head = ("finding", "severity", "text")
    return [page.Table("Findings in the data, worst first", head, rows), *notes]
