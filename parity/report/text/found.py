"""The divergences of a check as text: where each is, what causes it, and the fix."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from parity.divergences.names import full_name
from parity.divergences.places import RAISES
from parity.report import sentences
from parity.report.fixes import TRIED, fix_lines
from parity.report.left_out import left_out_texts
from parity.report.lines import WIDTH, Line, labelled, plain, shortened, shown, wrapped
from parity.report.settings import setting_texts

if TYPE_CHECKING:
    from parity.ladder.items import Item
    from parity.ladder.result import Found, Result

FEW = 3  # so many divergences are shown with their formulas


def found_lines(result: Result) -> list[Line]:
    """Returns all divergences, those that are accepted last, and what follows from them."""
    lines: list[Line] = []
    is_long = len(result.divergences) <= FEW
    for number, found, same_as in sentences.numbered(result):
        lines += divergence_lines(found, number, same_as=same_as, is_long=is_long)
    if told := sentences.inherited_text(result):
        lines += [[(row, "dim")] for row in wrapped(told, "  ")]
    return lines


def divergence_lines(
    found: Found, number: int, *, same_as: int = 0, is_long: bool = True
) -> list[Line]:
    """Returns one divergence: its level, the cause and the fix, both values, and its place.

    Args:
        found: the divergence.
        number: counted from 1.
        same_as: number of the divergence that the same values show; 0 for none.
        is_long: whether the formulas of both halves are shown, and other likely causes.
    """
    style = "yellow" if found.is_accepted else "bold red"
    head = f"  {number}  {'accepted, ' if found.is_accepted else ''}{found.level}: "
    if same_as:
        lines: list[Line] = [[(head, style), (f"the same values as in {same_as}", "")]]
    else:
        moment = sentences.moment(found.item)
        name = shortened(plain(sentences.item_name(found.item)), WIDTH - len(head + moment))
        lines = [[(head, style), (name + moment, "")]]
    causes = sentences.likely_causes(found.causes)
    for cause in causes[:1]:
        lines += _lines_of_cause(cause, "cause", is_long=is_long)
    if not causes and not found.item.name.endswith(RAISES):
        lines += [[(row, "dim")] for row in wrapped(sentences.UNKNOWN)]
    if not same_as:
        lines += _lines_of_values(found)
    for cause in causes[1:] if is_long else []:
        lines += _lines_of_cause(cause, "or", is_long=is_long)
    for cause in causes if is_long else causes[:1]:
        name, _, slug = full_name(str(cause["id"])).partition(" ")
        lines.append([(f"    parity explain {name}{f'  ({slug})' if slug else ''}", "dim")])
    return lines


def _lines_of_values(found: Found) -> list[Line]:
    """Returns both values, their difference, and the pair of layers."""
    lines = labelled("keras", shown(found.item.keras))
    lines += labelled("torch", shown(found.item.torch))
    for text in (_difference(found.item), sentences.shown_by(found)):
        lines += [[(row, "")] for row in wrapped(text, " " * 10)]
    if place := sentences.place_text(found):
        lines += labelled("where", place)
    return lines


def _difference(item: Item) -> str:
    """Returns the difference of an item; two texts that differ need none."""
    is_text = item.unit == "count" and item.num_compared == 1 and isinstance(item.keras, str)
    return "" if is_text else sentences.difference(item)


def _lines_of_cause(cause: Mapping[str, Any], label: str, *, is_long: bool) -> list[Line]:
    head = f"    {label:<5} {cause['id']}  "
    sure = f"  ({sentences.confidence_text(cause)})"
    title = shortened(plain(str(cause["title"])), WIDTH - len(head + sure))
    lines: list[Line] = [[(head, "bold red"), (title + sure, "")]]
    for row, text in enumerate(_fix_rows(cause)):
        lines += labelled("" if row else "fix", text, "bold")
    if lines[1:] and cause.get("tried"):
        lines += labelled("", TRIED, "dim")
    if cause.get("where"):
        lines += labelled("line", str(cause["where"]))
    if cause.get("detail"):
        lines += labelled("seen", str(cause["detail"]))
    for half, key in (("Keras", "keras"), ("torch", "torch")) if is_long else ():
        if cause.get(key):
            lines += labelled("rule", f"{half}: {cause[key]}")
    return lines


def _fix_rows(cause: Mapping[str, Any]) -> Iterator[str]:
    """Yields the lines of a fix; a comment that does not fit beside its code comes before it."""
    for line in fix_lines(cause):
        code, mark, comment = line.partition("  # ")
        if mark and len(line) > WIDTH - 10:
            yield from _comment(comment)
            yield code
        elif line.startswith("# "):
            yield from _comment(line.removeprefix("# "))
        else:
            yield line


def _comment(text: str) -> list[str]:
    """Returns a comment in lines that can be pasted."""
    return [f"# {row}" for row in textwrap.wrap(text, WIDTH - 12, break_long_words=False)]


def setting_lines(result: Result) -> list[Line]:
    """Returns the different settings of paired layers, with or without an effect."""
    lines = [[(row, "")] for text in setting_texts(result) for row in wrapped(text)]
    return [[("  settings that differ", "dim")], *lines] if lines else []


def open_lines(result: Result) -> list[Line]:
    """Returns what could not be compared with what to do, and what was left out."""
    lines: list[Line] = []
    for entry in result.incomplete:
        head = "  could not be compared: "
        lines.append([(head, "bold yellow"), (shortened(entry["what"], WIDTH - len(head)), "")])
        lines += labelled("why", entry["why"]) + labelled("do", entry["do"], "bold")
    for text in left_out_texts(result):
        lines += [[(row, "dim")] for row in wrapped(f"not compared: {text}", "  ")]
    return lines
