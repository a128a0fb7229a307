"""The page of a benchmark: bars with their spread, ratios with their interval, warnings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from parity.bench.comparison import (
    FASTER,
    NOT_COMPARABLE,
    RATIO,
    SAME,
    SLOWER,
    BenchComparison,
    Change,
    Measure,
)
from parity.bench.result import OK, REFUSED, SECONDS, SKIPPED, BenchResult, Row
from parity.bench.result import facts as machine_facts
from parity.report import page
from parity.report.page import plain, shortened
from parity.report.pages.svg import BAND, INK, KERAS, TORCH
from parity.report.sentences import capital
from parity.report.sweep_sentences import (
    NONE,
    UNFINISHED,
    against,
    bench_sentence,
    cells_of,
    heading,
    legend,
    machine_text,
    name_of,
    reason_of,
    times,
    warnings,
)
from parity.report.sweep_sentences import number as figure_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOOKS = {"pass": page.PASS, "fail": page.FAIL, "incomplete": page.WARN}
UNCHECKED = "unchecked"
PARITY = {"pass": page.PASS, "fail": page.FAIL, UNCHECKED: page.QUIET}
ROW = 0.42  # inches of a bar
MAX_NAME = 18


def bench_page(result: BenchResult, problems: tuple[str, ...] = ()) -> page.Page:
    """Returns the page of a benchmark.

    Args:
        result: result of the benchmark.
        problems: missing or damaged parts.
    """
    spec = result.spec
    facts = [page.Fact("", machine_text(result), is_main=True)]
    for name in ("device", "threads", "rounds", "train_size", "seed"):
        if spec.get(name) is not None:
            facts.append(page.Fact(name.replace("_", " "), str(spec[name])))
    if result.environment.get("began"):
        facts.append(page.Fact("began", str(result.environment["began"]), is_main=True))
    if line := _speed(result):
        facts.append(page.Fact("", line, is_main=True))
    sections = []
    for number, (cell, rows) in enumerate(cells_of(result.rows)):
        measured = [row for row in rows if row.status == OK]
        blocks: list[page.Block] = []
        if measured:
            blocks.append(_table(heading(cell, measured), measured))
        drawn = [row for row in measured if row.values]
        if drawn:
            blocks.append(_bars(f"bars{number}", heading(cell, drawn), drawn))
        if blocks:
            title = heading(cell, [])
            sections.append(page.Section(f"cell{number}", title, tuple(blocks), is_main=True))
    notes = [_note(row) for row in result.rows if row.status != OK]
    notes += [page.Note("warning", text, look=page.WARN) for text in warnings(result)]
    if line := legend(result):
        text = page.Text(line, page.QUIET)
        sections.append(page.Section("reading", "How to read the numbers", (text,), is_main=True))
    if result.environment.get("command"):
        command = page.Code("Command", str(result.environment["command"]))
        sections.append(page.Section("again", "Run it again", (command,), is_main=True))
    return page.Page(
        title=f"benchmark of {spec.get('scenario', 'a program')}",
        look=LOOKS[result.verdict],
        verdict=result.verdict,
        sentence=bench_sentence(result),
        facts=tuple(facts),
        problems=problems if result.is_finished else (*problems, capital(f"{UNFINISHED}.")),
        notes=tuple(notes),
        sections=tuple(sections),
        suites=(_suite(result),),
    )


def _note(row: Row) -> page.Note:
    """Returns why a row does not count."""
    look = page.QUIET if row.status == SKIPPED else page.FAIL
    return page.Note(row.status, name_of(row.key), (page.Fact("", reason_of(row)),), look)


def _suite(result: BenchResult) -> page.Suite:
    """Returns a test for each row: a failure if it trains differently, an error if it failed."""
    scenario = result.spec.get("scenario")
    properties = {"verdict": result.verdict, "scenario": scenario}
    properties |= {"seed": result.spec.get("seed"), **machine_facts(result)}
    cases = tuple(map(_case, result.rows))
    verdict, text = result.verdict, bench_sentence(result)
    return page.Suite("bench", str(scenario), verdict, text, cases, properties)


def _case(row: Row) -> page.Case:
    group = f"{row.part} batch {row.batch_size} {row.precision}"
    if row.status != OK:
        kind = "failure" if row.status == REFUSED else "error"
        return page.Case(row.variant, group, kind, row.status, reason_of(row) or row.status)
    speed = ""
    if row.values:
        low, middle, high = map(figure_of, row.quartiles())
        speed = f"{middle} {row.unit} ({low} to {high})"
        if (ratio := row.ratio) is not None:
            speed += f", {times(ratio.median)} x {row.baseline} "
            speed += f"({times(ratio.low)} to {times(ratio.high)})"
    return page.Case(row.variant, group, message=speed)


def _speed(result: BenchResult) -> str:
    """Returns the ratio of this project's variant or the user's port; "" if it has none."""
    for row in result.rows:
        is_shown = row.variant == ("torch-eager" if "program" in result.spec else "torch")
        if is_shown and row.status == OK and row.ratio is not None:
            ratio = row.ratio
            return (
                f"PyTorch trains {times(ratio.median)} times as fast as {row.baseline} "
                f"({times(ratio.low)} to {times(ratio.high)}; {row.part}, batch {row.batch_size}, "
                f"{row.precision})."
            )
    return ""


def _bars(name: str, title: str, rows: Sequence[Row]) -> page.Picture:
    height = 0.75 + ROW * max(len(rows), 2)
    unit = rows[0].unit

    def paint(figure: Figure) -> None:
        from matplotlib.ticker import FuncFormatter, MaxNLocator

        axes = figure.subplots(
            gridspec_kw={
                "left": 0.27,
                "right": 0.96,
                "top": 1 - 0.1 / height,
                "bottom": 0.5 / height,
            }
        )
        for place, row in enumerate(rows):
            low, middle, high = row.quartiles()
            color = KERAS if row.variant.startswith("keras") else TORCH
            axes.barh([-place], [middle], height=0.55, color=color, alpha=0.35, lw=0)
            axes.plot([low, high], [-place, -place], color=color, lw=3, solid_capstyle="butt")
            axes.plot(
                row.values, np.full(len(row.values), -place), "|", ms=9, color=INK, alpha=0.55
            )
        axes.set_yticks([-place for place in range(len(rows))])
        axes.set_yticklabels([shortened(plain(row.variant), MAX_NAME) for row in rows])
        axes.set_ylim(-len(rows) + 0.5, 0.5)
        axes.set_xlim(left=0)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
        is_more = unit != SECONDS
        axes.set_xlabel(f"{unit}, {'more' if is_more else 'less'} is faster")
        axes.spines["left"].set_color(BAND)

    medians = "; ".join(f"{row.variant} {figure_of(row.quartiles()[1])} {row.unit}" for row in rows)
    return page.Picture(
        name=name,
        height=height,
        paint=paint,
        caption=f"{title}. The bar ends at the median of the rounds, the thick line goes from the "
        "lower to the upper quartile, each mark is a round.",
        description=f"{title}; medians: {medians}.",
    )


def _table(title: str, rows: Sequence[Row]) -> page.Table:
    base = against(rows)
    head = (
        "variant", "median", "q1", "q3", "unit", f"× {base}", "interval", "MB",
        "warm-up", "accuracy reached", "parity", "evidence",
    )  # fmt: skip
    short = f"x {base}"
    return page.Table(
        caption=title,
        head=head,
        rows=tuple(map(_row, rows)),
        numeric=frozenset(range(1, 10)) - {4},
        columns=(
            page.Column(0, "variant", 16),
            *(page.Column(n, head[n], 9) for n in (1, 2, 3)),
            page.Column(5, f"{short}, interval" if len(short) <= 10 else shortened(short, 20), 21),
            page.Column(7, "MB", 7),
            page.Column(10, "parity", 0),
        ),
        asides=(8, 9),
    )


def _row(row: Row) -> tuple[page.Cell, ...]:
    low, middle, high = map(figure_of, row.quartiles()) if row.values else [NONE] * 3
    ratios, memory = row.ratio, row.peak_memory_mb
    texts = [times(value) for value in (ratios.median, ratios.low, ratios.high)] if ratios else []
    seconds = [
        "" if value is None else f"{figure_of(value, 3)} s"
        for value in (row.warmup_s, row.seconds_to_accuracy)
    ]
    big = memory is not None and memory >= 99_999.5
    return (
        page.Cell(row.variant),
        *(page.Cell(text) for text in (middle, low, high)),
        page.Cell(row.unit if row.values else ""),
        page.Cell(texts[0] if texts else "", short="".join(f"{text:>7}" for text in texts)),
        page.Cell(" to ".join(texts[1:])),
        page.Cell(
            "" if memory is None else f"{memory:.0e}" if big else f"{memory:,.0f}",
            short=NONE if memory is None else None,
        ),
        *map(page.Cell, seconds),
        page.Cell(row.parity, PARITY[row.parity], short=NONE if row.parity == UNCHECKED else None),
        page.Cell(row.parity_note),
    )


def comparison_page(comparison: BenchComparison) -> page.Page:
    """Returns the page of two benchmarks: the changes of all rows, and why others have none."""
    head = ("variant", "old", "new", "change", "")
    notes = [
        page.Note("not comparable", name_of(change.key), (page.Fact("", change.reason),), page.WARN)
        for change in comparison.changes
        if change.change is None
    ]
    for age, keys in (("old", comparison.only_old), ("new", comparison.only_new)):
        label = f"only in the {age} result"
        notes += [page.Note(label, name_of(key), look=page.WARN) for key in keys]
    notes += [page.Note("machine", text) for text in comparison.differences]
    sections = []
    known = [change for change in comparison.changes if change.change is not None]
    for number, (cell, changes) in enumerate(cells_of(known)):
        rows = tuple(map(_changed, changes))
        columns = page.columns_of(head, 26, 12, 12, 11, 0)
        numeric = frozenset({1, 2, 3})
        table = page.Table(heading(cell, []), head, rows, numeric, columns=columns)
        sections.append(page.Section(f"cell{number}", table.caption, (table,), is_main=True))
    counts = Counter(change.status for change in comparison.changes)
    counted = ", ".join(f"{counts[name]} {name}" for name in (SLOWER, FASTER, SAME, NOT_COMPARABLE))
    return page.Page(
        title="change of the speed",
        look=LOOKS.get(comparison.verdict, page.WARN),
        verdict=comparison.verdict,
        sentence=f"{comparison.verdict}: {counted}; a row has changed if its median moved by more "
        f"than {100 * comparison.threshold:g} % and the intervals do not overlap",
        notes=tuple(notes),
        sections=tuple(sections),
    )


def _changed(change: Change) -> tuple[page.Cell, ...]:
    assert change.old is not None
    assert change.new is not None
    percent = 100 * (change.change or 0.0)
    moved = f"{percent:+.1f} %" if abs(percent) < 999.95 else f"{percent:+.0e} %"
    texts = [change.variant, _measure(change, change.old), _measure(change, change.new), moved]
    look = {SLOWER: page.FAIL, FASTER: page.PASS}.get(change.status, "")
    return (*map(page.Cell, texts), page.Cell(change.status, look))


def _measure(change: Change, value: Measure) -> str:
    if change.measure == RATIO:
        return f"{times(value.median)} x"
    if change.unit == SECONDS:
        return f"{figure_of(1 / value.median)} s"
    return f"{figure_of(value.median)}/s"
