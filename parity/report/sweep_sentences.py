"""Sentences of a sweep and of a benchmark that their reports share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from parity.bench.result import (
    FAILED,
    HARDWARE,
    OK,
    REFUSED,
    SECONDS,
    SKIPPED,
    BenchResult,
    Row,
    facts,
)
from parity.bench.statistics import CONFIDENCE, drift
from parity.programs.scenarios import SCENARIOS
from parity.report.page import shortened
from parity.report.sentences import count

if TYPE_CHECKING:
    from parity.bench.comparison import Key
    from parity.sweeps.equivalence import EquivalenceRow
    from parity.sweeps.result import SweepResult
    from parity.sweeps.verdicts import Collapses, ScenarioVerdicts


# --- What a sweep has found, in words that its reports share --------------------------------------


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
    numbers = ", ".join([numbers_text(result), *shares])
    return f"{result.verdict} ({how(result)}): {numbers}; {runs}"


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


# --- Texts that all reports of a benchmark share: numbers, headings, warnings ---------------------


MAX_TEXT = 2000  # characters of a reason
MIN_DRIFT = 0.05  # fraction of the median; a smaller trend gives no warning
MAX_BACKGROUND_CPU_SHARE = 0.05  # of the cores' time; an idle system uses some thousandths
MIN_ROUNDS = 6  # for an interval of CONFIDENCE
NONE = "-"
UNFINISHED = (
    "the benchmark was interrupted: cells may be missing, and parity was not checked; run it again"
)

Cell = tuple[str, int, str]  # part, batch size, precision


def warnings(result: BenchResult) -> list[str]:
    """Returns reasons to doubt the numbers: a busy machine, a trend, too few rounds."""
    found = []
    share = result.environment.get("background_cpu_share")
    if isinstance(share, float | int) and share >= MAX_BACKGROUND_CPU_SHARE:
        found.append(
            f"other processes used {100 * share:.0f} % of the CPU meanwhile, which slows threads "
            "that wait for each other: stop other programs, and measure again"
        )
    for row in result.rows:
        moved = drift(row.values) if row.status == OK else None
        if moved is not None and abs(moved) >= MIN_DRIFT:
            is_faster = (moved > 0) == (row.unit != SECONDS)
            found.append(
                f"{name_of(row.key)} became {'faster' if is_faster else 'slower'} by "
                f"{100 * abs(moved):.0f} % from the first round to the last: warm up longer, or "
                "stop other programs"
            )
    slow: dict[str, str] = {}
    for row in result.rows:
        loops = (row.environment or {}).get("slow_loops")
        slow |= loops if isinstance(loops, dict) else {}
    found += [
        f"the loop {shortened(str(name), MAX_TEXT)} of torch_impl is not used: "
        f"{shortened(str(text), MAX_TEXT)}"
        for name, text in slow.items()
    ]
    short = [row.ratio for row in result.rows if row.ratio and row.ratio.confidence < CONFIDENCE]
    if short:
        least = min(short, key=lambda ratio: ratio.n)
        found.append(
            f"only {100 * least.confidence:.0f} % of intervals from {count(least.n, 'round')} "
            f"contain the true ratio; {100 * CONFIDENCE:.0f} % need at least {MIN_ROUNDS} rounds"
        )
    return found


def machine_text(result: BenchResult) -> str:
    """Returns processor, cores, threads and versions, as far as they are known."""
    known = facts(result)
    hardware = [
        f"{known[name]} {name}" if name in ("cores", "threads") else known[name]
        for name in HARDWARE
        if name in known
    ]
    software = [f"{name} {value}" for name, value in known.items() if name not in HARDWARE]
    return "; ".join(", ".join(part) for part in (hardware, software) if part)


def legend(result: BenchResult) -> str:
    """Returns the meaning of the columns; "" if there are no ratios."""
    if not any(row.ratio for row in result.rows):
        return ""
    return (
        "q1, q3: quartiles of the rounds; ratios compare alternating rounds, above 1 is faster; "
        f"with {MIN_ROUNDS} rounds or more, at least {100 * CONFIDENCE:.0f} % of all intervals "
        "contain the true median ratio"
    )


def bench_sentence(result: BenchResult) -> str:
    """Returns the verdict, and the number of rows by status."""
    counts = Counter(row.status for row in result.rows)
    parts = [f"{count(len(result.rows), 'row')}, {counts[OK]} measured"]
    if counts[FAILED]:
        parts.append(f"{counts[FAILED]} failed")
    if counts[REFUSED]:
        parts.append(f"{counts[REFUSED]} refused without parity")
    if counts[SKIPPED]:
        parts.append(f"{counts[SKIPPED]} skipped")
    text = f"{result.verdict}: {', '.join(parts)}"
    return text if result.is_finished else f"{text}; {UNFINISHED}"


def heading(cell: Cell, measured: Sequence[Row]) -> str:
    """Returns what the rows of a table share: cell, unit and number of rounds."""
    part, batch_size, precision = cell
    text = f"{part}, batch {batch_size}, {precision}"
    if not measured:
        return text
    units = " or ".join(dict.fromkeys(row.unit for row in measured))
    counts = {len(row.values) for row in measured}
    rounds = f"{min(counts)} to {count(max(counts), 'round')}"
    return f"{text}: {units}, {rounds if len(counts) > 1 else count(counts.pop(), 'round')}"


def against(rows: Sequence[Row]) -> str:
    """Returns the baseline of the rows of a table."""
    names = {row.baseline for row in rows if row.ratio is not None}
    return str(names.pop()) if len(names) == 1 else "baseline"


def reason_of(row: Row) -> str:
    """Returns why a row does not count; if it was refused, also the evidence."""
    parts = [" ".join(text.split()) for text in (row.reason, row.parity_note)]
    if row.status != REFUSED or parts[1] in parts[0]:
        parts.pop()
    return shortened("; ".join(part for part in parts if part), MAX_TEXT)


def cells_of(rows: Iterable[Any]) -> list[tuple[Cell, list[Any]]]:
    """Returns rows or changes by cell, in the order in which cells first occur."""
    cells: dict[Cell, list[Any]] = {}
    for row in rows:
        cells.setdefault((row.part, row.batch_size, row.precision), []).append(row)
    return list(cells.items())


def name_of(key: Key) -> str:
    """Returns the key of a row in words."""
    part, variant, batch_size, precision = key
    return f"{variant} ({part}, batch {batch_size}, {precision})"


def number(value: float, digits: int = 4) -> str:
    """Returns a number with 3 or 4 digits, or all before the point, in at most 8 characters."""
    if value == 0:
        return "0"
    if not 0.001 <= abs(value) < 999_999.5:
        text = f"{value:.2e}"
        return text if len(text) <= 8 else f"{value:.1e}"
    if abs(value) >= 1000 - 0.5 * 10 ** (3 - digits):
        return f"{value:,.0f}"
    return f"{value:#.{digits}g}".rstrip(".")


def times(ratio: float) -> str:
    """Returns a ratio with two decimals, or as many digits as fit 6 characters."""
    if ratio >= 99_999.5 or ratio < 0.01:
        return f"{ratio:.0e}"
    return f"{ratio:.0f}" if ratio >= 99.995 else f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.3f}"
