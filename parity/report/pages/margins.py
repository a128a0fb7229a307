"""The two halves over many seeds: each run as a point, and differences within their margins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from parity.report.lines import plain, shortened
from parity.report.page import FAIL, PASS, WARN, Cell, Column, Picture, Table, Text
from parity.report.pages.svg import BAD, BAND, GOOD, HALF_COLORS, INK, NAMES, legend
from parity.report.sentences import capital
from parity.report.sweep_sentences import (
    DIVERGED,
    MARGIN,
    REASONS,
    SEEDS,
    mark,
    needed_text,
    why_undecided,
)
from parity.sweeps.samples import output_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from parity.sweeps.equivalence import EquivalenceRow

ROW = 0.27  # inches of a row
MAX_NAME = 26  # letters of a name beside the axis
COLORS = {"equivalent": GOOD, "different": BAD, "inconclusive": INK}
LONG_REASONS = {DIVERGED: "a run diverged", MARGIN: "near the margin"}
LOOKS = {"equivalent": PASS, "different": FAIL, "inconclusive": WARN}

Groups = Mapping[str, Mapping[str, Sequence[float]]]  # scenario -> half -> a value a seed


def seeds_picture(name: str, what: str, groups: Groups) -> Picture:
    """Returns the values of all runs: a row per scenario, a point per seed.

    Args:
        name: name of the drawing.
        what: name of the quantity on the axis.
        groups: values by scenario and half.
    """

    def paint(figure: Figure) -> None:
        axes = _rows(figure, list(groups))
        for half, color in HALF_COLORS.items():
            side = 0.17 if half == "keras" else -0.17
            label: str | None = NAMES[half]
            for row, values in enumerate(groups.values()):
                points = np.sort(np.array(values.get(half, ()), float))
                points = points[np.isfinite(points)]
                if not points.size:
                    continue
                height = np.full(points.size, -row + side)
                axes.plot(points, height, "o", ms=3.5, color=color, alpha=0.5, mew=0, label=label)
                label = None  # once is enough
                middle = float(np.median(points))
                axes.plot([middle] * 2, [-row + side - 0.15, -row + side + 0.15], color=color, lw=2)
        axes.set_xlabel(what)
        legend(axes)

    rows = []
    for scenario, values in groups.items():
        cells = [Cell(scenario)]
        for half in HALF_COLORS:
            known = np.array(values.get(half, ()), float)
            known = known[np.isfinite(known)]
            if known.size:
                quartiles = np.percentile(known, [25, 50, 75])
                cells += [Cell(str(known.size)), *(Cell(f"{value:.4g}") for value in quartiles)]
            else:
                cells += [Cell("0"), Cell(""), Cell(""), Cell("")]
        rows.append(tuple(cells))
    head = ["scenario"]
    for half in HALF_COLORS:
        head += [f"{NAMES[half]} seeds", "q1", "median", "q3"]
    return Picture(
        name=name,
        height=_height(len(groups)),
        paint=paint,
        caption=f"{capital(what)} of every run: each point is a seed, the mark is the median.",
        description=f"{what} of every seed in both halves, {len(groups)} scenarios; the table "
        "below has the quartiles.",
        table=Table(f"{what} over the seeds", tuple(head), tuple(rows), frozenset(range(1, 9))),
    )


def margin_picture(name: str, what: str, comparisons: Sequence[EquivalenceRow]) -> Picture:
    """Returns the differences of one quantity, PyTorch minus Keras, each with its interval.

    Args:
        name: name of the drawing.
        what: name of the quantity on the axis.
        comparisons: comparisons of this quantity.
    """

    def paint(figure: Figure) -> None:
        axes = _rows(figure, [row.scenario for row in comparisons])
        for place, row in enumerate(comparisons):
            found, y = row.equivalence, -place
            axes.fill_betweenx(
                [y - 0.36, y + 0.36], -found.margin, found.margin, color=BAND, alpha=0.22, lw=0,
                label="margin" if place == 0 else None,
            )  # fmt: skip
            # The test uses Keras minus torch; the drawing shows the change by the port.
            color = COLORS[row.verdict]
            axes.plot([-found.high, -found.low], [y, y], color=color, lw=1.8)
            axes.plot([-found.difference], [y], "o", ms=4.5, color=color)
        axes.axvline(0, color=INK, lw=0.8)
        axes.set_xlabel(what)
        legend(axes)

    counts = {verdict: sum(row.verdict == verdict for row in comparisons) for verdict in COLORS}
    told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
    return Picture(
        name=name,
        height=_height(len(comparisons)),
        paint=paint,
        caption=f"{capital(what)}: mean difference over the seeds with its interval, and the "
        f"margin that was fixed in advance: {told}.",
        description=f"{what}: {told}; the table of comparisons has the numbers.",
    )


def comparison_table(comparisons: Sequence[EquivalenceRow]) -> Table | Text:
    """Returns all comparisons with their numbers, those that differ first."""
    if not comparisons:
        return Text("no comparison: it needs two seeds whose two runs have trained")
    ordered = sorted(comparisons, key=lambda row: row.verdict != "different")
    head = (
        "scenario", "quantity", "verdict", "Keras", "PyTorch", "difference", "90 % interval",
        "margin", "p of equivalence", "p of a difference", "power", "n", "left out", "n needed",
    )  # fmt: skip
    return Table(
        caption="Every comparison: PyTorch minus Keras over the seeds that both have",
        head=head,
        rows=tuple(map(_row, ordered)),
        numeric=frozenset(range(3, 14)),
        legend=tuple(_legend(comparisons)),
        columns=(
            Column(0, "scenario", 24),
            Column(1, "quantity", 10),
            Column(5, "torch-keras, interval", 21),
            Column(8, "p", 7),
            Column(10, "power", 6),
            Column(2, "", 0),
        ),
    )


def _row(row: EquivalenceRow) -> tuple[Cell, ...]:
    found = row.equivalence
    why, needed = why_undecided(row), needed_text(found.n_needed)
    told = row.verdict + (f": {LONG_REASONS[why]}" if why in LONG_REASONS else "")
    short = mark(row.verdict, f"n {needed}".replace(" >", ">") if why == SEEDS else why)
    # The test uses Keras minus torch; readers want the change by the port.
    changes = [0.0 - value for value in (found.difference, found.high, found.low)]
    # Accuracies in points.
    middle, *ends = [_signed(v * (1 if row.quantity == "epochs" else 100)) for v in changes]
    output = output_of(row.quantity)
    name = row.scenario if output is None else f"{row.scenario}: {output}"
    quantity = "accuracy" if output is not None else row.quantity.replace("effect on ", "Δ")
    p = row.p_different if row.verdict == "different" else found.p
    return (
        Cell(row.scenario, short=name),
        Cell(row.quantity, short=quantity),
        Cell(told, LOOKS[row.verdict], short=short),
        Cell(f"{row.keras:.4g}"),
        Cell(f"{row.torch:.4g}"),
        Cell(f"{changes[0]:+.3g}", short=f"{middle:>7}{' '.join(ends):>14}"),
        Cell(f"{changes[1]:+.3g} to {changes[2]:+.3g}"),
        Cell(f"±{found.margin:g}"),
        Cell(f"{found.p:.2g}", short=f"{p:.1g}"),
        Cell(f"{row.p_different:.2g}"),
        Cell(f"{found.power:.2f}"),
        Cell(str(found.n)),
        Cell(str(row.num_left_out)),
        Cell("" if row.has_diverged else needed),
    )


def _signed(value: float) -> str:
    """Returns two digits after the point; none if there is no room."""
    value = round(value, 2) + 0.0  # no -0
    return f"{value:+.2f}" if abs(value) < 99.995 else f"{value:+.0f}"


def _legend(rows: Sequence[EquivalenceRow]) -> Iterator[str]:
    """Yields what the columns and the marks of the comparisons mean where there is little room."""
    quantities = {row.quantity for row in rows}
    units = [
        ("points of 0.01 (accuracy, gap)", ("accuracy", "gap")),
        ("percent of the mean loss", ("loss",)),
        ("epochs", ("epochs",)),
    ]
    used = [text for text, ends in units if any(name.endswith(ends) for name in quantities)]
    yield f"in {', '.join(used)}"
    yield "90 % intervals; p of what the mark says"
    if any(row.against for row in rows):
        yield "Δ: effect of a remedy, its run minus the run that it cures"
    reasons = {why_undecided(row) for row in rows}
    yield from (f"? {name}: {text}" for name, text in REASONS.items() if name in reasons)


def _height(count: int) -> float:
    return 0.9 + ROW * max(count, 2)


def _rows(figure: Figure, names: Sequence[str]) -> Axes:
    from matplotlib.ticker import MaxNLocator

    height = _height(len(names))
    axes = figure.subplots(
        gridspec_kw={
            "left": 0.36,
            "right": 0.97,
            "top": 1 - 0.32 / height,
            "bottom": 0.48 / height,
        }
    )
    axes.set_yticks([-row for row in range(len(names))])
    axes.set_yticklabels([shortened(plain(name), MAX_NAME) for name in names])
    axes.set_ylim(-len(names) + 0.5, 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    return axes
