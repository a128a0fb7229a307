"""The page of a benchmark: bars with their spread, ratios with their interval, warnings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from parity.bench.result import OK, SECONDS, SKIPPED, BenchResult, Row
from parity.report.bench_sentences import (
    UNFINISHED,
    cells_of,
    heading,
    legend,
    machine_text,
    reason_of,
    sentence,
    times,
    warnings,
)
from parity.report.bench_sentences import number as figure_of
from parity.report.html import page
from parity.report.html.svg import BAND, INK, KERAS, TORCH, drawn
from parity.report.lines import plain, shortened
from parity.report.sentences import capital

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOOKS = {"pass": page.PASS, "fail": page.FAIL, "incomplete": page.WARN}
STATUS = {OK: "", SKIPPED: page.QUIET}  # others failed
PARITY = {"pass": page.PASS, "fail": page.FAIL, "unchecked": page.QUIET}
ROW = 0.42  # inches of a bar
MAX_NAME = 18


def bench_page(result: BenchResult, problems: tuple[str, ...] = ()) -> page.Page:
    """Returns the page of a benchmark.

    Args:
        result: result of the benchmark.
        problems: missing or damaged parts.
    """
    spec = result.spec
    facts = [page.Fact("machine", machine_text(result))]
    for name in ("scenario", "device", "threads", "rounds", "train_size", "seed"):
        if spec.get(name) is not None:
            facts.append(page.Fact(name.replace("_", " "), str(spec[name])))
    if result.environment.get("began"):
        facts.append(page.Fact("began", str(result.environment["began"])))
    sections = []
    for number, (cell, rows) in enumerate(cells_of(result.rows)):
        measured = [row for row in rows if row.status == OK and row.values]
        blocks: list[page.Block] = []
        if measured:
            blocks.append(_bars(f"bars{number}", heading(cell, measured), measured))
        blocks.append(_table(heading(cell, []), rows))
        sections.append(page.Section(f"cell{number}", heading(cell, []), tuple(blocks)))
    doubts = tuple(page.Text(text, page.WARN) for text in warnings(result))
    if told := legend(result):
        doubts += (page.Text(told),)
    if doubts:
        sections.append(page.Section("reading", "How to read the numbers", doubts))
    if result.environment.get("command"):
        command = page.Code("Command", str(result.environment["command"]))
        sections.append(page.Section("again", "Run it again", (command,)))
    return page.Page(
        title=f"benchmark of {spec.get('scenario', 'a program')}",
        look=LOOKS.get(result.verdict, page.WARN),
        verdict=result.verdict,
        sentence=_sentence(result),
        facts=tuple(facts),
        problems=problems if result.is_finished else (*problems, capital(f"{UNFINISHED}.")),
        sections=tuple(sections),
    )


def _sentence(result: BenchResult) -> str:
    """Returns the ratio of this project's variant or the user's port, or the number of rows."""
    for row in result.rows:
        is_shown = row.variant == ("torch-eager" if "program" in result.spec else "torch")
        if is_shown and row.status == OK and row.ratio is not None:
            ratio = row.ratio
            return (
                f"PyTorch trains {times(ratio.median)} times as fast as {row.baseline} "
                f"({times(ratio.low)} to {times(ratio.high)}; {row.part}, batch {row.batch_size}, "
                f"{row.precision})."
            )
    return sentence(result)


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

    told = "; ".join(f"{row.variant} {figure_of(row.quartiles()[1])} {row.unit}" for row in rows)
    return page.Picture(
        svg=drawn(name, height, paint),
        caption=f"{title}. The bar ends at the median of the rounds, the thick line goes from the "
        "lower to the upper quartile, each mark is a round.",
        description=f"{title}; medians: {told}.",
    )


def _table(title: str, rows: Sequence[Row]) -> page.Table:
    cells = []
    for row in rows:
        quartiles = [figure_of(value) for value in row.quartiles()] if row.values else ["", "", ""]
        ratio = row.ratio
        cells.append(
            (
                page.Cell(row.variant),
                page.Cell(row.status, STATUS.get(row.status, page.FAIL)),
                *(page.Cell(quartiles[index]) for index in (1, 0, 2)),
                page.Cell(row.unit if row.values else ""),
                page.Cell(times(ratio.median) if ratio else ""),
                page.Cell(f"{times(ratio.low)} to {times(ratio.high)}" if ratio else ""),
                page.Cell("" if row.peak_memory_mb is None else f"{row.peak_memory_mb:,.0f}"),
                page.Cell("" if row.warmup_s is None else f"{row.warmup_s:.1f}"),
                page.Cell(
                    "" if row.seconds_to_accuracy is None else f"{row.seconds_to_accuracy:.1f}"
                ),
                page.Cell(row.parity, PARITY.get(row.parity, "")),
                page.Cell(reason_of(row) if row.status != OK else row.parity_note),
            )
        )
    against = next((row.baseline for row in rows if row.ratio), None)
    return page.Table(
        caption=title,
        head=(
            "variant", "status", "median", "q1", "q3", "unit", f"× {against or 'baseline'}",
            "interval", "memory, MB", "warm-up, s", "to accuracy, s", "parity", "evidence",
        ),
        rows=tuple(cells),
        numeric=frozenset({2, 3, 4, 6, 7, 8, 9, 10}),
    )  # fmt: skip
