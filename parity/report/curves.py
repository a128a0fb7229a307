"""Training curves as text: loss and accuracy over the epochs, on a terminal and in a pipe.

Each curve has a character of its own, so that it reads without colours; fine dots lead from epoch
to epoch. Where there are more epochs than columns, a point is the mean of the epochs that share its
column, and the chart says so. `charts_of` is what text and picture have in common.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby, pairwise, zip_longest
from typing import Any

from parity.report.terminal import WIDTH, Line
from parity.trace import History

CURVES = {
    "loss": ("loss", "val_loss"),
    "accuracy": ("accuracy", "val_accuracy", "eval_accuracy"),
}
LOG_ABOVE = 100  # a loss whose greatest value is so many times its least has a log axis
FLAT = 1e-4  # what varies by less than this part of its size is drawn as constant
# Beyond these, a value is as good as infinite or zero; between them, nothing over- or underflows.
LARGEST, SMALLEST = 1e200, 1e-200

MIN_WIDTH, MIN_HEIGHT = 40, 3
GAP = 2  # columns between two charts
MARKS = {"train": ("●", "cyan"), "val": ("○", "magenta"), "eval": ("△", "green")}
OVERLAP, CUT, LEFT_OUT = ("◐", "bold"), ("▼", "yellow"), ("x", "bold red")

Cell = tuple[str, str]  # (character, style)


@dataclass(frozen=True)
class Chart:
    """One chart: its curves and its axes, as text and picture draw them.

    Attributes:
        name: "loss" or "accuracy".
        curves: key of the history to its values, one an epoch; not all of them can be drawn.
        num_epochs: of all charts of the history together.
        cuts: epochs, counted from 1, trained with a lower rate than the one before.
        low: value at the lower end of the y axis.
        high: value at its upper end.
        is_log: the y axis is logarithmic; zeros stand at its lower end.
    """

    name: str
    curves: History
    num_epochs: int
    cuts: list[int]
    low: float
    high: float
    is_log: bool

    @property
    def title(self) -> str:
        """The name, and what is to be known of the y axis."""
        if not self.is_log:
            return self.name
        values = [value for column in self.curves.values() for value in column]
        has_zeros = any(can_be_drawn(value) and value < self.low for value in values)
        return f"{self.name} (log, 0 at the bottom)" if has_zeros else f"{self.name} (log)"

    @property
    def left_out(self) -> list[int]:
        """Epochs, counted from 1, with a value that cannot be drawn."""
        places = (enumerate(column, start=1) for column in self.curves.values())
        return sorted({epoch for place in places for epoch, v in place if not can_be_drawn(v)})

    def share(self, value: float) -> float:
        """Returns where on the y axis a value stands, from 0 (low) to 1 (high)."""
        if not self.is_log:
            return (value - self.low) / (self.high - self.low)
        low, high = math.log(self.low), math.log(self.high)
        return (math.log(max(value, self.low)) - low) / (high - low)

    def middle(self) -> float:
        """Returns the value that stands in the middle of the y axis."""
        if not self.is_log:
            return self.low / 2 + self.high / 2
        return math.sqrt(self.low) * math.sqrt(self.high)


def charts_of(history: History) -> list[Chart]:
    """Returns the charts for which a history has at least one epoch."""
    keys = ("learning_rate", *(key for keys in CURVES.values() for key in keys))
    columns = {key: [_float(value) for value in history.get(key, ())] for key in keys}
    rates = columns.pop("learning_rate")
    num_epochs = max(len(column) for column in columns.values())
    steps = enumerate(pairwise(rates[:num_epochs]), start=2)
    cuts = [epoch for epoch, (before, after) in steps if after < before]
    charts = []
    for name, keys in CURVES.items():
        if curves := {key: columns[key] for key in keys if columns[key]}:
            charts.append(Chart(name, curves, num_epochs, cuts, *_limits(name, curves)))
    return charts


def can_be_drawn(value: float) -> bool:
    """Whether a value is finite, and not so large that it might as well be infinite."""
    return abs(value) <= LARGEST


def role(key: str) -> str:
    """Returns what a curve was measured on: "train", "val", or "eval" for training in eval mode."""
    start = key.partition("_")[0]
    return start if start in ("val", "eval") else "train"


def short_number(value: float, digits: int = 4) -> str:
    """Returns a number with so many digits, zeros at the end too."""
    return f"{value:#.{digits}g}".rstrip(".")


def _float(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _limits(name: str, curves: History) -> tuple[float, float, bool]:
    """Returns lower and upper end of the y axis, and whether it is logarithmic."""
    values = [value for column in curves.values() for value in column if can_be_drawn(value)]
    low, high = min(values, default=0.0), max(values, default=1.0)
    least = min((value for value in values if value >= SMALLEST), default=high)
    if name == "loss" and low >= 0 and high / LOG_ABOVE > least:
        return least, high, True
    size = max(abs(low), abs(high))
    if high - low <= max(FLAT * size, SMALLEST):
        margin = size / 10 if size >= SMALLEST else 0.1
        low, high = low - margin, high + margin
    return low, high, False


def curve_lines(history: History, *, width: int = WIDTH, height: int = 10) -> list[Line]:
    """Returns the curves of a training, line by line, and a last empty line.

    Args:
        history: Keras's keys, and eval_accuracy where it was measured. Without any epoch of loss
            or accuracy there are no lines.
        width: columns that no line exceeds, at least 40. From 80 on, loss and accuracy stand side
            by side, else below each other.
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
