"""Training curves as text: loss and accuracy over the epochs, on a terminal and in a pipe."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby, pairwise, zip_longest
from typing import TYPE_CHECKING

from parity.report.page import WIDTH, Line
from parity.report.pages.curves import (
    CURVES,
    Chart,
    can_be_drawn,
    chart_of_halves,
    charts_of,
    role,
    short_number,
)

if TYPE_CHECKING:
    from parity.traces.trace import History


# --- Curves in one line each: loss and accuracy of both halves, on one scale ----------------------
#
# In: the histories of both halves. Out: at most four rows of 80 columns,
#
#     loss       keras █▅▃▂▁▁ val █▅▃▂▂▂  █=2.31
#                torch █▅▃▂▁▁ val █▅▃▂▂▂  ▁=0.0123 log
#
# A bar is an epoch, or the mean of the epochs in its column. A value that is not finite is an x.


BARS = "▁▂▃▄▅▆▇█"
ASCII_BARS = str.maketrans(BARS, "12345678")  # where the encoding of a stream lacks them
NOT_FINITE = "x"
COLUMNS = 20  # of a curve: as many as most programs have epochs


def sparkline_rows(histories: Mapping[str, History]) -> list[str]:
    """Returns the rows; none for fewer than two epochs.

    Args:
        histories: "keras" and "torch" to Keras's keys; missing parts are left out.
    """
    rows: list[str] = []
    for name in CURVES:
        chart = chart_of_halves(name, histories)
        if chart.num_epochs < 2 or not chart.curves:
            continue
        ends = (f"{BARS[-1]}={_short(chart.high)}", f"{BARS[0]}={_short(chart.low)}")
        for half, label, end in zip(histories, (name, ""), ends, strict=False):
            scale = end + " log" if chart.is_log and not label else end
            rows.append(f"  {label:<11}{half:<6}{_curves(chart, half)}  {scale}")
    return _with_epochs(rows, chart.num_epochs) if rows else []


def _with_epochs(rows: list[str], num_epochs: int) -> list[str]:
    """Writes the number of epochs into the empty label of the last row."""
    label = f"  {f'{num_epochs} epochs':<10.10} "
    return [*rows[:-1], label + rows[-1][len(label) :]]


def _curves(chart: Chart, half: str) -> str:
    """Training and validation, side by side."""
    width = min(COLUMNS, chart.num_epochs)
    train, val = CURVES[chart.name][:2]
    drawn = [
        f"{label}{sparkline(chart.curves.get(f'{half} {key}', ()), chart, width)}"
        for label, key in (("", train), ("val ", val))
        if any(f"{other} {key}" in chart.curves for other in ("keras", "torch"))
    ]
    return " ".join(drawn)


def sparkline(values: Sequence[float], chart: Chart, width: int) -> str:
    """Returns one character per column.

    Args:
        values: one per epoch; a run that stopped early has fewer than the chart.
        chart: the chart, with scale and epochs.
        width: number of columns, at most the number of epochs.
    """
    line = ""
    for column in range(width):
        start, end = (n * chart.num_epochs // width for n in (column, column + 1))
        line += _bar(values[start:end], chart)
    return line


def _bar(values: Sequence[float], chart: Chart) -> str:
    if not values:
        return " "
    if not all(can_be_drawn(value) for value in values):
        return NOT_FINITE
    # A mean of what is larger than a float may be is not needed: LARGEST is far below.
    share = chart.share(sum(values) / len(values))
    return BARS[min(int(share * len(BARS)), len(BARS) - 1)]


def _short(value: float) -> str:
    """A number of three digits in at most 8 characters, or one of one digit."""
    text = short_number(value, 3)
    return text if len(text) <= 8 else f"{value:.0e}"


# --- Training curves as text: loss and accuracy over the epochs, on a terminal and in a pipe ------
#
# Each curve has its own character, so that it is readable without colours; small dots connect the
# epochs. If there are more epochs than columns, a point is the mean of the epochs in its column,
# and the chart says so.


MIN_WIDTH, MIN_HEIGHT = 40, 3
GAP = 2  # columns between two charts
MARKS = {"train": ("●", "cyan"), "val": ("○", "magenta"), "eval": ("△", "green")}
OVERLAP, CUT, LEFT_OUT = ("◐", "bold"), ("▼", "yellow"), ("x", "bold red")

Cell = tuple[str, str]  # (character, style)


def curve_lines(history: History, *, width: int = WIDTH, height: int = 10) -> list[Line]:
    """Returns the curves of a training, line by line, and a last empty line.

    Args:
        history: Keras's keys, and eval_accuracy if it was measured. Without any epoch of loss or
            accuracy there are no lines.
        width: largest number of columns, at least 40. From 80 on, loss and accuracy are side by
            side, else below each other.
        height: rows of a chart without its title, x axis and legend, at least 3.
    """
    width, height = max(width, MIN_WIDTH), max(height, MIN_HEIGHT)
    charts = charts_of(history)
    # One gutter, so that an epoch stands in the same column of both.
    gutter = max((len(label) for c in charts for label in _labels(c, height).values()), default=0)
    if len(charts) < 2 or width < WIDTH:
        drawn = [_chart_lines(chart, gutter, width - gutter - 1, height) for chart in charts]
        return [line for lines in drawn for line in [*lines, []]]
    half = (width - GAP) // 2
    left, right = (_chart_lines(chart, gutter, half - gutter - 1, height) for chart in charts)
    rows: Iterable[tuple[Line, Line]] = zip_longest(left, right, fillvalue=[])
    return [*([*_padded(one, half + GAP), *other] for one, other in rows), []]


def _padded(line: Line, width: int) -> Line:
    return [*line, (" " * (width - sum(len(text) for text, _ in line)), "")]


def _chart_lines(chart: Chart, gutter: int, width: int, height: int) -> list[Line]:
    """Returns a chart whose plot is `width` columns wide, right of labels of `gutter` columns."""
    labels = _labels(chart, height)
    columns = [_column(epoch, chart, width) for epoch in range(chart.num_epochs)]
    plot = _plot(chart, columns, width, height)
    lines: list[Line] = [[(" " * (gutter + 1) + chart.title, "bold")]]
    for row in reversed(range(height)):
        axis = f"{labels.get(row, ''):>{gutter}}" + ("┤" if row in labels else "│")
        lines.append([(axis, "dim"), *_joined(plot[row])])
    bottom: list[Cell] = [("─", "dim")] * width
    for mark, epochs in ((CUT, chart.cuts), (LEFT_OUT, chart.left_out)):
        for epoch in epochs:
            bottom[columns[epoch - 1]] = mark
    lines.append([(" " * gutter + "└", "dim"), *_joined(bottom)])
    last = str(chart.num_epochs) if chart.num_epochs > 1 else ""
    ticks = "1" + "epoch".center(width - 1 - len(last)) + last
    lines.append([(" " * (gutter + 1) + ticks, "dim")])
    for key, values in chart.curves.items():
        lines.append([MARKS[role(key)], (f" {key:<13} last {short_number(values[-1])}", "")])
    if any(OVERLAP in row for row in plot):
        lines.append([OVERLAP, (" overlap", "")])
    if chart.cuts:
        lines.append([CUT, (f" learning rate cut ({len(chart.cuts)})", "")])
    if chart.left_out:
        lines.append([LEFT_OUT, (f" not finite, left out ({len(chart.left_out)})", "")])
    if (shared := max(Counter(columns).values())) > 1:
        lines.append([(f"  a point is the mean of up to {shared} epochs", "dim")])
    return lines


def _labels(chart: Chart, height: int) -> dict[int, str]:
    """Returns the texts of the three ticks by row, with the digits that tell them apart."""
    span = 1 if chart.is_log else (chart.high - chart.low) / max(abs(chart.low), abs(chart.high))
    digits = 3 - min(0, math.ceil(math.log10(span)))
    # What is exactly in the middle is drawn in the row height // 2, be the height even or odd.
    ticks = {0: chart.low, height // 2: chart.middle(), height - 1: chart.high}
    return {row: short_number(value, digits) for row, value in ticks.items()}


def _plot(chart: Chart, columns: list[int], width: int, height: int) -> list[list[Cell]]:
    """Returns the cells of a chart, lowest row first: what leads to the points, then the points."""
    plot: list[list[Cell]] = [[(" ", "")] * width for _ in range(height)]
    rows: dict[str, dict[int, float]] = {}
    for key, values in chart.curves.items():
        means = _means(values, columns)
        rows[key] = {column: chart.share(mean) * (height - 1) for column, mean in means.items()}
    for key, points in rows.items():
        for left, right in pairwise(columns):
            if left in points and right in points:
                for column in range(left + 1, right):
                    part = (column - left) / (right - left)
                    row = _nearest(points[left] * (1 - part) + points[right] * part)
                    plot[row][column] = ("·", MARKS[role(key)][1])
    for key, points in rows.items():
        for column, point in points.items():
            cells = plot[_nearest(point)]
            cells[column] = MARKS[role(key)] if cells[column][0] in " ·" else OVERLAP
    return plot


def _means(values: list[float], columns: list[int]) -> dict[int, float]:
    """Returns the mean of what can be drawn in each column."""
    shared: dict[int, list[float]] = {}
    for column, value in zip(columns, values, strict=False):  # a curve may end early
        if can_be_drawn(value):
            shared.setdefault(column, []).append(value)
    return {column: math.fsum(values) / len(values) for column, values in shared.items()}


def _nearest(row: float) -> int:
    return math.floor(row + 0.5 + 1e-9)  # rounding must not part what is exactly between two rows


def _column(epoch: int, chart: Chart, width: int) -> int:
    """Returns the column of an epoch, both counted from 0; the last epoch has the last column."""
    steps = max(chart.num_epochs - 1, 1)
    return (2 * epoch * (width - 1) + steps) // (2 * steps)


def _joined(cells: Iterable[Cell]) -> Line:
    """Joins neighbours of one style."""
    runs = groupby(cells, key=lambda cell: cell[1])
    return [("".join(text for text, _ in run), style) for style, run in runs]
