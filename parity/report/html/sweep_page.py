"""The page of a sweep: whether both halves behave alike over many seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from parity.report.html import page
from parity.report.html.margins import comparison_table, margin_picture, seeds_picture
from parity.report.html.run_page import MODES, versions_of
from parity.report.html.seed_curves import seed_pictures
from parity.report.html.svg import NAMES
from parity.report.sentences import count
from parity.report.sweep_sentences import (
    is_expected,
    margins_text,
    named,
    needed_text,
    numbers_text,
)
from parity.sweeps.samples import level_of, output_of

if TYPE_CHECKING:
    from parity.report.seed_histories import SeedHistories
    from parity.sweeps.agreement import ScenarioVerdicts
    from parity.sweeps.collapses import Collapses
    from parity.sweeps.equivalence import EquivalenceRow
    from parity.sweeps.result import SweepResult

LOOKS = {"pass": page.PASS, "fail": page.FAIL, "inconclusive": page.WARN, "incomplete": page.WARN}
SENTENCES = {
    "pass": "Both halves behave alike",
    "fail": "The two halves behave differently",
    "inconclusive": "Undecided: no difference is shown, but no equivalence either",
    "incomplete": "Runs are missing; only finished runs are shown.",
}
MAX_NAMED = 3
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
MAX_FAILURES = 50
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
    comparisons = result.equivalence.comparisons
    equivalent = sum(row.verdict == "equivalent" for row in comparisons)
    facts = [
        page.Fact("mode", MODES.get(result.mode, result.mode)),
        page.Fact("margins", margins_text(result)),
        page.Fact(
            "runs",
            f"{result.num_runs:,}" + (f", {len(result.failures)} missing" * bool(result.failures)),
        ),
        page.Fact("scenarios", str(len(rows))),
        page.Fact("verdicts that agree", f"{sum(row.agrees for row in rows)} of {len(rows)}"),
        page.Fact("comparisons equivalent", f"{equivalent} of {len(comparisons)}"),
    ]
    facts += [
        page.Fact(f"seconds of a {NAMES.get(half, half)} run", f"{seconds:.1f}")
        for half, seconds in result.wall_s.items()
    ]
    for half, name in NAMES.items():
        environment = result.environment.get(half)
        if isinstance(environment, Mapping) and (told := versions_of(environment)):
            facts.append(page.Fact(name, told))
    command = result.environment.get("command")
    parts: list[tuple[str, str, list[page.Block]]] = [
        ("verdicts", "Verdicts", [_verdicts(rows)] if rows else []),
        ("needed", "Missing and needed seeds", _needed(result)),
        ("collapses", "Runs that did not train", _collapses(result.equivalence.collapses)),
        ("equivalence", "Equivalence", _equivalence(result)),
        ("seeds", "Seeds", _seeds(result)),
        ("curves", "Curves of all seeds", _curves(result, histories or {})),
        ("missing", "Missing runs", _missing(result)),
        ("again", "Run it again", [page.Code("Command", str(command))] if command else []),
    ]
    return page.Page(
        title=f"sweep of {count(len(rows), 'scenario')}",
        look=LOOKS.get(result.verdict, page.WARN),
        verdict=result.verdict,
        sentence=_sentence(result),
        facts=tuple(facts),
        problems=(*result.notes, *problems),
        sections=page.sections_of(parts),
    )


def _sentence(result: SweepResult) -> str:
    told = SENTENCES.get(result.verdict, result.verdict)
    if result.verdict == "pass":
        return f"{told}: {numbers_text(result)}."
    if result.verdict == "inconclusive":
        open_ = named(result, ("inconclusive", "undecided"))
        told += f": {_listed(open_)}." if open_ else "."
        return f"{told} {_more(result)}".rstrip()
    differing = named(result, ("different",))
    if result.verdict == "fail":
        return f"{told}: {_listed(differing)}." if differing else f"{told}."
    told = f"{told} {_more(result)}".rstrip()
    return f"{told} The finished runs differ: {_listed(differing)}." if differing else told


def _more(result: SweepResult) -> str:
    """Returns how many seeds are missing and needed, in a sentence; "" if they are enough."""
    missing = sum(row.missing for row in result.seeds)
    short = [row for row in result.seeds if row.needed is None or row.needed > 0]
    told = []
    if missing:
        total = missing + sum(row.finished for row in result.seeds)
        told.append(f"{missing:,} of {count(total, 'seed')} lack a run.")
    if short:
        most = max(short, key=lambda row: math.inf if row.needed is None else row.needed)
        told.append(f"{most.scenario} needs about {needed_text(most.needed)} seeds.")
    return " ".join(told)


def _listed(names: list[str]) -> str:
    more = len(names) - MAX_NAMED
    return ", ".join(names[:MAX_NAMED]) + (f" and {more} more" if more > 0 else "")


def _verdicts(rows: tuple[ScenarioVerdicts, ...]) -> page.Table:
    table = []
    for row in rows:
        look = (
            page.FAIL
            if row.verdict == "different"
            else page.PASS
            if row.agrees and is_expected(row)
            else page.WARN
        )
        table.append(
            (
                page.Cell(row.scenario),
                page.Cell(row.expected or ""),
                page.Cell(_told(row.keras)),
                page.Cell(_told(row.torch)),
                page.Cell(row.verdict, look),
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
    )  # fmt: skip


def _needed(result: SweepResult) -> list[page.Block]:
    """Returns a table of the scenarios of which seeds are missing, or more are needed."""
    rows = tuple(
        (
            page.Cell(row.scenario),
            page.Cell(str(row.finished)),
            page.Cell(str(row.missing), page.WARN if row.missing else ""),
            page.Cell(f"about {needed_text(row.needed)}" if row.needed != 0 else ""),
        )
        for row in result.seeds
        if not row.are_enough
    )
    if not rows:
        return []
    return [
        page.Table(
            caption=f"Seeds by the {result.margins} margins: those that are needed would decide "
            "what is undecided, if there is no difference, in four of five sweeps",
            head=("scenario", "finished in both halves", "missing", "needed in all"),
            rows=rows,
            numeric=frozenset((1, 2, 3)),
        )
    ]


def _collapses(rows: tuple[Collapses, ...]) -> list[page.Block]:
    """Returns a table of the scenarios of which a run did not train; nothing if all trained."""
    looks = {"equivalent": page.PASS, "different": page.FAIL, "inconclusive": page.WARN}
    table = tuple(
        (
            page.Cell(row.scenario),
            page.Cell(row.verdict, looks[row.verdict]),
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
    caption = "Runs that did not train; the comparisons are of seeds whose two runs trained"
    return [page.Table(caption=caption, head=head, rows=table, numeric=frozenset(range(2, 9)))]


def _told(counts: Mapping[str, int]) -> str:
    total = sum(counts.values())
    ordered = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    return ", ".join(f"{verdict} {number}/{total}" for verdict, number in ordered)


def _equivalence(result: SweepResult) -> list[page.Block]:
    comparisons = result.equivalence.comparisons
    if not comparisons:
        return [page.Text("No comparison: it needs two seeds whose two runs have trained.")]
    blocks: list[page.Block] = []
    labels = DIFFERENCES | _of_outputs(comparisons, ", PyTorch − Keras")
    for number, (quantity, what) in enumerate(labels.items()):
        rows = [row for row in comparisons if row.quantity == quantity]
        if rows:
            blocks.append(margin_picture(f"margins{number}", what, rows))
    return [*blocks, comparison_table(comparisons)]


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


def _missing(result: SweepResult) -> list[page.Block]:
    if not result.failures:
        return []
    rows = tuple(
        tuple(page.Cell(str(row.get(name, ""))) for name in ("scenario", "seed", "half", "reason"))
        for row in result.failures[:MAX_FAILURES]
    )
    left = len(result.failures) - len(rows)
    return [
        page.Table(
            caption="Runs without a result",
            head=("scenario", "seed", "half", "reason"),
            rows=rows,
            note=f"and {left} more, in the JSON" if left else "",
        )
    ]
