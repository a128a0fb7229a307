"""The result of a benchmark, and the comparison of two, as text of at most 80 columns.

In: a `BenchResult`, maybe from a file of somebody else, so that control characters are spelled out.
`parity.report.bench_page` has its other forms.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from parity.bench.comparison import (
    FASTER,
    NOT_COMPARABLE,
    RATIO,
    SAME,
    SLOWER,
    Change,
    Measure,
    SpeedComparison,
)
from parity.bench.result import IMAGES_PER_S, OK, BenchResult, Row
from parity.report.bench_page import to_csv as to_csv  # the other forms
from parity.report.bench_page import to_markdown as to_markdown
from parity.report.bench_texts import (
    NONE,
    against,
    cells_of,
    heading,
    legend,
    machine_text,
    name_of,
    number,
    reason_of,
    sentence,
    times,
    warnings,
)
from parity.report.terminal import WIDTH, Line, plain, shortened, wrapped

MAX_REASON = 6  # lines of each
MAX_MACHINE = 4  # lines
MAX_LISTED = 10  # of warnings, of differences, of rows that are in one result only

_NAME = 16  # columns
_STYLES = {
    "pass": "bold green",
    "fail": "bold red",
    "incomplete": "bold red",
    "inconclusive": "yellow",
    SLOWER: "bold red",
    FASTER: "bold green",
    SAME: "",
    NOT_COMPARABLE: "yellow",
}
_PARITY_STYLES = {"pass": "green", "fail": "bold red"}


def bench_lines(result: BenchResult) -> list[Line]:
    """Returns the report: a table for each cell, what was not measured, warnings, a sentence."""
    lines: list[Line] = []
    for cell, rows in cells_of(result.rows):
        measured = [row for row in rows if row.status == OK]
        lines.append([(shortened("  " + plain(heading(cell, measured)), WIDTH), "bold")])
        if measured:
            lines.append([(_head(measured), "dim")])
            lines += [_row_line(row) for row in measured]
        for text in _seconds(measured):
            lines += _told(text, "dim")
        for row in rows:
            if row.status != OK:
                lines.append(
                    [(shortened(f"  {row.status}: {plain(row.variant)}", WIDTH), "bold red")]
                )
                lines += [[(told, "")] for told in wrapped(reason_of(row), max_lines=MAX_REASON)]
        lines.append([])
    for text in _first(warnings(result)):
        lines += _told(f"warning: {text}", "yellow")
    lines += _told(legend(result), "dim")
    lines += _told(machine_text(result), "dim", max_lines=MAX_MACHINE)
    lines += _told(sentence(result), _STYLES[result.verdict])
    return [*lines, []]


def comparison_lines(comparison: SpeedComparison) -> list[Line]:
    """Returns what became slower or faster, what cannot be compared and why, and a sentence."""
    lines: list[Line] = []
    for cell, changes in cells_of(comparison.changes):
        lines.append([(shortened("  " + plain(heading(cell, [])), WIDTH), "bold")])
        lines.append([(f"  {'variant':<{_NAME}}{'old':>22}{'new':>12}{'change':>11}", "dim")])
        for change in changes:
            lines += _change_lines(change)
        lines.append([])
    for title, keys in (("old", comparison.only_old), ("new", comparison.only_new)):
        for text in _first([name_of(key) for key in keys]):
            lines += _told(f"only in the {title} result: {text}", "yellow")
    for text in _first(comparison.differences):
        lines += _told(text, "dim")
    lines += _told(_change_sentence(comparison), _STYLES[comparison.verdict])
    return [*lines, []]


def _head(rows: Sequence[Row]) -> str:
    name = f"x {plain(against(rows))}"
    title = f"{name}, interval" if len(name) <= 10 else shortened(name, 20)
    return f"  {'variant':<{_NAME}}{'median':>9}{'q1':>9}{'q3':>9}{title:>21}{'MB':>7} parity"


def _row_line(row: Row) -> Line:
    quartiles = [number(value) for value in row.quartiles()] if row.values else [NONE] * 3
    ratio = row.ratio
    ratios = (
        [times(value) for value in (ratio.median, ratio.low, ratio.high)] if ratio else [""] * 3
    )
    memory = NONE if row.peak_memory_mb is None else _megabytes(row.peak_memory_mb)
    text = f"  {shortened(plain(row.variant), _NAME - 1):<{_NAME}}"
    text += "".join(f"{quartiles[index]:>9}" for index in (1, 0, 2))
    text += "".join(f"{value:>7}" for value in ratios) + f"{memory:>7} "
    parity = NONE if row.parity == "unchecked" else row.parity
    return [(text, ""), (parity, _PARITY_STYLES.get(row.parity, "dim"))]


def _megabytes(value: float) -> str:
    return f"{value:,.0f}" if value < 99_999.5 else f"{value:.0e}"


def _seconds(rows: Sequence[Row]) -> list[str]:
    """How long it took to the first measured round, and to the accuracy that was asked for."""
    texts = []
    for title, name in (("warm-up", "warmup_s"), ("accuracy reached", "seconds_to_accuracy")):
        found = [(row.variant, getattr(row, name)) for row in rows]
        told = [f"{variant} {number(value, 3)} s" for variant, value in found if value is not None]
        if told:
            texts.append(f"{title}: {', '.join(told)}")
    return texts


def _change_lines(change: Change) -> list[Line]:
    name = f"  {shortened(plain(change.variant), _NAME + 8):<{_NAME + 10}}"
    status = (change.status, _STYLES[change.status])
    if change.old is None or change.new is None or change.change is None:
        reason = " ".join(change.reason.split())
        rows: list[Line] = [[(row, "")] for row in wrapped(reason, max_lines=MAX_REASON)]
        return [[(name, ""), (f"{'':>35}  ", ""), status], *rows]
    told = [_measure(change, value) for value in (change.old, change.new)]
    percent = 100 * change.change
    moved = f"{percent:+.1f} %" if abs(percent) < 999.95 else f"{percent:+.0e} %"
    return [[(f"{name}{told[0]:>12}{told[1]:>12}{moved:>11}  ", ""), status]]


def _measure(change: Change, value: Measure) -> str:
    if change.measure == RATIO:
        return f"{times(value.median)} x"
    if change.unit == IMAGES_PER_S:
        return f"{number(value.median)}/s"
    return f"{number(1 / value.median)} s"


def _change_sentence(comparison: SpeedComparison) -> str:
    counts = Counter(change.status for change in comparison.changes)
    told = [f"{counts[status]} {status}" for status in (SLOWER, FASTER, SAME, NOT_COMPARABLE)]
    return (
        f"{comparison.verdict}: {', '.join(told)}; a change is one of more than "
        f"{100 * comparison.threshold:g} % whose intervals do not overlap"
    )


def _told(text: str, style: str, *, max_lines: int | None = None) -> list[Line]:
    return [[(row, style)] for row in wrapped(text, "  ", max_lines=max_lines)]


def _first(texts: Sequence[str]) -> list[str]:
    more = len(texts) - MAX_LISTED
    return [*texts[:MAX_LISTED], *([f"... and {more} more"] if more > 0 else [])]
