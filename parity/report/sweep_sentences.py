"""What a sweep has found, in words that its reports share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from parity.programs.scenarios import SCENARIOS
from parity.report.sentences import count

if TYPE_CHECKING:
    from parity.sweeps.agreement import ScenarioVerdicts
    from parity.sweeps.collapses import Collapses
    from parity.sweeps.equivalence import EquivalenceRow
    from parity.sweeps.result import SweepResult

MAX_NEEDED = 9999  # a greater number of seeds is shown as ">9999"

# Why a comparison is undecided, and what that means.
DIVERGED, MARGIN, SEEDS = "div", "margin", "n"
REASONS = {
    SEEDS: "undecided; so many seeds would do, if there is no difference",
    MARGIN: "undecided with enough seeds: the difference is near the margin",
    DIVERGED: "undecided: a run diverged, so that there is no equivalence",
}


def sentence(result: SweepResult) -> str:
    """Returns the verdict and its numbers of verdicts, comparisons and runs."""
    runs = f"{count(result.num_runs, 'run')}, {result.num_run_now} of them now"
    runs += f", {len(result.failures)} missing" if result.failures else ""
    lost = Counter(row.verdict for row in result.equivalence.collapses)
    shares = [
        f"{count(lost[name], 'share')} of untrained runs {name}"
        for name in ("different", "inconclusive")
        if lost[name]
    ]
    told = ", ".join([numbers_text(result), *shares])
    return f"{result.verdict} ({how(result)}): {told}; {runs}"


def numbers_text(result: SweepResult) -> str:
    """Returns how many verdicts agree, and how many comparisons are equivalent, of how many."""
    rows, verdicts = result.equivalence.comparisons, result.equivalence.verdicts
    same = f"{sum(row.agrees for row in verdicts)} of {len(verdicts)} verdicts agree"
    others = sum(not is_expected(row) for row in verdicts)
    same += f" ({others} not as expected)" if others else ""
    equivalent = sum(row.verdict == "equivalent" for row in rows)
    return f"{same}, {equivalent} of {len(rows)} comparisons equivalent"


def is_expected(row: ScenarioVerdicts) -> bool:
    """Whether Keras's most frequent verdict is that of the table of scenarios."""
    return row.expected in (None, row.most(row.keras))


def how(result: SweepResult) -> str:
    """Returns the mode and the name of the margins."""
    return f"{result.mode}, {result.margins} margins"


def margins_text(result: SweepResult) -> str:
    """Returns the margins that judged: their name and, as far as something is compared, numbers.

    Where nothing is compared yet, the numbers are those of the table of scenarios.
    """
    compared = result.equivalence.comparisons
    accuracies = [r.equivalence.margin for r in compared if r.quantity.endswith("accuracy")]
    gaps = [r.equivalence.margin for r in compared if r.quantity.endswith("gap")]
    epochs = [r.equivalence.margin for r in compared if r.quantity == "epochs"]
    losses = [r.equivalence.margin for r in compared if r.quantity.endswith("loss")]
    shares = [r.margin for r in result.equivalence.collapses]
    if not compared and not shares:
        names = {row.scenario for row in result.seeds} | {row.scenario for row in result.rows}
        found = [SCENARIOS[n].margins_of(result.margins) for n in names if n in SCENARIOS]
        accuracies, gaps = [each.accuracy for each in found], [each.gap for each in found]
        shares = [each.collapses for each in found]
    parts = [
        f"±{_span(accuracies, 100)} points of accuracy" if accuracies else "",
        f"±{_span(gaps, 100)} points of the gap" if gaps else "",
        f"±{_span(losses, 100)} % of the losses" if losses else "",
        f"±{_span(epochs)} epochs" if epochs else "",
        f"±{_span(shares, 100)} % of runs that do not train" if shares else "",
    ]
    return ": ".join(filter(None, [result.margins, ", ".join(filter(None, parts))]))


def why_undecided(row: EquivalenceRow) -> str:
    """Returns why a comparison is undecided, a key of REASONS; "" if it is decided."""
    if row.verdict != "inconclusive":
        return ""
    return DIVERGED if row.has_diverged else SEEDS if row.lacks_seeds else MARGIN


def needed_text(needed: int | None) -> str:
    """Returns a number of seeds; a great one as ">9999"."""
    return str(needed) if needed is not None and needed <= MAX_NEEDED else f">{MAX_NEEDED}"


def mark(verdict: str, why: str) -> str:
    """Returns the verdict on a comparison in as few characters as possible."""
    return {"equivalent": "=", "different": "differs"}.get(verdict, f"? {why}".rstrip())


def collapse_text(row: Collapses) -> str:
    """Returns how many runs of each half did not train; then, how many of them diverged."""
    num_torch = row.num_torch or row.num_seeds
    counts = f"keras {row.keras}/{row.num_seeds}, torch {row.torch}/{num_torch}"
    if row.keras_diverged + row.torch_diverged == 0:
        return counts
    return f"{counts}; diverged: keras {row.keras_diverged}, torch {row.torch_diverged}"


def named(result: SweepResult, verdicts: Iterable[str]) -> list[str]:
    """Returns the names of all that has one of these verdicts."""
    found, wanted = result.equivalence, set(verdicts)
    return [
        *(f"{r.quantity} of {r.scenario}" for r in found.comparisons if r.verdict in wanted),
        *(f"verdict on {r.scenario}" for r in found.verdicts if r.verdict in wanted),
        *(
            f"share of runs of {r.scenario} that did not train"
            for r in found.collapses
            if r.verdict in wanted
        ),
    ]


def _span(values: list[float], scale: float = 1) -> str:
    low, high = (f"{round(scale * value, 6):g}" for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"
