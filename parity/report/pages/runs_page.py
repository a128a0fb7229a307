"""The page of several runs of one command, and of the changes between two results."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from parity.ladder.comparers.decisions import ENDS_WITH
from parity.ladder.items import FAIL, LOG_P, ROUNDINGS
from parity.ladder.result import ERROR, INCOMPLETE, Result
from parity.report import page
from parity.report.page import Block, Cell, Code, Column, Fact, Page, Section, Table
from parity.report.pages.curves import curve_pictures
from parity.report.pages.ladder import (
    divergences_of,
    look_of,
    notes_of,
    opens_of,
    rung_of,
    suite_of,
)
from parity.report.pages.run_page import LOOKS, MODES, run_page, title_of, versions_of
from parity.report.pages.svg import NAMES
from parity.report.read import FoundRun, problems_of
from parity.report.reproduce import command_of
from parity.report.sentences import (
    cause_title,
    count,
    extent,
    found_place,
    found_texts,
    is_check,
    item_place,
    items_of,
    level_item,
    level_numbers,
    sentence,
    subject,
)
from parity.traces.folder import REPORT

if TYPE_CHECKING:
    from parity.ladder.items import Item, Level
    from parity.ladder.result import Found


# --- The page of several runs of one command: which pass, and where the others fail ---------------


RANK = ("error", "fail", "incomplete", "pass")  # worst first
MAX_COMMANDS = 50
MIN_NAME, MAX_NAME = 7, 26  # characters of a name in a terminal


def without_repeats(result: Result, known_errors: dict[str, str]) -> Result:
    """Returns a result in which an error of an earlier one has a few words.

    Args:
        result: the next one of several.
        known_errors: first line of an error without its name -> the name; those of the result are
            added.
    """
    errors = []
    for error in result.errors:
        name, _, reason = error.partition("\n")[0].partition(": ")
        first = known_errors.setdefault(reason, name)
        errors.append(error if first == name else f"{name}: the same as {first}")
    return replace(result, errors=tuple(errors))


def result_page(result: Result, num_lacking: int = 0) -> Page:
    """Returns the page of a result of which there is no folder."""
    return run_page(FoundRun(None, result), num_lacking)


def runs_page(
    runs: Sequence[FoundRun],
    problems: tuple[str, ...] = (),
    folder: Path | None = None,
    names: Sequence[str] = (),
) -> Page:
    """Returns the page of several runs, with links to the pages of single runs that exist.

    Args:
        runs: at least one run.
        problems: problems of the folder.
        folder: folder of the page, None if it is unknown.
        names: of the runs; none = by program and seed.
    """
    results = [run.result for run in runs]
    titles = names or [title_of(result) for result in results]
    counts = Counter(result.verdict for result in results)
    verdict = next(name for name in RANK if counts[name])
    failed = [result for result in results if result.first_divergence is not None]
    facts = [Fact("mode", "; ".join(dict.fromkeys(MODES.get(r.mode, r.mode) for r in results)))]
    for half, name in NAMES.items():
        versions = dict.fromkeys(
            versions_of(r.environment[half]) for r in results if half in r.environment
        )
        if versions:
            facts.append(Fact(name, " / ".join(versions)))
    counted = ", ".join(f"{counts[name]} {name}" for name in RANK if counts[name])
    ordered = sorted(zip(titles, runs, strict=True), key=lambda p: RANK.index(p[1].result.verdict))
    return Page(
        title=_title(results),
        look=LOOKS[verdict],
        verdict=verdict,
        sentence=f"{counted} of {count(len(results), 'run')}; {extent(results)}",
        facts=tuple(facts),
        problems=(*problems, *problems_of(runs), *_errors(runs)),
        divergences=divergences_of(failed[0], title_of(failed[0])) if failed else None,
        sections=(
            Section("runs", "Runs", (_table(ordered, folder), *_ends(results)), is_main=True),
            Section("again", "Run them again", (_commands(results),)),
        ),
        suites=tuple(map(suite_of, results)),
    )


def _commands(results: Sequence[Result]) -> Block:
    commands = list(dict.fromkeys(command_of(result.spec) for result in results))
    more = len(commands) - MAX_COMMANDS
    left = [f"# and {more} more: the page of a run has its own"] if more > 0 else []
    return Code("Commands", "\n".join([*commands[:MAX_COMMANDS], *left]))


def _title(results: Sequence[Result]) -> str:
    names = list(dict.fromkeys(subject(result) for result in results))
    shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    seeds = {result.spec.get("seed") for result in results}
    return f"{shown}: {count(len(results), 'run')}, {count(len(seeds), 'seed')}"


def _errors(runs: Sequence[FoundRun]) -> tuple[str, ...]:
    known_errors: dict[str, str] = {}
    results = [without_repeats(run.result, known_errors) for run in runs]
    return tuple(f"{title_of(result)}: {error}" for result in results for error in result.errors)


def _table(runs: Sequence[tuple[str, FoundRun]], folder: Path | None) -> Table:
    levels = list(dict.fromkeys(level.id for _, run in runs for level in run.result.levels))
    rows = []
    for name, run in runs:
        result = run.result
        by_id = {level.id: level for level in result.levels}
        link = ""
        if folder is not None and run.folder is not None and (run.folder / REPORT).is_file():
            link = f"{run.folder.name}/{REPORT}"
        rows.append(
            (
                Cell(name, link=link),
                Cell(result.verdict, LOOKS[result.verdict]),
                Cell(_found(result)),
                *(_level_cell(result, by_id.get(name)) for name in levels),
            )
        )
    width = max(MIN_NAME, *(min(len(name), MAX_NAME) for name, _ in runs)) + 2
    return Table(
        caption="Every run with its ladder: the difference that each level shows, the worst run "
        "first",
        head=("run", "verdict", "found", *levels),
        rows=tuple(rows),
        numeric=frozenset(range(3, 3 + len(levels))),
        notes=("A dash is a level that was not compared.",),
        columns=(Column(0, "run", width), Column(1, "verdict", 12), Column(2, "found", 0)),
    )


def _found(result: Result) -> str:
    """Returns the cause of a run that fails, the error of one that is none, else the extent."""
    if result.verdict == ERROR:
        return next((line for error in result.errors for line in error.splitlines()), "")
    if result.verdict == FAIL and (found := found_texts(result)):
        return found[0] + (f" (and {len(found) - 1} more)" if len(found) > 1 else "")
    if (first := result.first_divergence) is not None:
        return item_place(first[0].id, first[1])
    if result.verdict == INCOMPLETE:
        return "; ".join(f"{entry['what']}: {entry['why']}" for entry in result.incomplete)
    return sentence(result) if is_check(result) else _trajectory(result)


def _trajectory(result: Result) -> str:
    """Returns the greatest difference of weights and of losses, and the cuts of the rate."""
    levels = [level for level in result.levels if level.id == "trajectory"]
    # How float32 rounds a weight is no difference of it.
    items = [i for level in levels for i in items_of(level) if i.unit != ROUNDINGS]
    ends = [i for level in result.levels if level.id == "schedule" for i in level.items]
    # Of recorded steps only some values are compared, at the end all; what is counted is an epoch.
    ends = [item for item in ends if ENDS_WITH in item.name and item.unit != "count"]
    parts = {
        "weights": [item.worst for item in (*items, *ends) if "." in item.name],
        "losses": [item.worst for item in items if "loss" in item.name],
    }
    texts = [f"{name} {max(worst):.1e}" for name, worst in parts.items() if worst]
    cuts = len(set(result.history.get("torch", {}).get("learning_rate", ()))) - 1
    return ", ".join([*texts, *([f"cuts {cuts}"] if cuts > 0 else [])])


def _level_cell(result: Result, level: Level | None) -> Cell:
    if level is None:
        return Cell("")
    look, _ = look_of(result, level)
    if level.worst is None:
        return Cell("-", look)
    return Cell(level_numbers(result, level)[0], look)


def _ends(results: Sequence[Result]) -> list[Block]:
    """Returns a table of the ends of both halves of each run."""
    rows = []
    for result in results:
        halves = [result.history.get(half) or {} for half in NAMES]
        if not all(history.get("val_accuracy") for history in halves):
            continue
        cells = [Cell(title_of(result))]
        for half, history in zip(NAMES, halves, strict=True):
            cells += [
                Cell(f"{history['val_accuracy'][-1]:.4f}"),
                Cell(str((result.behaviour.get(half) or {}).get("verdict", ""))),
                Cell(f"{result.wall_s.get(half, 0):.1f}"),
            ]
        rows.append(tuple(cells))
    if not rows:
        return []
    head = ["run"]
    for name in NAMES.values():
        head += [f"{name} val_accuracy", "verdict", "seconds"]
    return [Table("End of each training", tuple(head), tuple(rows), frozenset({1, 3, 4, 6}))]


# --- The page of two results of the same kind: the changes from the first to the second -----------


RANK_OF_PAIR_PAGE = {"pass": 0, "incomplete": 1, "fail": 2, "error": 3}
_NUMBERS = frozenset({2, 4, 5})  # columns of the table of levels


def pair_page(before: FoundRun, after: FoundRun) -> page.Page:
    """Returns the page that compares a run or a check with an earlier one."""
    old, new = before.result, after.result
    settings = list(_changes(old.spec, new.spec))
    for half in NAMES:
        values = [versions_of(result.environment.get(half) or {}) for result in (old, new)]
        if values[0] != values[1]:
            settings.append((NAMES[half], values[0] or "-", values[1] or "-"))
    for name in ("x_train", "y_train", "x_val", "y_val"):
        values = [str((r.data.get("sha256") or {}).get(name, "-")) for r in (old, new)]
        if values[0] != values[1]:
            settings.append((f"SHA-256 of {name}", values[0][:16], values[1][:16]))
    parts: list[tuple[str, str, Sequence[page.Block]]] = [
        ("settings", "Changes", [_settings(settings)]),
        ("divergences", "Divergences, before and now", _divergences(old, new)),
        ("levels", "Level by level", _levels(old, new)),
        ("curves", "Training and validation of each half, before and now", _pair_curves(old, new)),
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
    is_better = RANK_OF_PAIR_PAGE.get(new.verdict, 3) < RANK_OF_PAIR_PAGE.get(old.verdict, 3)
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
        shown = now or before
        assert shown is not None
        state = page.Cell("mended", page.PASS)
        if now is not None:
            word, look = "still there" if before else "new", page.FAIL
            if now.is_accepted:
                word, look = "accepted", page.WARN
            is_changed = before is None or before.is_accepted != now.is_accepted
            state = page.Cell(word, look if is_changed else "")
        rows.append(
            (
                page.Cell(cause_title(shown.causes[0]) if shown.causes else found_place(shown)),
                page.Cell(shown.level),
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


def _pair_curves(old: Result, new: Result) -> list[page.Block]:
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
