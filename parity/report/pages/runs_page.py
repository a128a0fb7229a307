"""The page of several runs of one command: which pass, and where the others fail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from parity.ladder.comparers.decisions import ENDS_WITH
from parity.ladder.items import FAIL, ROUNDINGS
from parity.ladder.result import ERROR, INCOMPLETE, Result
from parity.report.page import Block, Cell, Code, Column, Fact, Page, Section, Table
from parity.report.pages.ladder import divergences_of, look_of, suite_of
from parity.report.pages.run_page import LOOKS, MODES, run_page, title_of, versions_of
from parity.report.pages.svg import NAMES
from parity.report.read import FoundRun, problems_of
from parity.report.reproduce import command_of
from parity.report.sentences import (
    count,
    extent,
    found_texts,
    is_check,
    item_place,
    level_numbers,
    sentence,
    subject,
)
from parity.report.training import items_of
from parity.traces.folder import REPORT

if TYPE_CHECKING:
    from parity.ladder.items import Level

RANK = ("error", "fail", "incomplete", "pass")  # worst first
MAX_COMMANDS = 50
MIN_NAME, MAX_NAME = 7, 26  # characters of a name in a terminal


def without_repeats(result: Result, told: dict[str, str]) -> Result:
    """Returns a result in which an error of an earlier one is told in a few words.

    Args:
        result: the next one of several.
        told: first line of an error without its name -> the name; those of the result are added.
    """
    errors = []
    for error in result.errors:
        name, _, reason = error.partition("\n")[0].partition(": ")
        first = told.setdefault(reason, name)
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
        told = dict.fromkeys(
            versions_of(r.environment[half]) for r in results if half in r.environment
        )
        if told:
            facts.append(Fact(name, " / ".join(told)))
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
    told = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    seeds = {result.spec.get("seed") for result in results}
    return f"{told}: {count(len(results), 'run')}, {count(len(seeds), 'seed')}"


def _errors(runs: Sequence[FoundRun]) -> tuple[str, ...]:
    told: dict[str, str] = {}
    results = [without_repeats(run.result, told) for run in runs]
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
