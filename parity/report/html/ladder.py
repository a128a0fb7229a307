"""The ladder and the first divergence of a result on a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from parity.report import sentences
from parity.report.advice import advice_of
from parity.report.html.page import FAIL, PASS, QUIET, WARN, Cause, Divergence, Fact, Rung
from parity.report.html.texts import value

if TYPE_CHECKING:
    from parity.ladder.items import Level
    from parity.ladder.result import Result

LOOKS = {"pass": PASS, "fail": FAIL, "skipped": WARN, "not_reached": QUIET}
WORDS = {"pass": "pass", "fail": "fail", "skipped": "skipped", "not_reached": "not reached"}


def ladder_of(levels: Sequence[Level]) -> tuple[Rung, ...]:
    """Returns a row for every level."""
    return tuple(_rung(level) for level in levels)


def _rung(level: Level) -> Rung:
    look, word = LOOKS[level.status], WORDS[level.status]
    worst = level.worst
    if worst is None:
        return Rung(level.id, look, word, tolerance_source=level.tolerance_source)
    compared = sum(item.num_compared for item in level.items)
    differs, allowed = map(sentences.number, sentences.level_numbers(level))
    told = sentences.count(compared, "value") if sentences.is_exact(level) else ""
    where = f"{worst.name}{sentences.moment(worst)}:" if worst.worst else ""
    return Rung(level.id, look, word, differs, allowed, where, level.tolerance_source, told)


def divergence_of(result: Result) -> Divergence | None:
    """Returns the first place where the two halves differ, with its causes, or None."""
    if (first := result.first_divergence) is None:
        return None
    level, item = first
    difference = (
        f"{sentences.number(item.worst)} ({item.unit}), allowed {sentences.number(item.allowed)}"
    )
    facts = [
        Fact("Keras", value(item.keras)),
        Fact("PyTorch", value(item.torch)),
        Fact("difference", difference + (f"; {item.note}" if item.note else "")),
    ]
    if told := sentences.place_text(result.place):
        facts.append(Fact("layer", told))
    facts.append(Fact("tolerance", level.tolerance_source))
    hints = sentences.setting_texts(result)
    if hints:
        hints.insert(0, "Other settings of paired layers that differ, possibly without effect:")
    causes = tuple(_cause(cause) for cause in sentences.likely_causes(result.causes))
    return Divergence(
        place=f"{level.id}: {item.name}{sentences.moment(item)}{sentences.index_text(item)}",
        facts=tuple(facts),
        causes=causes or tuple(_advice(result)),
        hints=tuple(hints),
    )


def _cause(cause: Mapping[str, Any]) -> Cause:
    lines = [
        Fact(name, str(cause[key]))
        for name, key in (
            ("seen", "detail"),
            ("Keras", "keras"),
            ("the port", "torch"),
            ("line", "where"),
            ("source", "source"),
        )
        if cause.get(key)
    ]
    return Cause(
        title=sentences.cause_title(cause),
        confidence=sentences.confidence_text(cause),
        lines=tuple(lines),
        fix=sentences.fix_text(cause),
    )


def _advice(result: Result) -> list[Cause]:
    found = advice_of(result)
    return [] if found is None else [Cause(found.title, "", (), found.action)]
