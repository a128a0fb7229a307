"""A diagnosis from its JSON, which may be from anyone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from parity.behaviour import Judgement
from parity.causes import Cause, RankedCause
from parity.data_audit import Audit
from parity.data_findings import Finding
from parity.diagnosis import SCHEMA, Diagnosis
from parity.errors import InputError
from parity.trace import decode_floats
from parity.typed import from_plain


@dataclass(frozen=True)
class _ToldCause:
    """A cause as the JSON has it."""

    id: str
    title: str
    confidence: float
    signs: tuple[str, ...]
    reason: str
    remedies: tuple[str, ...]

    def ranked(self) -> RankedCause:
        cause = Cause(self.id, self.title, {}, (), self.reason, self.remedies)
        return RankedCause(cause, self.confidence, self.signs)


@dataclass(frozen=True)
class _Told:
    """`parity.diagnosis/1`."""

    schema: str
    verdict: str
    judgement: Judgement
    causes: tuple[_ToldCause, ...]
    findings: tuple[Finding, ...]
    audit: Audit | None
    history: dict[str, list[float]]


def diagnosis_from(value: Mapping[str, Any], where: str) -> Diagnosis:
    """Returns the diagnosis that the JSON of `parity.diagnosis/1` tells of.

    Args:
        value: as read; strings that stand for NaN and infinity are decoded here.
        where: name of the file, for messages.

    Raises:
        InputError: something in it is no such result.
    """
    value = dict(decode_floats(value))
    if isinstance(value.get("audit"), Mapping):  # what follows from the rest is not read
        follows = ("schema", "severity", "findings")
        value["audit"] = {k: v for k, v in value["audit"].items() if k not in follows}
    told = from_plain(_Told, value, where)
    if told.schema != SCHEMA:
        raise InputError(f"{where}: schema is {told.schema[:60]!r}; expected {SCHEMA!r}")
    causes = tuple(cause.ranked() for cause in told.causes)
    return Diagnosis(told.judgement, causes, told.findings, told.audit, told.history)
