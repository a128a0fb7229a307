"""The page of a sweep: whether both halves behave alike over many seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from parity.report import page
from parity.report.pages.margins import comparison_table, margin_picture, seeds_picture
from parity.report.pages.run_page import MODES, versions_of
from parity.report.pages.seed_curves import seed_pictures
from parity.report.pages.svg import NAMES
from parity.report.sentences import count
from parity.report.sweep_sentences import (
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
    from parity.report.seed_histories import SeedHistories
    from parity.sweeps.agreement import ScenarioVerdicts
    from parity.sweeps.collapses import Collapses
    from parity.sweeps.equivalence import EquivalenceRow
    from parity.sweeps.result import SweepResult

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
        if isinstance(environment, Mapping) and (told := versions_of(environment)):
            facts.append(page.Fact(name, told))
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
    told = {"different": ("different",), "undecided": ("inconclusive", "undecided")}
    looks = {"different": page.FAIL, "undecided": page.WARN}
    names = {label: named(result, verdicts) for label, verdicts in told.items()}
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
        more = f", and {len(others)} more likewise" if others else ""
        why = (page.Fact("", reason),)
        notes.append(page.Note("missing", f"{scenario} {first}{more}", why, page.FAIL))
    left = sum(len(runs) for runs in [*groups.values()][MAX_FAILURES:])
    rest = page.Note("missing", f"{left} more runs", look=page.FAIL)
    return [*notes[:MAX_FAILURES], *([rest] if left else [])]


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
    properties = {"verdict": result.verdict, "mode": result.mode, "margins": margins_text(result)}
    told = {**properties, "runs": result.num_runs}
    verdict, text = result.verdict, sentence(result)
    return page.Suite("sweep", result.mode, verdict, text, tuple(cases), told)


def _verdict_case(row: ScenarioVerdicts) -> page.Case:
    if row.agrees:
        return page.Case("verdict", row.scenario)
    told = f"keras {_told(row.keras)}; torch {_told(row.torch)}; {row.num_same} agree"
    return page.Case("verdict", row.scenario, "failure", "verdicts", told)


def _collapse_case(row: Collapses) -> page.Case:
    name = "runs that did not train"
    if row.verdict == "equivalent":
        return page.Case(name, row.scenario)
    told = f"{row.verdict}: {collapse_text(row)}"
    return page.Case(name, row.scenario, "failure", row.verdict, told)


def _comparison_case(row: EquivalenceRow) -> page.Case:
    name = f"{row.quantity} against {row.against}" if row.against else row.quantity
    if row.verdict == "equivalent":
        return page.Case(name, row.scenario)
    found = row.equivalence
    told = (
        f"{row.verdict}: keras {row.keras:.4g}, torch {row.torch:.4g}, keras - torch in "
        f"[{found.low:.4g}, {found.high:.4g}], margin {found.margin:.4g}; {found.n} seeds"
    )
    if why := why_undecided(row):
        needs = f"needs about {needed_text(found.n_needed)}"
        told += f", {needs if why == SEEDS else REASONS[why]}"
    else:
        told += f", p {row.p_different:.1g}"
    return page.Case(name, row.scenario, "failure", row.verdict, told)


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
                page.Cell(_told(row.keras), look, short=_most(row, row.keras)),
                page.Cell(_told(row.torch), look, short=_most(row, row.torch)),
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
    columns = [
        (0, "scenario", 24),
        (2, "keras", 10),
        (3, "torch", 10),
        (4, "div", 5),
        (5, "div", 5),
    ]
    return [
        page.Table(
            caption="Runs that did not train",
            head=head,
            rows=table,
            numeric=frozenset(range(2, 9)),
            notes=("the comparisons are of seeds whose two runs trained",),
            columns=tuple(page.Column(*column) for column in (*columns, (1, "", 0))),
        )
    ]


def _more_seeds(row: Collapses) -> str:
    return f"n {needed_text(row.needed)}" if row.lacks_seeds else ""


def _told(counts: Mapping[str, int]) -> str:
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
