"""The ladder of a result on a page, its divergences, and what could not be compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from parity.divergences.names import full_name
from parity.divergences.places import RAISES
from parity.ladder.items import FAIL as FAILS
from parity.ladder.items import PASS as PASSES
from parity.ladder.result import ERROR, INCOMPLETE, Found, Result
from parity.report import sentences
from parity.report.advice import advice_of
from parity.report.fixes import fix_lines, fix_text, is_code
from parity.report.found import redact_paths
from parity.report.left_out import left_out_texts
from parity.report.page import (
    FAIL,
    PASS,
    QUIET,
    WARN,
    Case,
    Cause,
    Divergence,
    Divergences,
    Fact,
    Note,
    Rung,
    Suite,
    listed,
)
from parity.report.settings import setting_texts

if TYPE_CHECKING:
    from parity.ladder.items import Item, Level

LOOKS = {"pass": PASS, "fail": FAIL, "skipped": WARN, "not_reached": QUIET}
WORDS = {"pass": "pass", "fail": "FAIL", "skipped": "skipped", "not_reached": "not reached"}
_PROPERTIES = (
    *("scenario", "program", "keras", "torch", "steps", "epochs"),
    *("seed", "batch_size", "data", "device", "threads"),
)


def look_of(result: Result, level: Level) -> tuple[str, str]:
    """Returns the look of a level and its status in words."""
    if special := sentences.special_status(result, level):
        return WARN, special
    if level.status == "skipped" and not level.applies:
        return QUIET, "none"
    return LOOKS[level.status], WORDS[level.status]


def rung_of(result: Result, level: Level) -> Rung:
    """Returns the row of a level."""
    look, word = look_of(result, level)
    source = level.tolerance_source
    if level.worst is None:
        why = sentences.without_numbers(level)
        return Rung(level.id, look, word, compared=why, source=source)
    differs, allowed = sentences.level_numbers(result, level)
    item = sentences.level_place(result, level)
    name, moment = (sentences.item_name(item), sentences.moment(item)) if item else ("", "")
    compared = sentences.compared_text(level)
    return Rung(level.id, look, word, differs, allowed, name, moment, compared, source)


def divergences_of(result: Result, name: str = "") -> Divergences | None:
    """Returns all places where the two halves differ; of an older run, the first one.

    Args:
        result: of a run or a check.
        name: of the result, where the page has several.
    """
    found = [_divergence(each, *numbers) for each, *numbers in _numbered(result)]
    if not found:
        return None
    follows: dict[str, set[str]] = {}
    for id_, names in result.inherited:
        follows.setdefault(id_, set()).update(names)
    advice = advice_of(result)
    told = () if advice is None else (Fact("often", advice.title), Fact("next", advice.action))
    num_accepted = sum(each.is_accepted for each in found)
    return Divergences(
        title=_title(len(found) - num_accepted, num_accepted) + (f" of {name}" if name else ""),
        found=tuple(found),
        advice=told,
        follows=tuple(Fact(id_, listed(sorted(each))) for id_, each in follows.items()),
        summary=sentences.inherited_text(result),
    )


def _numbered(result: Result) -> Iterator[tuple[Found, int, int]]:
    """Yields each divergence with its number, those that are accepted last.

    Divergences may explain the same values together: the last entry is the number of an earlier
    one that the same values show, or 0.
    """
    found = [*result.unaccepted, *result.accepted]
    if not found and (first := result.first_divergence) is not None:  # of an earlier version
        found = [Found(first[0].id, first[1])]
    known: dict[tuple[str, Item], int] = {}
    for number, each in enumerate(found, start=1):
        earlier = known.setdefault((each.level, each.item), number)
        yield each, number, earlier if earlier < number else 0


def _title(num_open: int, num_accepted: int) -> str:
    parts = [sentences.count(num_open, "divergence")] if num_open else []
    if num_accepted:
        parts.append(f"{num_accepted} accepted" if parts else f"{num_accepted} accepted divergence")
    text = ", ".join(parts)
    return text if num_open or num_accepted == 1 else f"{text}s"


def _divergence(found: Found, number: int, same_as: int) -> Divergence:
    item = found.item
    causes = tuple(map(_cause, sentences.likely_causes(found.causes)))
    is_known = bool(causes) or item.name.endswith(RAISES) or not found.items
    return Divergence(
        number=number,
        level=found.level,
        item=sentences.item_name(item),
        moment=sentences.moment(item),
        index=str(list(item.index)) if item.index else "",
        keras=_value(item.keras),
        torch=_value(item.torch),
        difference=sentences.difference(item),
        is_text=item.unit == "count" and item.num_compared == 1 and isinstance(item.keras, str),
        others=tuple(name for name in dict.fromkeys(found.items) if name != item.name),
        where=sentences.place_text(found),
        causes=causes,
        is_accepted=found.is_accepted,
        same_as=same_as,
        note="" if is_known else sentences.UNKNOWN,
    )


def _value(given: Any) -> str:
    return repr(given) if isinstance(given, float) else str(given)


def _cause(cause: Mapping[str, Any]) -> Cause:
    rows = (("Keras", "keras"), ("torch", "torch"), ("source", "source"))
    return Cause(
        id=str(cause["id"]),
        slug=full_name(str(cause["id"])).partition(" ")[2],
        title=str(cause["title"]),
        confidence=sentences.confidence_text(cause),
        seen=str(cause.get("detail") or ""),
        fix=tuple(fix_lines(cause)),
        is_code=is_code(cause),
        is_tried=bool(cause.get("tried")),
        where=str(cause.get("where") or ""),
        formulas=tuple(Fact(name, str(cause[key])) for name, key in rows if cause.get(key)),
    )


def opens_of(result: Result) -> tuple[Note, ...]:
    """Returns what could not be compared, with what to do."""
    return tuple(
        Note("could not be compared", each["what"], _reasons(each), WARN)
        for each in result.incomplete
    )


def _reasons(each: Mapping[str, str]) -> tuple[Fact, ...]:
    return Fact("why", each["why"]), Fact("do", each["do"], is_main=True)


def notes_of(result: Result) -> tuple[Note, ...]:
    """Returns settings that differ, and what was left out."""
    settings = [Note("setting", text) for text in setting_texts(result)]
    return (*settings, *(Note("not compared", text) for text in left_out_texts(result)))


def suite_of(result: Result) -> Suite:
    """Returns a test for each level, and for each part that could not be compared."""
    spec, dtype = result.spec, sentences.dtype_of(result)
    properties: dict[str, Any] = {"verdict": result.verdict, "levels": sentences.extent([result])}
    properties |= {"mode": result.mode, "dtype": dtype}
    properties |= {name: spec.get(name) for name in _PROPERTIES if name in spec}
    seconds = []
    for half in ("keras", "torch"):
        environment = result.environment.get(half, {})
        properties[f"{half}.python"] = environment.get("python")
        versions = environment.get("versions")
        for name, version in versions.items() if isinstance(versions, Mapping) else ():
            properties[f"{half}.{redact_paths(str(name))}"] = version
        wall_s = environment.get("wall_s")
        told = wall_s.get("check") if isinstance(wall_s, Mapping) else None
        seconds.append(result.wall_s.get(half, told))
    return Suite(
        kind="check" if sentences.is_check(result) else "run",
        name=f"{sentences.subject(result)} seed {spec.get('seed')} {dtype}",
        verdict=result.verdict,
        sentence=sentences.sentence(result),
        cases=tuple(_cases(result)),
        properties=properties,
        seconds=tuple(seconds),
    )


def _cases(result: Result) -> Iterator[Case]:
    found = divergences_of(result)
    for level in result.levels:
        yield _case(
            result, level, [each for each in found.found if each.level == level.id] if found else []
        )
    for entry in result.incomplete:
        told = f"{entry['what']} could not be compared: {entry['why']}; {entry['do']}"
        lines = tuple(f"{name}: {entry[name]}" for name in ("what", "why", "do"))
        yield Case(entry["what"], "could not be compared", "error", INCOMPLETE, told, lines)
    if result.verdict == ERROR:
        text = "\n".join(result.errors) or sentences.sentence(result)
        first, lines = text.partition("\n")[0], tuple(text.splitlines())
        yield Case("run", "", "error", ERROR, first, lines)


def _case(result: Result, level: Level, found: Sequence[Divergence]) -> Case:
    if level.status == PASSES:
        told = "; ".join((each.causes[0].name if each.causes else each.place) for each in found)
        return Case(level.id, message=f"accepted: {told}" if told else "")
    if level.status != FAILS:
        return Case(level.id, "", "skipped", level.status, level.tolerance_source)
    item = level.first_failure
    if item is None:
        told = f"{level.id}: nothing was compared; {level.tolerance_source}"
        return Case(level.id, "", "failure", FAILS, told)
    values = failure_text(level.id, item)
    if sentences.is_inherited(result, level):
        told = f"{level.id} differs only because of other divergences: {values}"
        return Case(level.id, "", "failure", "inherited", told)
    named = [each for each in result.unaccepted if each.level == level.id and each.causes]
    parts = [
        f"cause {sentences.cause_title(each.causes[0])}, fix: {fix_text(each.causes[0])}"
        for each in named
    ]
    first, lines = result.first_divergence, []
    if first is not None and first[0] is level:
        if (advice := advice_of(result)) is not None:
            lines = [f"often {advice.title}", f"next {advice.action}"]
        lines += [f"setting: {text}" for text in setting_texts(result)]
    message = "; ".join([values, *parts])
    return Case(level.id, "", "failure", "divergence", message, tuple(lines), tuple(found))


def failure_text(level: str, item: Item) -> str:
    """Returns the place of a difference and both values in one line."""
    place = sentences.item_place(level, item) + sentences.index_text(item)
    return f"{place}: keras {item.keras}, torch {item.torch}, {sentences.difference(item)}"
