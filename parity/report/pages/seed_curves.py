"""The curves of all seeds of a sweep: a thin line for each run, and the mean of each half.

In: the histories of both halves by seed. Out: a `Picture` of the loss and one of the accuracy, of
the validation data where there are any. The number of lines and of their points is limited, and so
is the size of the page.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np

from parity.report.chart import can_be_drawn, limits, short_number
from parity.report.page import Picture
from parity.report.pages import svg
from parity.report.sentences import count

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from parity.traces.trace import History

MAX_POINTS = 60  # of a line; of a longer training, evenly spread epochs
KEYS = (("val_loss", "loss"), ("val_accuracy", "accuracy"))  # the first that is there is drawn
NAMES = {"val_loss": "validation loss", "val_accuracy": "validation accuracy"}

Runs = Mapping[str, Mapping[int, "History"]]  # half -> seed
Curves = Mapping[str, Sequence[Sequence[float]]]  # half -> run -> a value an epoch


def seed_pictures(name: str, scenario: str, runs: Runs, num_seeds: int) -> list[Picture]:
    """Returns the drawings of a scenario.

    Args:
        name: of letters and digits, unique on the page.
        scenario: its name.
        runs: the histories that are drawn.
        num_seeds: seeds of the scenario that have finished.
    """
    pictures = []
    for choice in KEYS:
        key = next((k for k in choice if any(h.get(k) for h in _all(runs))), None)
        if key is None:
            continue
        curves = {
            half: [history[key] for history in seeds.values() if history.get(key)]
            for half, seeds in runs.items()
        }
        pictures.append(_picture(f"{name}-{choice[1]}", scenario, key, curves, num_seeds))
    return pictures


def _all(runs: Runs) -> list[History]:
    return [history for seeds in runs.values() for history in seeds.values()]


def _picture(name: str, scenario: str, key: str, curves: Curves, num_seeds: int) -> Picture:
    what = NAMES.get(key, f"training {key}")
    drawn = max(map(len, curves.values()))
    seeds = count(num_seeds, "seed") if drawn >= num_seeds else f"{drawn} of {num_seeds:,} seeds"
    means = {half: _mean(rows) for half, rows in curves.items() if rows}
    ends = "; ".join(
        f"the mean of {svg.NAMES[half]} ends at {short_number(mean[-1])}"
        for half, mean in means.items()
        if math.isfinite(mean[-1])
    )
    return Picture(
        name=name,
        height=2.6,
        paint=partial(_paint, key=key, what=what, curves=curves, means=means),
        caption=f"{scenario}: {what} of {seeds}; the thick lines are means"
        + (f"; {ends}." if ends else "."),
        description=f"Curves of the {what} of {scenario}, {seeds} in both halves; {ends}.",
    )


def _mean(rows: Sequence[Sequence[float]]) -> list[float]:
    """Returns the mean of each epoch that at least half of the runs have; NaN elsewhere."""
    means = []
    for epoch in zip_longest(*rows, fillvalue=math.nan):
        values = [value for value in epoch if can_be_drawn(value)]
        means.append(float(np.mean(values)) if 2 * len(values) >= len(rows) else math.nan)
    while len(means) > 1 and math.isnan(means[-1]):
        means.pop()
    return means


def _paint(
    figure: Figure, *, key: str, what: str, curves: Curves, means: Mapping[str, Sequence[float]]
) -> None:
    from matplotlib.ticker import MaxNLocator

    axes = figure.subplots(gridspec_kw={"left": 0.135, "right": 0.98, "top": 0.87, "bottom": 0.17})
    every = {str(n): list(row) for n, row in enumerate(r for rows in curves.values() for r in rows)}
    low, _, is_log = limits(key.removeprefix("val_"), every)
    for half, rows in curves.items():
        for row in rows:
            _line(axes, row, low, color=svg.HALF_COLORS[half], lw=0.6, alpha=0.45)
    for half, mean in means.items():
        _line(axes, mean, low, color=svg.HALF_COLORS[half], lw=2.2, label=svg.NAMES[half])
    if is_log:
        axes.set_yscale("log")
        svg.log_labels(axes)
    axes.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
    axes.set_xlabel("epoch")
    axes.set_ylabel(f"{what} (log)" if is_log else what)
    svg.legend(axes)


def _line(axes: Axes, values: Sequence[float], low: float, **style: Any) -> None:
    """Draws a run; a value that cannot be drawn leaves a gap."""
    epochs = np.arange(1, len(values) + 1)
    if len(values) > MAX_POINTS:
        epochs = np.unique(np.linspace(1, len(values), MAX_POINTS).round().astype(int))
    shown = [float(values[int(epoch) - 1]) for epoch in epochs]
    heights = [max(value, low) if can_be_drawn(value) else math.nan for value in shown]
    axes.plot(epochs, heights, marker="." if len(values) == 1 else None, **style)
