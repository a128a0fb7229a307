"""The divergences of a check as text: where each is, what causes it, and the fix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from parity.divergences.names import full_name
from parity.report import sentences
from parity.report.lines import WIDTH, Line, plain, shortened, wrapped
from parity.report.text.result import labelled, shown

if TYPE_CHECKING:
    from parity.ladder.result import Found, Result

FEW = 3  # so many divergences are shown with their formulas


def found_lines(result: Result) -> list[Line]:
    """Returns all divergences, those that are accepted last, and what follows from them."""
    lines: list[Line] = []
    ordered = sorted(result.divergences, key=lambda found: found.is_accepted)
    for number, found in enumerate(ordered, start=1):
        lines += _lines_of(found, number, is_long=len(ordered) <= FEW)
    if told := sentences.inherited_text(result):
        lines += [[(row, "dim")] for row in wrapped(told, "  ")]
    return lines


def _lines_of(found: Found, number: int, *, is_long: bool) -> list[Line]:
    style = "yellow" if found.is_accepted else "bold red"
    head = f"  {number}  {'accepted, ' if found.is_accepted else ''}{found.level}: "
    what = shortened(plain(sentences.shown_by(found)), WIDTH - len(head))
    lines: list[Line] = [[(head, style), (what, "")]]
    lines += labelled("keras", shown(found.item.keras))
    lines += labelled("torch", shown(found.item.torch))
    lines += [[(row, "")] for row in wrapped(sentences.difference(found.item), " " * 10)]
    if place := sentences.place_text(found.place):
        lines += labelled("at", place)
    causes = sentences.likely_causes(found.causes)
    for cause in causes if is_long else causes[:1]:
        lines += _lines_of_cause(cause, "cause" if cause is causes[0] else "or", is_long=is_long)
    return lines if causes else [*lines, *[[(row, "dim")] for row in wrapped(sentences.UNKNOWN)]]


def _lines_of_cause(cause: Mapping[str, Any], label: str, *, is_long: bool) -> list[Line]:
    head = f"    {label} {cause['id']}  "
    sure = f"  ({sentences.confidence_text(cause)})"
    title = shortened(str(cause["title"]), WIDTH - len(head + sure))
    lines: list[Line] = [[(head, "bold red"), (title + sure, "")]]
    shown_keys = (("is", "keras"), ("not", "torch")) if is_long else ()
    for name, key in (*shown_keys, ("seen", "detail")):
        if cause.get(key):
            lines += labelled(name, str(cause[key]))
    if cause.get("fix"):
        lines += labelled("fix", sentences.fix_text(cause), "bold")
    name, _, slug = full_name(str(cause["id"])).partition(" ")
    lines.append([(f"    parity explain {name}{f'  ({slug})' if slug else ''}", "dim")])
    return lines


def setting_lines(result: Result) -> list[Line]:
    """Returns the different settings, even after the first divergence."""
    lines = [[(row, "")] for text in sentences.setting_texts(result) for row in wrapped(text)]
    return [[("  settings that differ", "dim")], *lines] if lines else []


def open_lines(result: Result) -> list[Line]:
    """Returns what could not be compared with what to do, and what was left out."""
    lines: list[Line] = []
    for entry in result.incomplete:
        lines.append([(f"  could not be compared: {plain(entry['what'])}", "yellow")])
        lines += labelled("why", entry["why"]) + labelled("do", entry["do"], "bold")
    told = [(entry["what"], entry["why"]) for entry in result.not_compared]
    told += [pair for level in result.levels for pair in level.not_compared]
    reasons: dict[str, list[str]] = {}
    for what, why in dict.fromkeys(told):
        reasons.setdefault(why, []).append(what)
    for why, names in reasons.items():
        text = f"not compared: {', '.join(names)}: {why}"
        lines += [[(row, "dim")] for row in wrapped(plain(text), "  ")]
    return lines
