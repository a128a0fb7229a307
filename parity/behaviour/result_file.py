"""Reads a diagnosis from its JSON, which may be from anyone."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from msgspec import Meta

from parity.behaviour.audit.audit import SCHEMA as AUDIT
from parity.behaviour.audit.audit import Audit
from parity.behaviour.audit.findings import Finding
from parity.behaviour.causes import Cause, RankedCause
from parity.behaviour.diagnosis import SCHEMA, Diagnosis
from parity.behaviour.judgement_record import History, JudgementRecord
from parity.behaviour.rules import VERDICTS, Expectation, Judgement, judge
from parity.files import records

FindingRecord: Any = records.mirror(Finding)


@records.mirrors(Audit)
class AuditRecord:
    """All measurements on the data.

    Attributes:
        schema: name and version of this part.
        severity: severity of the worst finding.
        findings: findings in the data, worst first.
        notes: what was not looked at, and what would not have been seen.
    """

    schema: Annotated[str, records.one_of(AUDIT)]
    notes: records.Many[str]
    severity: Annotated[str, records.one_of("high", "medium", "low", "none")]
    findings: records.Many[FindingRecord]


class CauseRecord(records.Record):
    """A cause of bad training.

    Attributes:
        id: short name.
        title: the cause in a few words.
        confidence: share among all causes; it gives an order, and is not a probability.
        signs: evidence for it here.
        reason: why it has this effect.
        confirm: what would show that it is the cause.
        remedies: what to try, most promising first.
    """

    id: str
    title: str
    confidence: records.Share
    signs: records.Many[str]
    reason: str
    confirm: str
    remedies: Annotated[list[str], Meta(min_length=1)]

    def ranked(self) -> RankedCause:
        """Returns the cause of the program."""
        remedies = tuple(self.remedies)
        cause = Cause(self.id, self.title, {}, (), self.reason, self.confirm, remedies)
        return RankedCause(cause, self.confidence, tuple(self.signs))


class DiagnosisRecord(records.Record):
    """What `parity diagnose --json` writes: what is wrong with a training, and why.

    Attributes:
        schema: name and version of this schema.
        verdict: the verdict of judgement; suspicious if the data make a good history worthless.
        judgement: the verdict on the history alone.
        causes: likely causes, the most likely first.
        findings: findings in the data, worst first; empty without data.
        audit: all measurements on the data; null without data.
        history: the history.
        notes: how the history was read, and what of it is not used.
    """

    schema: Annotated[str, records.one_of(SCHEMA)]
    verdict: Annotated[str, records.one_of(*VERDICTS)]
    judgement: JudgementRecord
    causes: records.Many[CauseRecord]
    findings: records.Many[FindingRecord]
    audit: AuditRecord | None
    history: History
    notes: records.Many[str]


def diagnosis_from(value: Any, where: str) -> Diagnosis:
    """Returns the diagnosis from the JSON of `parity.diagnosis/2`.

    Args:
        value: the JSON. The judgement and the verdict are computed from the history, and not read.
        where: name of the file, for messages.

    Raises:
        InputError: it is not such a result.
    """
    return records.record_from(DiagnosisRecord, value, where, _diagnosis)


def _diagnosis(found: DiagnosisRecord) -> Diagnosis:
    audit = None if found.audit is None else records.domain(Audit, found.audit)
    return Diagnosis(
        judgement=_judgement(records.domain(Judgement, found.judgement), found.history, audit),
        causes=tuple(cause.ranked() for cause in found.causes),
        findings=records.domain(tuple[Finding, ...], found.findings),
        audit=audit,
        history=found.history,
        notes=tuple(found.notes),
    )


def _judgement(written: Judgement, history: History, audit: Audit | None) -> Judgement:
    """Returns the judgement on a history.

    Its levels follow from the history alone. Its verdict follows if the number of validation
    samples is known from the audit, or played no part; a file does not tell one that was given, and
    its own verdict stands then.
    """
    chance = written.chance
    known = Expectation(chance=chance, target=written.target)
    if audit is not None:
        num_train, num_val = audit.num_train, audit.num_val
        num_classes = len(audit.classes.train)
        known = replace(known, num_train=num_train, num_val=num_val, num_classes=num_classes)
    elif chance is not None and 0 < chance <= 1:
        known = replace(known, num_classes=round(1 / chance))
    judgement = judge(history, known)
    if audit is None and written.gap_error is not None:
        names = ("verdict", "rule", "because", "gap_error")
        judgement = replace(judgement, **{name: getattr(written, name) for name in names})
    return judgement
