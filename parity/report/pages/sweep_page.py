"""The page of a sweep: whether both halves behave alike over many seeds."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np

from parity.report import page
from parity.report.page import (
    Cell,
    Column,
    Picture,
    Table,
    Text,
    plain,
    shortened,
)
from parity.report.pages import svg
from parity.report.pages.curves import can_be_drawn, limits, short_number
from parity.report.pages.run_page import MODES, versions_of
from parity.report.pages.svg import BAD, BAND, GOOD, HALF_COLORS, INK, NAMES, legend
from parity.report.sentences import capital, count
from parity.report.sweep_sentences import (
    DIVERGED,
    MARGIN,
    REASONS,
    SEEDS,
    collapse_text,
    is_expected,
    margins_text,
    mark,
    named,
    needed_text,
    sentence,
    why_undecided,
)
from parity.sweeps.samples import level_of, output_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from parity.report.found import SeedHistories
    from parity.sweeps.equivalence import EquivalenceRow
    from parity.sweeps.result import SweepResult
    from parity.sweeps.verdicts import Collapses, ScenarioVerdicts
    from parity.traces.trace import History


# --------------------------------------------------------------------------------------------------
#
# The two halves over many seeds: each run as a point, and differences within their margins.


ROW = 0.27  # inches of a row
MAX_NAME = 26  # letters of a name beside the axis
MAX_DOTS = 2000  # of a drawing of all seeds; of 18 scenarios, 55 seeds of each half
MAX_DRAWN = 100  # rows of a drawing; the tables have more
COLORS = {"equivalent": GOOD, "different": BAD, "inconclusive": INK}
LONG_REASONS = {DIVERGED: "a run diverged", MARGIN: "near the margin"}

Groups = Mapping[str, Mapping[str, Sequence[float]]]  # scenario -> half -> a value a seed


def seeds_picture(name: str, what: str, groups: Groups) -> Picture:
    """Returns the values of all runs: a row per scenario, a point per seed.

    Args:
        name: name of the drawing.
        what: name of the quantity on the axis.
        groups: values by scenario and half.
    """

    def paint(figure: Figure) -> None:
        axes = _rows(figure, list(shown))
        for half, color in HALF_COLORS.items():
            side = 0.17 if half == "keras" else -0.17
            label: str | None = NAMES[half]
            for row, values in enumerate(shown.values()):
                points = _known(values, half)
                if not points.size:
                    continue
                some = np.sort(points)[_spread(points.size, most)]
                height = np.full(some.size, -row + side)
                axes.plot(some, height, "o", ms=3.5, color=color, alpha=0.5, mew=0, label=label)
                label = None  # once is enough
                middle = float(np.median(points))
                axes.plot([middle] * 2, [-row + side - 0.15, -row + side + 0.15], color=color, lw=2)
        axes.set_xlabel(what)
        legend(axes)

    shown = dict([*groups.items()][:MAX_DRAWN])
    most = MAX_DOTS // (2 * len(shown))
    longest = max(len(values) for halves in shown.values() for values in halves.values())
    rows = []
    for scenario, values in groups.items():
        cells = [Cell(scenario)]
        for half in HALF_COLORS:
            known = _known(values, half)
            quartiles = np.percentile(known, [25, 50, 75]) if known.size else ()
            texts = [f"{value:.4g}" for value in quartiles] or [""] * 3
            cells += map(Cell, (str(known.size), *texts))
        rows.append(tuple(cells))
    columns = [(f"{NAMES[half]} seeds", "q1", "median", "q3") for half in HALF_COLORS]
    head = ("scenario", *chain(*columns))
    return Picture(
        name=name,
        height=_height(len(shown)),
        paint=paint,
        caption=f"{capital(what)} of every run: each point is a seed, the mark is the median."
        + (
            f" Of more than {most} seeds, {most} are drawn, evenly from the lowest to the highest."
            if longest > most
            else ""
        )
        + _undrawn(groups),
        description=f"{what} of every seed in both halves, {len(groups)} scenarios; the table "
        "below has the quartiles.",
        table=Table(f"{what} over the seeds", head, tuple(rows), frozenset(range(1, 9))),
    )


def _undrawn(rows: Collection[Any]) -> str:
    """Returns the sentence of a drawing that has not all rows."""
    return (
        f" The first {MAX_DRAWN} of {len(rows):,} rows are drawn." if len(rows) > MAX_DRAWN else ""
    )


def _known(values: Mapping[str, Sequence[float]], half: str) -> np.ndarray:
    """Returns the values of a half that are finite."""
    return np.array([value for value in values.get(half, ()) if math.isfinite(value)])


def _spread(number: int, most: int) -> np.ndarray:
    """Returns at most `most` of so many places, evenly spread, the first and the last included."""
    return np.unique(np.linspace(0, number - 1, min(number, most)).round().astype(int))


def margin_picture(name: str, what: str, comparisons: Sequence[EquivalenceRow]) -> Picture:
    """Returns the differences of one quantity, PyTorch minus Keras, each with its interval.

    Args:
        name: name of the drawing.
        what: name of the quantity on the axis.
        comparisons: comparisons of this quantity.
    """
    shown = (
        _different_first(comparisons)[:MAX_DRAWN] if len(comparisons) > MAX_DRAWN else comparisons
    )

    def paint(figure: Figure) -> None:
        axes = _rows(figure, [row.scenario for row in shown])
        for place, row in enumerate(shown):
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
    counted = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
    return Picture(
        name=name,
        height=_height(len(shown)),
        paint=paint,
        caption=f"{capital(what)}: mean difference over the seeds with its interval, and the "
        f"margin that was fixed in advance: {counted}." + _undrawn(comparisons),
        description=f"{what}: {counted}; the table of comparisons has the numbers.",
    )


def _different_first(comparisons: Sequence[EquivalenceRow]) -> list[EquivalenceRow]:
    return sorted(comparisons, key=lambda row: row.verdict != "different")


def comparison_table(comparisons: Sequence[EquivalenceRow]) -> Table | Text:
    """Returns all comparisons with their numbers, those that differ first."""
    if not comparisons:
        return Text("no comparison: it needs two seeds whose two runs have trained")
    head = (
        "scenario", "quantity", "verdict", "Keras", "PyTorch", "difference", "90 % interval",
        "margin", "p of equivalence", "p of a difference", "power", "n", "left out", "n needed",
    )  # fmt: skip
    return Table(
        caption="Every comparison: PyTorch minus Keras over the seeds that both have",
        head=head,
        rows=tuple(map(_row, _different_first(comparisons))),
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
    verdict = row.verdict + (f": {LONG_REASONS[why]}" if why in LONG_REASONS else "")
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
        Cell(verdict, LOOKS[row.verdict], short=short),
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


# --- The curves of all seeds of a sweep: a thin line for each run, and the mean of each half ------
#
# In: the histories of both halves by seed. Out: a `Picture` of the loss and one of the accuracy, of
# the validation data where there are any. The number of lines and of their points is limited, and
# so is the size of the page.


MAX_POINTS = 60  # of a line; of a longer training, evenly spread epochs
KEYS = (("val_loss", "loss"), ("val_accuracy", "accuracy"))  # the first that is there is drawn
NAMES_OF_SEED_CURVES = {"val_loss": "validation loss", "val_accuracy": "validation accuracy"}

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
        key = next(
            (k for k in choice if any(h.get(k) for seeds in runs.values() for h in seeds.values())),
            None,
        )
        if key is None:
            continue
        curves = {
            half: [history[key] for history in seeds.values() if history.get(key)]
            for half, seeds in runs.items()
        }
        pictures.append(_picture(f"{name}-{choice[1]}", scenario, key, curves, num_seeds))
    return pictures


def _picture(name: str, scenario: str, key: str, curves: Curves, num_seeds: int) -> Picture:
    what = NAMES_OF_SEED_CURVES.get(key, f"training {key}")
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
    epochs = 1 + _spread(len(values), MAX_POINTS)
    shown = [float(values[int(epoch) - 1]) for epoch in epochs]
    heights = [max(value, low) if can_be_drawn(value) else math.nan for value in shown]
    axes.plot(epochs, heights, marker="." if len(values) == 1 else None, **style)


# --- The page of a sweep: whether both halves behave alike over many seeds ------------------------


LOOKS = {
    **{"pass": page.PASS, "fail": page.FAIL, "inconclusive": page.WARN, "incomplete": page.WARN},
    **{"equivalent": page.PASS, "different": page.FAIL},
}
MAX_FAILURES = 50  # on a page; the JSON has all
# Quantity -> label of its axis.
DIFFERENCES = {
    "accuracy": "validation accuracy, PyTorch − Keras",
    "gap": "training − validation accuracy, PyTorch − Keras",
    "epochs": "epochs to the plateau, PyTorch − Keras",
    "effect on gap": "effect of the remedy on the gap, PyTorch − Keras",
    "effect on accuracy": "effect of the remedy on the accuracy, PyTorch − Keras",
    "loss": "training loss, PyTorch − Keras, as a share of its mean",
    "val_loss": "validation loss, PyTorch − Keras, as a share of its mean",
    "effect on val_loss": "effect of the remedy, PyTorch − Keras, in shares of the validation loss",
}
LEVELS = {
    "accuracy": "validation accuracy",
    "gap": "training − validation accuracy",
    "epochs": "epochs to the plateau",
    "loss": "training loss",
    "val_loss": "validation loss",
}
LOSSES = ("loss", "val_loss")  # shown where they are compared
MAX_CURVES = 24  # scenarios whose curves are drawn


def sweep_page(
    result: SweepResult, problems: tuple[str, ...] = (), histories: SeedHistories | None = None
) -> page.Page:
    """Returns the page of a sweep.

    Args:
        result: result of the sweep.
        problems: missing or damaged parts.
        histories: training histories of some of the seeds, or None.
    """
    rows = result.equivalence.verdicts
    comparisons, collapses = result.equivalence.comparisons, result.equivalence.collapses
    facts = [
        page.Fact("mode", MODES.get(result.mode, result.mode)),
        page.Fact("margins", margins_text(result), is_main=True),
    ]
    facts += [
        page.Fact(f"seconds of a {NAMES.get(half, half)} run", f"{seconds:.1f}")
        for half, seconds in result.wall_s.items()
    ]
    for half, name in NAMES.items():
        environment = result.environment.get(half)
        if isinstance(environment, Mapping) and (versions := versions_of(environment)):
            facts.append(page.Fact(name, versions))
    command = result.environment.get("command")
    parts: list[tuple[str, str, Sequence[page.Block]]] = [
        ("verdicts", "Verdicts", [_verdicts(rows)] if rows else []),
        ("comparisons", "Equivalence", [comparison_table(comparisons)]),
        ("collapses", "Runs that did not train", _collapses(collapses)),
        ("needed", "Missing and needed seeds", _needed(result)),
        ("equivalence", "Differences and margins", _equivalence(comparisons)),
        ("seeds", "Seeds", _seeds(result)),
        ("curves", "Curves of all seeds", _curves(result, histories or {})),
        ("again", "Run it again", [page.Code("Command", str(command))] if command else []),
    ]
    return page.Page(
        title=f"sweep of {count(len(rows), 'scenario')}",
        look=LOOKS[result.verdict],
        verdict=result.verdict,
        sentence=sentence(result),
        facts=tuple(facts),
        problems=problems,
        notes=(
            *_differing(result),
            *missing_runs(result),
            *(page.Note("note", n) for n in result.notes),
        ),
        sections=page.sections_of(parts, main=("verdicts", "comparisons", "collapses", "needed")),
        suites=(_suite(result),),
    )


def _differing(result: SweepResult) -> list[page.Note]:
    """Returns what differs, and what is undecided."""
    groups = {"different": ("different",), "undecided": ("inconclusive", "undecided")}
    looks = {"different": page.FAIL, "undecided": page.WARN}
    names = {label: named(result, verdicts) for label, verdicts in groups.items()}
    return [
        page.Note(label, page.listed(found), look=looks[label])
        for label, found in names.items()
        if found
    ]


def missing_runs(result: SweepResult) -> list[page.Note]:
    """Returns the missing runs with their reasons, and how many more have the same one."""
    groups: dict[tuple[str, str], list[str]] = {}
    for row in result.failures:
        reason = str(row["reason"]).strip().partition("\n")[0]
        found = groups.setdefault((str(row["scenario"]), reason), [])
        found.append(f"seed {row['seed']} {row['half']}")
    notes = []
    for (scenario, reason), (first, *others) in groups.items():
        what = f"{scenario} {first}" + (f", and {len(others)} more likewise" if others else "")
        notes.append(page.Note("missing", what, (page.Fact("", reason),), page.FAIL))
    left = sum(len(runs) for runs in [*groups.values()][MAX_FAILURES:])
    rest = [page.Note("missing", f"{left} more runs", look=page.FAIL)]
    return notes[:MAX_FAILURES] + (rest if left else [])


def _suite(result: SweepResult) -> page.Suite:
    """Returns a test for each verdict and each comparison; a missing run is an error."""
    found = result.equivalence
    cases = [_verdict_case(row) for row in found.verdicts]
    cases += [_collapse_case(row) for row in found.collapses if row.has_some]
    cases += [_comparison_case(row) for row in found.comparisons]
    for row in result.failures:
        first, *lines = str(row["reason"]).split("\n")
        name, group = f"seed {row['seed']} {row['half']}", str(row["scenario"])
        cases.append(page.Case(name, group, "error", "missing", first, (first, *lines)))
    mode, verdict = result.mode, result.verdict
    details = {
        **{"verdict": verdict, "mode": mode},
        **{"margins": margins_text(result), "runs": result.num_runs},
    }
    return page.Suite("sweep", mode, verdict, sentence(result), tuple(cases), details)


def _verdict_case(row: ScenarioVerdicts) -> page.Case:
    if row.agrees:
        return page.Case("verdict", row.scenario)
    message = f"keras {_counts(row.keras)}; torch {_counts(row.torch)}; {row.num_same} agree"
    return page.Case("verdict", row.scenario, "failure", "verdicts", message)


def _collapse_case(row: Collapses) -> page.Case:
    name = "runs that did not train"
    if row.verdict == "equivalent":
        return page.Case(name, row.scenario)
    message = f"{row.verdict}: {collapse_text(row)}"
    return page.Case(name, row.scenario, "failure", row.verdict, message)


def _comparison_case(row: EquivalenceRow) -> page.Case:
    name = f"{row.quantity} against {row.against}" if row.against else row.quantity
    if row.verdict == "equivalent":
        return page.Case(name, row.scenario)
    found = row.equivalence
    message = (
        f"{row.verdict}: keras {row.keras:.4g}, torch {row.torch:.4g}, keras - torch in "
        f"[{found.low:.4g}, {found.high:.4g}], margin {found.margin:.4g}; {found.n} seeds"
    )
    if why := why_undecided(row):
        needs = f"needs about {needed_text(found.n_needed)}"
        message += f", {needs if why == SEEDS else REASONS[why]}"
    else:
        message += f", p {row.p_different:.1g}"
    return page.Case(name, row.scenario, "failure", row.verdict, message)


def _verdicts(rows: tuple[ScenarioVerdicts, ...]) -> page.Table:
    table = []
    for row in sorted(rows, key=lambda row: row.agrees):
        is_right = row.agrees and is_expected(row)
        bad = page.FAIL if row.verdict == "different" else page.WARN
        look = "" if is_right else bad
        table.append(
            (
                page.Cell(row.scenario),
                page.Cell(row.expected or "-"),
                page.Cell(_counts(row.keras), look, short=_most(row, row.keras)),
                page.Cell(_counts(row.torch), look, short=_most(row, row.torch)),
                page.Cell(row.verdict, page.PASS if is_right else bad),
                page.Cell(f"{row.num_same} of {row.num_seeds}"),
                page.Cell(str(row.num_near)),
                page.Cell(str(row.num_missing)),
            )
        )
    return page.Table(
        caption="Verdicts on the fit: a seed near a threshold counts as the same",
        head=(
            "scenario", "expected", "Keras", "PyTorch", "verdicts", "same seed, same verdict",
            "near a threshold", "missing seeds",
        ),
        rows=tuple(table),
        numeric=frozenset((6, 7)),
        columns=(
            page.Column(0, "scenario", 24),
            page.Column(1, "expected", 12),
            page.Column(2, "keras", 21),
            page.Column(3, "torch", 0),
        ),
    )  # fmt: skip


def _most(row: ScenarioVerdicts, counts: Mapping[str, int]) -> str:
    verdict = row.most(counts)
    return f"{verdict} {counts[verdict]}/{sum(counts.values())}"


def _needed(result: SweepResult) -> list[page.Block]:
    """Returns a table of the scenarios of which seeds are missing, or more are needed."""
    rows = tuple(
        (
            page.Cell(row.scenario),
            page.Cell(str(row.finished)),
            page.Cell(str(row.missing), page.WARN if row.missing else ""),
            page.Cell(f"about {needed_text(row.needed)}" if row.needed != 0 else "-"),
        )
        for row in result.seeds
        if not row.are_enough
    )
    head = ("scenario", "finished in both halves", "missing", "needed in all")
    note = (
        f"by the {result.margins} margins; those that are needed would decide what is undecided, "
        "if there is no difference, in four of five sweeps"
    )
    table = page.Table(
        "Seeds",
        head,
        rows,
        frozenset((1, 2, 3)),
        notes=(note,),
        columns=page.columns_of(head, 24, 25, 9, 15),
    )
    return [table] if rows else []


def _collapses(rows: tuple[Collapses, ...]) -> list[page.Block]:
    """Returns a table of the scenarios of which a run did not train; nothing if all trained."""
    table = tuple(
        (
            page.Cell(row.scenario),
            page.Cell(row.verdict, LOOKS[row.verdict], short=mark(row.verdict, _more_seeds(row))),
            page.Cell(f"{row.keras} of {row.num_seeds}"),
            page.Cell(f"{row.torch} of {row.num_torch or row.num_seeds}"),
            page.Cell(str(row.keras_diverged)),
            page.Cell(str(row.torch_diverged)),
            # The test uses Keras minus torch; the table shows the change by the port.
            page.Cell(f"{-row.high:+.0%} to {-row.low:+.0%}"),
            page.Cell(f"±{row.margin:.0%}"),
            page.Cell(f"{row.p_different:.2g}"),
        )
        for row in rows
        if row.has_some
    )
    if not table:
        return []
    head = (
        "scenario", "verdict", "Keras", "PyTorch", "Keras diverged", "PyTorch diverged",
        "interval", "margin", "p of a difference",
    )  # fmt: skip
    return [
        page.Table(
            caption="Runs that did not train",
            head=head,
            rows=table,
            numeric=frozenset(range(2, 9)),
            notes=("the comparisons are of seeds whose two runs trained",),
            columns=(
                Column(0, "scenario", 24),
                Column(2, "keras", 10),
                Column(3, "torch", 10),
                Column(4, "div", 5),
                Column(5, "div", 5),
                Column(1, "", 0),
            ),
        )
    ]


def _more_seeds(row: Collapses) -> str:
    return f"n {needed_text(row.needed)}" if row.lacks_seeds else ""


def _counts(counts: Mapping[str, int]) -> str:
    total = sum(counts.values())
    ordered = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    return ", ".join(f"{verdict} {number}/{total}" for verdict, number in ordered)


def _equivalence(comparisons: Sequence[EquivalenceRow]) -> list[page.Block]:
    blocks: list[page.Block] = []
    labels = DIFFERENCES | _of_outputs(comparisons, ", PyTorch − Keras")
    for number, (quantity, what) in enumerate(labels.items()):
        rows = [row for row in comparisons if row.quantity == quantity]
        if rows:
            blocks.append(margin_picture(f"margins{number}", what, rows))
    return blocks


def _of_outputs(comparisons: Sequence[EquivalenceRow], more: str = "") -> dict[str, str]:
    """Returns the label of the axis of each accuracy of one of several outputs."""
    outputs = {row.quantity: output_of(row.quantity) for row in comparisons}
    return {
        quantity: f"validation accuracy of the output {name}{more}"
        for quantity, name in outputs.items()
        if name is not None
    }


def _seeds(result: SweepResult) -> list[page.Block]:
    blocks: list[page.Block] = []
    comparisons = result.equivalence.comparisons
    compared = {(row.scenario, row.quantity) for row in comparisons}
    for number, (quantity, what) in enumerate((LEVELS | _of_outputs(comparisons)).items()):
        groups: dict[str, dict[str, list[float]]] = {}
        for row in result.rows:
            value = level_of(row.judgement, quantity)
            is_shown = quantity not in LOSSES or (row.scenario, quantity) in compared
            if value is not None and is_shown:
                groups.setdefault(row.scenario, {}).setdefault(row.half, []).append(value)
        if groups:
            blocks.append(seeds_picture(f"seeds{number}", what, groups))
    return blocks


def _curves(result: SweepResult, histories: SeedHistories) -> list[page.Block]:
    blocks: list[page.Block] = []
    for number, (scenario, runs) in enumerate([*histories.items()][:MAX_CURVES]):
        seeds = {row.seed for row in result.rows if row.scenario == scenario}
        blocks += seed_pictures(f"curves{number}", scenario, runs, len(seeds))
    left = len(histories) - MAX_CURVES
    return [*blocks, page.Text(f"And {left} more scenarios.")] if left > 0 else blocks
