"""The page of several runs of one command: which pass, and where the others fail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from parity.report.html.ladder import divergences_of, look_of
from parity.report.html.page import Block, Cell, Code, Fact, Page, Section, Table
from parity.report.html.run_page import LOOKS, MODES, title_of, versions_of
from parity.report.html.svg import NAMES
from parity.report.read import FoundRun, problems_of
from parity.report.reproduce import command_of
from parity.report.sentences import count, extent, level_numbers, subject
from parity.report.text.result import without_repeats
from parity.traces.folder import REPORT

if TYPE_CHECKING:
    from parity.ladder.items import Level
    from parity.ladder.result import Result

RANK = ("error", "fail", "incomplete", "pass")  # worst first
MAX_COMMANDS = 50


def runs_page(runs: Sequence[FoundRun], problems: tuple[str, ...], folder: Path | None) -> Page:
    """Returns the page of several runs, with links to the pages of single runs that exist.

    Args:
        runs: at least one run.
        problems: problems of the folder.
        folder: folder of the page, None if it is unknown.
    """
    results = [run.result for run in runs]
    counts = Counter(result.verdict for result in results)
    verdict = next((name for name in RANK if counts[name]), results[0].verdict)
    failed = [run for run in runs if run.result.first_divergence is not None]
    facts = [
        Fact("runs", f"{len(runs)}: " + ", ".join(f"{counts[n]} {n}" for n in RANK if counts[n])),
        Fact("mode", "; ".join(dict.fromkeys(MODES.get(r.mode, r.mode) for r in results))),
    ]
    for half, name in NAMES.items():
        told = dict.fromkeys(
            versions_of(r.environment[half]) for r in results if half in r.environment
        )
        if told:
            facts.append(Fact(name, " / ".join(told)))
    return Page(
        title=_title(results),
        look=LOOKS.get(verdict, "warn"),
        verdict=verdict,
        sentence=_sentence(results, counts),
        facts=tuple(facts),
        problems=(*problems, *problems_of(runs), *_errors(runs)),
        divergences=divergences_of(failed[0].result) if failed else None,
        sections=(
            Section("runs", "Runs", (_table(runs, folder), *_ends(results))),
            Section("again", "Run them again", (_commands(results),)),
        ),
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


def _sentence(results: Sequence[Result], counts: Counter[str]) -> str:
    if counts["pass"] == len(results):
        return f"All {len(results)} runs are the same in both frameworks; {extent(results)} in all."
    parts = []
    if counts["fail"]:
        first = next(result for result in results if result.verdict == "fail")
        level = first.first_divergence[0].id if first.first_divergence else "a level"
        parts.append(
            f"{counts['fail']} of {count(len(results), 'run')} differ; {title_of(first)} fails at "
            f"{level}"
        )
    if counts["incomplete"]:
        parts.append(f"{count(counts['incomplete'], 'run')} not decided")
    if counts["error"]:
        parts.append(f"{count(counts['error'], 'run')} without a comparison")
    return "; ".join([*parts, f"{extent(results)} in all"]) + "."


def _errors(runs: Sequence[FoundRun]) -> tuple[str, ...]:
    told: dict[str, str] = {}
    results = [without_repeats(run.result, told) for run in runs]
    return tuple(f"{title_of(result)}: {error}" for result in results for error in result.errors)


def _table(runs: Sequence[FoundRun], folder: Path | None) -> Table:
    levels = list(dict.fromkeys(level.id for run in runs for level in run.result.levels))
    rows = []
    for run in sorted(runs, key=lambda run: RANK.index(run.result.verdict)):
        by_id = {level.id: level for level in run.result.levels}
        link = ""
        if folder is not None and run.folder is not None and (run.folder / REPORT).is_file():
            link = f"{run.folder.name}/{REPORT}"
        rows.append(
            (
                Cell(title_of(run.result), link=link),
                Cell(run.result.verdict, LOOKS.get(run.result.verdict, "")),
                *(_level_cell(run.result, by_id.get(name)) for name in levels),
            )
        )
    return Table(
        caption="Every run with its ladder: the difference that each level shows, the worst run "
        "first",
        head=("run", "verdict", *levels),
        rows=tuple(rows),
        numeric=frozenset(range(2, 2 + len(levels))),
        note="A dash is a level that was not compared.",
    )


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
