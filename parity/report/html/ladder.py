"""The ladder of a result on a page, its divergences, and what could not be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from parity.ladder.items import DECIDES
from parity.report import sentences
from parity.report.advice import advice_of
from parity.report.fixes import fix_lines, is_code
from parity.report.html.page import (
    FAIL,
    PASS,
    QUIET,
    WARN,
    Cause,
    Divergence,
    Divergences,
    Fact,
    Open,
    Rung,
)
from parity.report.html.texts import value
from parity.report.settings import setting_texts

if TYPE_CHECKING:
    from parity.ladder.items import Item, Level
    from parity.ladder.result import Found, Result

MAX_NAMES = 12  # of items in one line

LOOKS = {"pass": PASS, "fail": FAIL, "skipped": WARN, "not_reached": QUIET}
WORDS = {"pass": "pass", "fail": "fail", "skipped": "skipped", "not_reached": "not reached"}


def ladder_of(result: Result) -> tuple[Rung, ...]:
    """Returns a row for every level."""
    return tuple(_rung(result, level) for level in result.levels)


def look_of(result: Result, level: Level) -> tuple[str, str]:
    """Returns the look of a level and its status in words."""
    if special := sentences.special_status(result, level):
        return WARN, special
    if level.status == "skipped" and not level.applies:
        return QUIET, "none"
    return LOOKS[level.status], WORDS[level.status]


def _rung(result: Result, level: Level) -> Rung:
    look, word = look_of(result, level)
    item = sentences.level_item(result, level)
    if item is None:
        return Rung(level.id, look, word, tolerance_source=level.tolerance_source)
    compared = sum(item.num_compared for item in level.items if item.role == DECIDES)
    differs, allowed = sentences.level_numbers(result, level)
    told = sentences.count(compared, "value") if sentences.is_exact(level) else ""
    where = f"{sentences.item_name(item)}{sentences.moment(item)}:" if item.worst else ""
    return Rung(level.id, look, word, differs, allowed, where, level.tolerance_source, told)


def divergences_of(result: Result) -> Divergences | None:
    """Returns all places where the two halves differ; of an older run, the first one."""
    hints = setting_texts(result)
    if hints:
        hints.insert(0, "Settings that differ, possibly without effect:")
    if result.divergences:
        found = [_divergence(each, same) for _, each, same in sentences.numbered(result)]
        if advice := _advice(result):
            found[0] = replace(found[0], causes=tuple(advice))
        follows: dict[str, set[str]] = {}
        for id_, names in result.inherited:
            follows.setdefault(id_, set()).update(names)
        return Divergences(
            title=_title(len(result.unaccepted), len(result.accepted)),
            found=tuple(found),
            follows=tuple(Fact(id_, _listed(sorted(each))) for id_, each in follows.items()),
            summary=sentences.capital(sentences.inherited_text(result)),
            hints=tuple(hints),
        )
    if (first := result.first_divergence) is None:
        return None
    level, item = first
    return Divergences(
        title="First divergence",
        found=(
            Divergence(
                place=_place(level.id, item),
                facts=(*_numbers(item), Fact("tolerance", level.tolerance_source)),
                causes=tuple(_advice(result)),
            ),
        ),
        hints=tuple(hints),
    )


def _title(num_open: int, num_accepted: int) -> str:
    parts = [sentences.count(num_open, "divergence")] if num_open else []
    if num_accepted:
        parts.append(f"{num_accepted} accepted" if parts else f"{num_accepted} accepted divergence")
    text = ", ".join(parts)
    return text if num_open or num_accepted == 1 else f"{text}s"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MAX_NAMES
    return ", ".join(names[:MAX_NAMES]) + (f", and {more} more" if more > 0 else "")


def _divergence(found: Found, same_as: int) -> Divergence:
    """Returns a divergence; `same_as` is the number of one that the same values show, or 0."""
    facts = [Fact("values", f"the same as in {same_as}")]
    if not same_as:
        facts = _numbers(found.item)
        others = [name for name in dict.fromkeys(found.items) if name != found.item.name]
        facts += [Fact("also seen in", _listed(others))] if others else []
    if told := sentences.place_text(found):
        facts.append(Fact("layer", told))
    causes = tuple(_cause(cause) for cause in sentences.likely_causes(found.causes))
    return Divergence(
        place=_place(found.level, found.item),
        facts=tuple(facts),
        causes=causes,
        is_accepted=found.is_accepted,
        note="" if causes else f"{sentences.capital(sentences.UNKNOWN)}.",
    )


def _place(level: str, item: Item) -> str:
    return sentences.item_place(level, item) + sentences.index_text(item)


def _numbers(item: Item) -> list[Fact]:
    """Returns both values and their difference."""
    return [
        Fact("Keras", value(item.keras)),
        Fact("PyTorch", value(item.torch)),
        Fact("difference", sentences.measure(item)),
    ]


def opens_of(result: Result) -> tuple[Open, ...]:
    """Returns what could not be compared."""
    return tuple(Open(each["what"], each["why"], each["do"]) for each in result.incomplete)


def _cause(cause: Mapping[str, Any]) -> Cause:
    def facts(*rows: tuple[str, str]) -> tuple[Fact, ...]:
        return tuple(Fact(name, str(cause[key])) for name, key in rows if cause.get(key))

    return Cause(
        title=sentences.cause_title(cause),
        confidence=sentences.confidence_text(cause),
        lines=facts(("seen", "detail")),
        fix="\n".join(fix_lines(cause)),
        is_code=is_code(cause),
        is_tried=bool(cause.get("tried")),
        where=str(cause.get("where") or ""),
        formulas=facts(("Keras", "keras"), ("the port", "torch"), ("source", "source")),
    )


def _advice(result: Result) -> list[Cause]:
    found = advice_of(result)
    return [] if found is None else [Cause(found.title, "", (), found.action)]
