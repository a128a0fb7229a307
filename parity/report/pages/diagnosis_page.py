"""The page of a diagnosis: the verdict on a training history, likely causes, and remedies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from parity.report import page
from parity.report.pages.curves import history_pictures
from parity.report.sentences import capital

if TYPE_CHECKING:
    from parity.behaviour.causes import RankedCause
    from parity.behaviour.diagnosis import Diagnosis
    from parity.behaviour.rules import Judgement

MEANINGS = {
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


def diagnosis_page(diagnosis: Diagnosis, name: str = "a training") -> page.Page:
    """Returns the page of a diagnosis.

    Args:
        diagnosis: the diagnosis.
        name: name of the history.
    """
    judgement, verdict = diagnosis.judgement, diagnosis.verdict
    facts = [page.Fact("", MEANINGS[verdict]), page.Fact("", _evidence(judgement), is_main=True)]
    notes = [page.Note("note", note) for note in diagnosis.notes]
    if verdict != judgement.verdict:
        fit = judgement.verdict.replace("_", " ")
        text = f"the curves say {fit}, but the data make them worthless"
        notes.insert(0, page.Note("note", text, look=page.WARN))
    pictures = tuple(history_pictures(diagnosis.history))
    curves = page.Curves({"history": diagnosis.history}, pictures)
    parts: list[tuple[str, str, Sequence[page.Block]]] = [
        ("curves", "Curves", [curves] if pictures else []),
        ("data", "The data", _findings(diagnosis)),
        ("causes", "Likely causes", _causes(diagnosis.causes)),
    ]
    return page.Page(
        title=f"diagnosis of {name}",
        head=(name,),
        look=LOOKS.get(verdict, page.FAIL),
        verdict=verdict,
        sentence=capital(judgement.because),
        facts=tuple(facts),
        notes=tuple(notes),
        sections=page.sections_of(parts, main=("curves", "data", "causes")),
        suites=(_suite(diagnosis),),
    )


def _evidence(judgement: Judgement) -> str:
    parts = []
    if judgement.train_accuracy is not None:
        kind = "eval mode" if judgement.is_eval else "running mean"
        parts.append(f"training accuracy {judgement.train_accuracy:.3f} ({kind})")
    if judgement.val_accuracy is not None:
        parts.append(f"validation {judgement.val_accuracy:.3f}")
    if judgement.gap is not None:
        error = f" ±{judgement.gap_error:.3f}" if judgement.gap_error is not None else ""
        parts.append(f"gap {judgement.gap:+.3f}{error}")
    if judgement.best_epoch_number is not None and judgement.val_loss_rise is not None:
        parts.append(
            f"validation loss is lowest in epoch {judgement.best_epoch_number} of "
            f"{judgement.num_epochs}, and ends at {judgement.val_loss_rise:.2f} times that"
        )
    if judgement.epochs_to_plateau is not None:
        parts.append(f"plateau after {judgement.epochs_to_plateau:.1f} epochs")
    return "; ".join(parts)


def _suite(diagnosis: Diagnosis) -> page.Suite:
    """Returns one test: the verdict."""
    verdict, because = diagnosis.verdict, diagnosis.judgement.because
    case = page.Case("verdict")
    if verdict != "good_fit":
        causes = [
            f"{entry.cause.title} ({entry.confidence:.0%}); try: {'; '.join(entry.cause.remedies)}"
            for entry in diagnosis.causes
        ]
        findings = [finding.text for finding in diagnosis.findings]
        message = f"{verdict}: {because}"
        case = page.Case("verdict", "", "failure", verdict, message, (message, *findings, *causes))
    properties = {"verdict": verdict, "epochs": diagnosis.judgement.num_epochs}
    return page.Suite("diagnosis", "history", verdict, because, (case,), properties)


def _causes(causes: Sequence[RankedCause]) -> list[page.Block]:
    if not causes:
        return []
    rows = tuple(
        tuple(
            map(
                page.Cell,
                (
                    entry.cause.title,
                    f"{entry.confidence:.0%}",
                    "; ".join(entry.signs),
                    entry.cause.reason,
                    entry.cause.confirm,
                    "; ".join(entry.cause.remedies),
                ),
            )
        )
        for entry in causes
    )
    head = ("cause", "confidence", "seen", "why", "to confirm", "try")
    return [page.Table("likely causes", head, rows, frozenset({1}), is_list=True)]


def _findings(diagnosis: Diagnosis) -> list[page.Block]:
    notes = () if diagnosis.audit is None else tuple(diagnosis.audit.notes())
    if not diagnosis.findings:
        text = "Nothing suspicious was found in the data."
        texts = (page.Text(text, page.PASS), *map(page.Text, notes))
        return [] if diagnosis.audit is None else [*texts]
    rows = tuple(
        (
            page.Cell(finding.id.replace("_", " ")),
            page.Cell(finding.severity, SEVERITIES.get(finding.severity, "")),
            page.Cell(finding.text),
        )
        for finding in diagnosis.findings
    )
    head = ("finding", "severity", "found")
    return [page.Table("the data", head, rows, notes=notes, is_list=True)]
