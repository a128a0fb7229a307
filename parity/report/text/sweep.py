"""The result of a sweep as text of at most 80 columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from parity.report.lines import Line, plain, shortened, wrapped

if TYPE_CHECKING:
    from parity.sweeps.agreement import ScenarioVerdicts
    from parity.sweeps.collapses import Collapses
    from parity.sweeps.equivalence import EquivalenceRow
    from parity.sweeps.result import SweepResult

MAX_FAILURES = 10  # shown here; the JSON has all
MAX_REASON = 4  # lines of each reason
MAX_NEEDED = 9999  # a greater number of seeds is shown as ">9999"

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
    lines.append([])
    lines += _collapse_lines(result)
    lines += failure_lines(result)
    lines += [[(row, _STYLES[result.verdict])] for row in wrapped(sentence(result), "  ")]
    return [*[[(plain(text), style) for text, style in line] for line in lines], []]


def _verdict_line(row: ScenarioVerdicts) -> Line:
    keras, torch = (_counts(row, counts) for counts in (row.keras, row.torch))
    is_expected = row.expected in (None, row.most(row.keras))
    style = "" if row.agrees and is_expected else "bold red"
    name = f"  {_name(row.scenario)}{row.expected or '-':<12}"
    return [(name, ""), (f"{keras:<21}{torch}", style)]


def _counts(row: ScenarioVerdicts, counts: Mapping[str, int]) -> str:
    verdict = row.most(counts)
    return f"{verdict} {counts[verdict]}/{row.num_seeds}"


def _comparison_line(row: EquivalenceRow) -> Line:
    found = row.equivalence
    scale = 1 if row.quantity == "epochs" else 100  # accuracies in points
    # The test uses Keras minus torch; readers want the change by the port.
    low, middle, high = (
        _signed(-value * scale) for value in (found.high, found.difference, found.low)
    )
    quantity = row.quantity.replace("effect on ", "Δ")
    p = row.p_different if row.verdict == "different" else found.p
    numbers = f"{quantity:<10}{middle:>7}{f'{low} {high}':>14}{p:>7.1g}{found.power:>6.2f}"
    mark = {"equivalent": " =", "different": " differs", "inconclusive": " ?"}[row.verdict]
    if row.verdict == "inconclusive":
        is_countable = found.n_needed is not None and found.n_needed <= MAX_NEEDED
        mark += f" n {found.n_needed}" if is_countable else f" n>{MAX_NEEDED}"
    return [(f"  {_name(row.scenario)}{numbers}", ""), (mark, _STYLES[row.verdict])]


def _collapse_lines(result: SweepResult) -> list[Line]:
    """Returns the scenarios of which a run did not train, or a seed is missing."""
    lines: list[Line] = []
    for row in result.equivalence.collapses:
        if row.has_some:
            counts, _, diverged = collapse_text(row).partition("; ")
            mark = {"equivalent": " =", "different": " differs", "inconclusive": " ?"}[row.verdict]
            told = f"  {_name(row.scenario)}untrained: {counts}"
            lines.append([(told, ""), (mark, _STYLES[row.verdict])])
            lines += [[(f"  {'':24}{diverged}", "")]] if diverged else []
    lines += [
        [(f"  {_name(row.scenario)}missing: {_missing(row)}", "bold red")]
        for row in result.equivalence.verdicts
        if row.num_missing
    ]
    return [*lines, []] if lines else []


def collapse_text(row: Collapses) -> str:
    """Returns how many runs of each half did not train; then, how many of them diverged."""
    counts = f"keras {row.keras}/{row.num_seeds}, torch {row.torch}/{row.num_seeds}"
    if row.keras_diverged + row.torch_diverged == 0:
        return counts
    return f"{counts}; diverged: keras {row.keras_diverged}, torch {row.torch_diverged}"


def _missing(row: ScenarioVerdicts) -> str:
    return f"{row.num_missing} of {row.num_seeds + row.num_missing} seeds lack a run"


def _name(scenario: str) -> str:
    return f"{shortened(plain(scenario), 23):<24}"


def _signed(value: float) -> str:
    """Returns two digits after the point; none if there is no room."""
    value = round(value, 2) + 0.0  # no -0
    return f"{value:+.2f}" if abs(value) < 99.995 else f"{value:+.0f}"


def failure_lines(result: SweepResult) -> list[Line]:
    """Returns the first missing runs with their reasons."""
    lines: list[Line] = []
    for row in result.failures[:MAX_FAILURES]:
        where = f"  missing: {row['scenario']} seed {row['seed']} {row['half']}"
        reason = str(row["reason"]).strip().partition("\n")[0]
        lines.append([(where, "bold red")])
        lines += [[(line, "")] for line in wrapped(reason, "    ", max_lines=MAX_REASON)]
    if len(result.failures) > MAX_FAILURES:
        lines.append([(f"  ... and {len(result.failures) - MAX_FAILURES} more", "bold red")])
    return [*lines, []] if lines else []


def sentence(result: SweepResult) -> str:
    """Returns the verdict and its numbers of verdicts, comparisons and runs."""
    runs = f"{result.num_runs} runs, {result.num_run_now} of them now"
    rows = result.equivalence.comparisons
    counts = Counter(row.verdict for row in rows)
    tests = f"{counts['equivalent']} of {len(rows)} comparisons equivalent"
    verdicts = result.equivalence.verdicts
    same = f"{sum(row.agrees for row in verdicts)} of {len(verdicts)} verdicts agree"
    how = result.mode + (", strict margins" if result.margins == "strict" else "")
    return f"{result.verdict} ({how}): {same}, {tests}; {runs}"
