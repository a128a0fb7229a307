"""diagnose: finds a verdict and likely causes from a training history and, optionally, its data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from parity.behaviour.audit.audit import Audit, audit
from parity.behaviour.audit.findings import Finding
from parity.behaviour.causes import Observations, RankedCause, rank
from parity.behaviour.rules import (
    TARGET,
    Expectation,
    Judgement,
    check_accuracies,
    in_fractions,
    judge,
)
from parity.data.dataset import Data
from parity.errors import InputError
from parity.files.floats import encode_floats
from parity.traces.trace import History

SCHEMA = "parity.diagnosis/2"


@dataclass(frozen=True)
class Diagnosis:
    """The diagnosis of a training.

    Attributes:
        judgement: the verdict on the history alone, with its numbers.
        causes: likely causes, the most likely first.
        findings: findings in the data, worst first; empty without data.
        audit: all measurements on the data, or None.
        history: the history.
        notes: how the history was read, and what of it is not used, as sentences.
    """

    judgement: Judgement
    causes: tuple[RankedCause, ...]
    findings: tuple[Finding, ...]
    audit: Audit | None
    history: History
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """The verdict on the history; "suspicious" if the data make a good history worthless."""
        return verdict_with(self.judgement, self.findings)

    def to_json(self) -> dict[str, Any]:
        """Returns the diagnosis as `parity.diagnosis/2`."""
        causes = [
            {
                "id": entry.cause.id,
                "title": entry.cause.title,
                "confidence": entry.confidence,
                "signs": list(entry.signs),
                "reason": entry.cause.reason,
                "confirm": entry.cause.confirm,
                "remedies": list(entry.cause.remedies),
            }
            for entry in self.causes
        ]
        return encode_floats(
            {
                "schema": SCHEMA,
                "verdict": self.verdict,
                "judgement": self.judgement.to_json(),
                "causes": causes,
                "findings": [asdict(finding) for finding in self.findings],
                "audit": None if self.audit is None else self.audit.to_json(),
                "history": self.history,
                "notes": list(self.notes),
            }
        )


def verdict_with(judgement: Judgement, findings: Sequence[Finding]) -> str:
    """Returns the verdict on a history and its data."""
    is_worthless = any(finding.severity == "high" for finding in findings)
    if is_worthless and judgement.verdict in ("good_fit", "undecided"):
        return "suspicious"
    return judgement.verdict


def diagnose(
    history: History,
    data: Data | None = None,
    *,
    num_classes: int | None = None,
    num_train: int | None = None,
    num_val: int | None = None,
    target: float = TARGET,
    notes: Sequence[str] = (),
) -> Diagnosis:
    """Says what is wrong with a training.

    Args:
        history: Keras's keys (`History.history`); see `parity.behaviour.rules.judge`.
        data: training and validation data; they determine the three numbers.
        num_classes: number of classes, if known.
        num_train: number of training samples, if known.
        num_val: number of validation samples, if known; without it, the sampling noise is unknown.
        target: training accuracy that is good enough, a fraction.
        notes: what the reader of the history said, see
            `parity.behaviour.readers.history.read_with_notes`.

    Raises:
        InputError: the target is no fraction, or an accuracy is below 0.
    """
    if not 0 <= target <= 1:
        raise InputError(f"target={target}: expected an accuracy, a fraction in [0, 1]")
    check_accuracies(history, "the history")
    found, chance = None, None
    if data is not None:
        num_classes = data.num_classes
        num_train, num_val = len(data.x_train), len(data.x_val)
        found = audit(data)
        # From the classes in training, since a guess can only know these.
        chance = max(found.classes.train) / sum(found.classes.train)
    expected = Expectation(
        num_classes=num_classes, chance=chance, target=target, num_train=num_train, num_val=num_val
    )
    judgement = judge(history, expected)
    findings = () if found is None else found.findings()
    by_id: dict[str, Finding] = {finding.id: finding for finding in findings}
    verdict = verdict_with(judgement, findings)
    causes = rank(Observations(verdict, judgement, history, by_id, num_train))
    _, units = in_fractions(history)
    return Diagnosis(judgement, causes, findings, found, history, (*notes, *units))
