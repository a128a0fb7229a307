"""The result of a benchmark, and the comparison of two, as text of at most 80 columns.

In: a `BenchResult`, maybe from someone else's file, so control characters are spelled out.
`parity.report.export.bench_tables` makes its other forms.
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
    BenchComparison,
    Change,
    Measure,
)
from parity.bench.result import OK, SECONDS, SKIPPED, BenchResult, Row
from parity.report.bench_sentences import (
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
from parity.report.export.bench_tables import to_csv as to_csv  # the other forms
from parity.report.export.bench_tables import to_markdown as to_markdown
from parity.report.lines import WIDTH, Line, plain, shortened, wrapped

MAX_REASON = 6  # lines of each reason
MAX_MACHINE = 4  # lines
MAX_LISTED = 10  # warnings, differences, rows that are in one result only

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
    """Returns the report: a table for each cell, rows that failed, warnings, the verdict."""
    lines: list[Line] = []
    for cell, rows in cells_of(result.rows):
        measured = [row for row in rows if row.status == OK]
        lines.append([(shortened("  " + plain(heading(cell, measured)), WIDTH), "bold")])
        if measured:
            lines.append([(_head(measured), "dim")])
            lines += [_row_line(row) for row in measured]
        for text in _seconds(measured):
            lines += _wrapped(text, "dim")
        for row in rows:
            if row.status != OK:
                text = shortened(f"  {row.status}: {plain(row.variant)}", WIDTH)
                lines.append([(text, "dim" if row.status == SKIPPED else "bold red")])
                lines += [[(line, "")] for line in wrapped(reason_of(row), max_lines=MAX_REASON)]
        lines.append([])
    for text in _first(warnings(result)):
        lines += _wrapped(f"warning: {text}", "yellow")
    lines += _wrapped(legend(result), "dim")
    lines += _wrapped(machine_text(result), "dim", max_lines=MAX_MACHINE)
    lines += _wrapped(sentence(result), _STYLES[result.verdict])
    return [*lines, []]


def comparison_lines(comparison: BenchComparison) -> list[Line]:
    """Returns the changes of all rows, the reasons for rows not compared, and the verdict."""
    lines: list[Line] = []
    for cell, changes in cells_of(comparison.changes):
        lines.append([(shortened("  " + plain(heading(cell, [])), WIDTH), "bold")])
        lines.append([(f"  {'variant':<{_NAME}}{'old':>22}{'new':>12}{'change':>11}", "dim")])
        for change in changes:
            lines += _change_lines(change)
        lines.append([])
    for title, keys in (("old", comparison.only_old), ("new", comparison.only_new)):
        for text in _first([name_of(key) for key in keys]):
            lines += _wrapped(f"only in the {title} result: {text}", "yellow")
    for text in _first(comparison.differences):
        lines += _wrapped(text, "dim")
    lines += _wrapped(_change_sentence(comparison), _STYLES[comparison.verdict])
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
    """Seconds to the first measured round, and to the requested accuracy."""
    texts = []
    for title, name in (("warm-up", "warmup_s"), ("accuracy reached", "seconds_to_accuracy")):
        found = [(row.variant, getattr(row, name)) for row in rows]
        known = [f"{variant} {number(value, 3)} s" for variant, value in found if value is not None]
        if known:
            texts.append(f"{title}: {', '.join(known)}")
    return texts


def _change_lines(change: Change) -> list[Line]:
    name = f"  {shortened(plain(change.variant), _NAME + 8):<{_NAME + 10}}"
    status = (change.status, _STYLES[change.status])
    if change.old is None or change.new is None or change.change is None:
        reason = " ".join(change.reason.split())
        rows: list[Line] = [[(row, "")] for row in wrapped(reason, max_lines=MAX_REASON)]
        return [[(name, ""), (f"{'':>35}  ", ""), status], *rows]
    values = [_measure(change, value) for value in (change.old, change.new)]
    percent = 100 * change.change
    moved = f"{percent:+.1f} %" if abs(percent) < 999.95 else f"{percent:+.0e} %"
    return [[(f"{name}{values[0]:>12}{values[1]:>12}{moved:>11}  ", ""), status]]


def _measure(change: Change, value: Measure) -> str:
    if change.measure == RATIO:
        return f"{times(value.median)} x"
    if change.unit == SECONDS:
        return f"{number(1 / value.median)} s"
    return f"{number(value.median)}/s"


def _change_sentence(comparison: BenchComparison) -> str:
    counts = Counter(change.status for change in comparison.changes)
    parts = [f"{counts[status]} {status}" for status in (SLOWER, FASTER, SAME, NOT_COMPARABLE)]
    return (
        f"{comparison.verdict}: {', '.join(parts)}; a row has changed if its median moved by more "
        f"than {100 * comparison.threshold:g} % and the intervals do not overlap"
    )


def _wrapped(text: str, style: str, *, max_lines: int | None = None) -> list[Line]:
    return [[(row, style)] for row in wrapped(text, "  ", max_lines=max_lines)]


def _first(texts: Sequence[str]) -> list[str]:
    more = len(texts) - MAX_LISTED
    return [*texts[:MAX_LISTED], *([f"... and {more} more"] if more > 0 else [])]
