"""The result of a sweep as text of at most 80 columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from parity.report.lines import Line, plain, shortened, wrapped
from parity.report.sweep_sentences import (
    REASONS,
    SEEDS,
    collapse_text,
    is_expected,
    margins_text,
    needed_text,
    seeds_text,
    sentence,
    why_undecided,
)
from parity.sweeps.samples import output_of

if TYPE_CHECKING:
    from parity.sweeps.agreement import ScenarioVerdicts
    from parity.sweeps.equivalence import EquivalenceRow
    from parity.sweeps.result import SweepResult

MAX_FAILURES = 10  # shown here; the JSON has all
MAX_REASON = 4  # lines of each reason

_STYLES = {
    "pass": "bold green",
    "equivalent": "green",
    "fail": "bold red",
    "different": "bold red",
    "incomplete": "bold red",
    "inconclusive": "yellow",
}


def sweep_lines(result: SweepResult) -> list[Line]:
    """Returns the report: verdicts, comparisons, failures, and the verdict of the sweep."""
    lines: list[Line] = [[(f"  {'scenario':<24}{'expected':<12}{'keras':<21}torch", "dim")]]
    lines += [_verdict_line(row) for row in result.equivalence.verdicts]
    lines.append([])
    heading = f"  {'scenario':<24}{'quantity':<10}{'torch-keras, interval':>21}"
    lines.append([(f"{heading}{'p':>7}{'power':>6}", "dim")])
    lines += [_comparison_line(row) for row in result.equivalence.comparisons]
    lines += [[(f"  {told}", "dim")] for told in _legend(result)]
    lines.append([])
    lines += _collapse_lines(result)
    lines += _seed_lines(result)
    lines += failure_lines(result)
    lines += [[(row, "dim")] for note in result.notes for row in wrapped(f"note: {note}", "  ")]
    lines += [[(row, "dim")] for row in wrapped(f"margins {margins_text(result)}", "  ")]
    lines += [[(row, _STYLES[result.verdict])] for row in wrapped(sentence(result), "  ")]
    return [*[[(plain(text), style) for text, style in line] for line in lines], []]


def _legend(result: SweepResult) -> list[str]:
    """Returns what the columns and the marks of the comparisons mean."""
    rows = result.equivalence.comparisons
    if not rows:
        return ["no comparison: it needs two seeds whose two runs have trained"]
    quantities = {row.quantity for row in rows}
    units = [
        ("points of 0.01 (accuracy, gap)", ("accuracy", "gap")),
        ("percent of the mean loss", ("loss",)),
        ("epochs", ("epochs",)),
    ]
    used = [text for text, ends in units if any(name.endswith(ends) for name in quantities)]
    told = [f"in {', '.join(used)}", "90 % intervals; p of what the mark says"]
    if any(row.against for row in rows):
        told.append("Δ: effect of a remedy, its run minus the run that it cures")
    reasons = {why_undecided(row) for row in rows}
    return told + [f"? {name}: {text}" for name, text in REASONS.items() if name in reasons]


def _verdict_line(row: ScenarioVerdicts) -> Line:
    keras, torch = (_counts(row, counts) for counts in (row.keras, row.torch))
    style = "" if row.agrees and is_expected(row) else "bold red"
    name = f"  {_name(row.scenario)}{row.expected or '-':<12}"
    return [(name, ""), (f"{keras:<21}{torch}", style)]


def _counts(row: ScenarioVerdicts, counts: Mapping[str, int]) -> str:
    verdict = row.most(counts)
    return f"{verdict} {counts[verdict]}/{sum(counts.values())}"


def _comparison_line(row: EquivalenceRow) -> Line:
    found = row.equivalence
    scale = 1 if row.quantity == "epochs" else 100  # accuracies in points
    # The test uses Keras minus torch; readers want the change by the port.
    low, middle, high = (
        _signed(-value * scale) for value in (found.high, found.difference, found.low)
    )
    output = output_of(row.quantity)
    scenario = row.scenario if output is None else f"{row.scenario}: {output}"
    quantity = "accuracy" if output is not None else row.quantity.replace("effect on ", "Δ")
    p = row.p_different if row.verdict == "different" else found.p
    numbers = f"{quantity:<10}{middle:>7}{f'{low} {high}':>14}{p:>7.1g}{found.power:>6.2f}"
    mark = {"equivalent": " =", "different": " differs", "inconclusive": " ?"}[row.verdict]
    if why := why_undecided(row):
        needed = needed_text(found.n_needed)
        mark += f" {why}" if why != SEEDS else f" n {needed}".replace(" >", ">")
    return [(f"  {_name(scenario)}{numbers}", ""), (mark, _STYLES[row.verdict])]


def _collapse_lines(result: SweepResult) -> list[Line]:
    """Returns the scenarios of which a run did not train."""
    lines: list[Line] = []
    for row in result.equivalence.collapses:
        if row.has_some:
            counts, _, diverged = collapse_text(row).partition("; ")
            mark = {"equivalent": " =", "different": " differs", "inconclusive": " ?"}[row.verdict]
            mark += f" n {needed_text(row.needed)}" if row.lacks_seeds else ""
            told = f"  {_name(row.scenario)}untrained: {counts}"
            lines.append([(told, ""), (mark, _STYLES[row.verdict])])
            lines += [[(f"  {'':24}{diverged}", "")]] if diverged else []
    if lines and result.equivalence.comparisons:
        lines.append([("  the comparisons above are of seeds whose two runs trained", "dim")])
    return [*lines, []] if lines else []


def _seed_lines(result: SweepResult) -> list[Line]:
    """Returns the scenarios of which seeds are missing, or more are needed."""
    lines: list[Line] = [
        [(f"  {_name(row.scenario)}seeds: {seeds_text(row)}", "bold red" if row.missing else "")]
        for row in result.seeds
        if not row.are_enough
    ]
    return [*lines, []] if lines else []


def _name(scenario: str) -> str:
    return f"{shortened(plain(scenario), 23):<24}"


def _signed(value: float) -> str:
    """Returns two digits after the point; none if there is no room."""
    value = round(value, 2) + 0.0  # no -0
    return f"{value:+.2f}" if abs(value) < 99.995 else f"{value:+.0f}"


def failure_lines(result: SweepResult) -> list[Line]:
    """Returns the first missing runs with their reasons, and how many more have the same one."""
    groups: dict[tuple[str, str], list[str]] = {}
    for row in result.failures:
        reason = str(row["reason"]).strip().partition("\n")[0]
        found = groups.setdefault((str(row["scenario"]), reason), [])
        found.append(f"seed {row['seed']} {row['half']}")
    lines: list[Line] = []
    for (scenario, reason), (first, *others) in [*groups.items()][:MAX_FAILURES]:
        more = f", and {len(others)} more likewise" if others else ""
        lines.append([(f"  missing: {scenario} {first}{more}", "bold red")])
        lines += [[(line, "")] for line in wrapped(reason, "    ", max_lines=MAX_REASON)]
    left = sum(len(runs) for runs in [*groups.values()][MAX_FAILURES:])
    if left:
        lines.append([(f"  ... and {left} more", "bold red")])
    return [*lines, []] if lines else []
