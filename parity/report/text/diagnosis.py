"""A diagnosis as text: verdict, evidence, curves, findings in the data, causes and remedies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from parity.report.lines import WIDTH, Line, plain, shortened, wrapped
from parity.report.text.curves import curve_lines

if TYPE_CHECKING:
    from parity.behaviour.causes import RankedCause
    from parity.behaviour.diagnosis import Diagnosis
    from parity.behaviour.judgement import Judgement

_STYLES = {"good_fit": "bold green", "undecided": "bold yellow"}
_SEVERITIES = {"high": "bold red", "medium": "yellow"}


def diagnosis_lines(diagnosis: Diagnosis, name: str) -> list[Line]:
    """Returns the report.

    Args:
        diagnosis: the diagnosis.
        name: name of the history.
    """
    judgement = diagnosis.judgement
    verdict = diagnosis.verdict.replace("_", " ").upper()
    style = _STYLES.get(diagnosis.verdict, "bold red")
    head = shortened(plain(name), WIDTH - 2 - len(verdict))
    lines: list[Line] = [[(f"{head}  ", ""), (verdict, style)]]
    if diagnosis.verdict != judgement.verdict:
        curves = judgement.verdict.replace("_", " ")
        lines += _rows(f"the curves say {curves}, but the data make them worthless", "  ")
    lines += _rows(judgement.because, "  ")
    lines += [[(row, "dim")] for row in wrapped(_evidence(judgement), "  ")]
    for note in diagnosis.notes:
        lines += [[(row, "yellow")] for row in wrapped(f"note: {note}", "  ")]
    lines.append([])
    lines += curve_lines(diagnosis.history, width=WIDTH)
    if diagnosis.findings:
        lines.append([("the data", "bold")])
        for finding in diagnosis.findings:
            severity = f"  {finding.severity:<8}"
            first, *rest = wrapped(finding.text, " " * len(severity))
            style = _SEVERITIES.get(finding.severity, "")
            lines.append([(severity, style), (first[len(severity) :], "")])
            lines += [[(row, "")] for row in rest]
        lines.append([])
    elif diagnosis.audit is not None:
        lines += [[("the data", "bold"), (": nothing suspicious was found", "")], []]
    if diagnosis.audit is not None:
        for note in diagnosis.audit.notes():
            lines += [[(row, "dim")] for row in wrapped(f"note: {note}", "  ")]
        lines.append([])
    if diagnosis.causes:
        lines.append([("likely causes", "bold")])
        for number, entry in enumerate(diagnosis.causes, start=1):
            lines += _cause(number, entry)
        lines.append([])
    return lines


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


def _cause(number: int, entry: RankedCause) -> Iterator[Line]:
    head = f"  {number}. {entry.cause.title}"
    yield [(head, "bold"), (f"  {entry.confidence:.0%}", "dim")]
    if entry.signs:
        yield from _rows("seen: " + "; ".join(entry.signs), "     ")
    yield from _rows(entry.cause.reason, "     ")
    yield from _rows("to confirm: " + entry.cause.confirm, "     ")
    yield from _rows("try: " + "; ".join(entry.cause.remedies), "     ")


def _rows(text: str, indent: str) -> list[Line]:
    return [[(row, "")] for row in wrapped(text, indent)]
