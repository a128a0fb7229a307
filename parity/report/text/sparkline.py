"""Curves in one line each: loss and accuracy of both halves, on one scale.

In: the histories of both halves. Out: at most four rows of 80 columns,

    loss       keras █▅▃▂▁▁ val █▅▃▂▂▂  █=2.31
               torch █▅▃▂▁▁ val █▅▃▂▂▂  ▁=0.0123 log

A bar is an epoch, or the mean of the epochs in its column. A value that is not finite is an x.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from parity.report.chart import CURVES, Chart, can_be_drawn, chart_of_halves, short_number

if TYPE_CHECKING:
    from parity.traces.trace import History

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
    told = f"  {f'{num_epochs} epochs':<10.10} "
    return [*rows[:-1], told + rows[-1][len(told) :]]


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
    told = short_number(value, 3)
    return told if len(told) <= 8 else f"{value:.0e}"
