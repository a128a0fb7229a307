"""The page of two results of the same kind: the changes from the first to the second."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from parity.ladder.items import LOG_P
from parity.report import page
from parity.report.pages.curves import curve_pictures
from parity.report.pages.ladder import (
    divergences_of,
    look_of,
    notes_of,
    opens_of,
    rung_of,
    suite_of,
)
from parity.report.pages.run_page import LOOKS, title_of, versions_of
from parity.report.pages.svg import NAMES
from parity.report.sentences import (
    cause_title,
    count,
    extent,
    found_place,
    found_texts,
    level_item,
    level_numbers,
)

if TYPE_CHECKING:
    from parity.ladder.items import Item, Level
    from parity.ladder.result import Found, Result
    from parity.report.read import FoundRun

RANK = {"pass": 0, "incomplete": 1, "fail": 2, "error": 3}
_NUMBERS = frozenset({2, 4, 5})  # columns of the table of levels


def pair_page(before: FoundRun, after: FoundRun) -> page.Page:
    """Returns the page that compares a run or a check with an earlier one."""
    old, new = before.result, after.result
    settings = list(_changes(old.spec, new.spec))
    for half in NAMES:
        told = [versions_of(result.environment.get(half) or {}) for result in (old, new)]
        if told[0] != told[1]:
            settings.append((NAMES[half], told[0] or "-", told[1] or "-"))
    for name in ("x_train", "y_train", "x_val", "y_val"):
        told = [str((r.data.get("sha256") or {}).get(name, "-")) for r in (old, new)]
        if told[0] != told[1]:
            settings.append((f"SHA-256 of {name}", told[0][:16], told[1][:16]))
    parts: list[tuple[str, str, Sequence[page.Block]]] = [
        ("settings", "Changes", [_settings(settings)]),
        ("divergences", "Divergences, before and now", _divergences(old, new)),
        ("levels", "Level by level", _levels(old, new)),
        ("curves", "Training and validation of each half, before and now", _curves(old, new)),
    ]
    return page.Page(
        title=f"{title_of(old)} → {title_of(new)}",
        look=LOOKS.get(new.verdict, page.WARN),
        verdict=new.verdict,
        sentence=_sentence(old, new),
        facts=(
            page.Fact("before", f"{old.verdict}: {_folder(before)}; {extent([old])}"),
            page.Fact("now", f"{new.verdict}: {_folder(after)}; {extent([new])}"),
        ),
        problems=(
            *(f"before: {problem}" for problem in (*before.problems, *old.errors)),
            *(f"now: {problem}" for problem in (*after.problems, *new.errors)),
        ),
        ladder=tuple(rung_of(new, level) for level in new.levels),
        divergences=divergences_of(new),
        opens=opens_of(new),
        notes=notes_of(new),
        sections=page.sections_of(parts, main=("settings", "divergences", "levels")),
        suites=(suite_of(new),),
    )


def _folder(found: FoundRun) -> str:
    return found.folder.name if found.folder is not None else "a result file"


def _sentence(old: Result, new: Result) -> str:
    if new.verdict == old.verdict:
        if new.verdict != "fail":
            return f"The verdict has not changed: {new.verdict} before and now."
        if old.divergences and new.divergences:
            counts = [len(found_texts(result)) for result in (old, new)]
            return f"Both fail: {count(counts[0], 'divergence')} before, {counts[1]} now."
        places = [r.first_divergence[0].id for r in (old, new) if r.first_divergence is not None]
        if len(places) == 2 and places[0] != places[1]:
            return f"Both fail: before at {places[0]}, now at {places[1]}."
        return "Both fail" + (f" at {places[0]}." if places else ".")
    is_better = RANK.get(new.verdict, 3) < RANK.get(old.verdict, 3)
    change = "better" if is_better else "worse"
    return f"The verdict is {change}: {old.verdict} before, {new.verdict} now."


def _changes(
    old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, str, str]]:
    for name in dict.fromkeys([*old, *new]):
        a, b = old.get(name), new.get(name)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            yield from _changes(a, b, f"{prefix}{name}.")
        elif a != b:
            yield f"{prefix}{name}", str(a), str(b)


def _settings(changes: Sequence[tuple[str, str, str]]) -> page.Block:
    if not changes:
        return page.Text("Spec, data and versions are the same in both.")
    rows = tuple(tuple(map(page.Cell, change)) for change in changes)
    head = ("", "before", "now")
    columns = page.columns_of(head, 24, 27, 0)
    return page.Table("Settings, data and versions that differ", head, rows, columns=columns)


def _divergences(old: Result, new: Result) -> list[page.Block]:
    """Returns which divergences of a check are new, which remain, and which are mended."""
    found = [{_key(each): each for each in result.divergences} for result in (old, new)]
    rows = []
    for key in dict.fromkeys([*found[1], *found[0]]):
        before, now = found[0].get(key), found[1].get(key)
        told = now or before
        assert told is not None
        state = page.Cell("mended", page.PASS)
        if now is not None:
            word, look = "still there" if before else "new", page.FAIL
            if now.is_accepted:
                word, look = "accepted", page.WARN
            is_changed = before is None or before.is_accepted != now.is_accepted
            state = page.Cell(word, look if is_changed else "")
        rows.append(
            (
                page.Cell(cause_title(told.causes[0]) if told.causes else found_place(told)),
                page.Cell(told.level),
                state,
            )
        )
    head = ("divergence", "level", "now")
    columns = page.columns_of(head, 52, 12, 0)
    table = page.Table("Each divergence of either check", head, tuple(rows), columns=columns)
    return [table] if rows else []


def _key(found: Found) -> tuple[str, str]:
    """Returns what a divergence is called in both results: level and cause, else its item."""
    return found.level, str(found.causes[0]["id"]) if found.causes else found.item.name


def _levels(old: Result, new: Result) -> list[page.Block]:
    levels = [{level.id: level for level in result.levels} for result in (old, new)]
    rows = []
    for name in dict.fromkeys([*levels[0], *levels[1]]):
        a, b = levels[0].get(name), levels[1].get(name)
        (_, before), (look, now) = _status(old, a), _status(new, b)
        rows.append(
            (
                page.Cell(name),
                page.Cell(before),
                _differs(old, a),
                page.Cell(now, look if now != before else ""),  # a colour is a change of the status
                _differs(new, b),
                page.Cell(
                    _change(level_item(old, a) if a else None, level_item(new, b) if b else None)
                ),
            )
        )
    head = ("level", "before", "differs", "now", "differs", "times")
    columns = page.columns_of(head, 11, 12, 9, 12, 9, 9)
    caption = "Status and difference of each level"
    table = page.Table(caption, head, tuple(rows), _NUMBERS, columns=columns)
    return [table] if rows else []


def _status(result: Result, level: Level | None) -> tuple[str, str]:
    return look_of(result, level) if level is not None else ("", "-")


def _differs(result: Result, level: Level | None) -> page.Cell:
    if level is None or level.worst is None:
        return page.Cell("")
    return page.Cell(level_numbers(result, level)[0])


def _change(old: Item | None, new: Item | None) -> str:
    """Returns how many times as large a difference is; nothing for p values and for two units."""
    if old is None or new is None or old.unit != new.unit or new.unit == LOG_P:
        return ""
    a, b = old.worst, new.worst
    if a == b:
        return "="
    return f"{b / a:.2g}" if a != 0 and b / a < math.inf else "new"


def _curves(old: Result, new: Result) -> list[page.Block]:
    """Returns both runs of each half, one over the other; the earlier one takes Keras's place."""
    blocks: list[page.Block] = []
    for half, name in NAMES.items():
        before, now = old.history.get(half), new.history.get(half)
        if not before or not now:
            continue
        pictures = curve_pictures(
            {"keras": before, "torch": now},
            names={"keras": "before", "torch": "now"},
            prefix=half,
        )
        blocks += [replace(p, caption=f"{name}: {p.caption}") for p in pictures]
    return blocks
