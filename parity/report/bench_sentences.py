"""Texts that all reports of a benchmark share: numbers, headings, warnings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from parity.bench.machine import HARDWARE, facts
from parity.bench.result import FAILED, OK, REFUSED, SECONDS, SKIPPED, BenchResult, Row
from parity.bench.statistics import CONFIDENCE, drift
from parity.report.lines import shortened
from parity.report.sentences import count

if TYPE_CHECKING:
    from parity.bench.comparison import Key

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
        told = (row.environment or {}).get("slow_loops")
        slow |= told if isinstance(told, dict) else {}
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


def sentence(result: BenchResult) -> str:
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
