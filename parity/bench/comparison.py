"""What became slower or faster from one benchmark to another.

In: two results; the older one is often from a file, and may be from another machine. Out: the
change of each part, variant, batch size and precision.

Machines differ and are noisy. If both results have a ratio to the same baseline, the ratios are
compared, because the speed of the machine cancels in them. If not (the baseline itself has no
ratio), the speeds are compared, but only if both results name the same processor, cores and
threads. Nothing is compared if the two did not train the same: another scenario, other data,
another device.

The rule: a row is "slower" if the two intervals do not overlap and its median is lower by more than
`threshold`, "faster" if the opposite holds, otherwise "same". For a row that did not change, and
rounds with independent noise, the rule says "slower" in 0.4 % of all cases with 5 rounds and in at
most 0.2 % with 7 to 31, whatever the noise; "faster" as often. Fewer than 5 rounds are not
compared, because with 3 it would be 5 %. The intervals include what differs from process to
process, because every round has new processes. They do not include what differs from day to day or
between machines; only the threshold guards against that. If this moves a ratio by 2 % (standard
deviation), 3 to 4 % of rows are called slower; if by 1 %, less than 0.4 %. `test_comparison.py`
simulates the rule.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from parity.bench.result import NEEDED, OK, SECONDS, BenchResult, Ratio, Row, facts, machine
from parity.bench.result_file import read_result as read_result  # the older one
from parity.bench.statistics import median_interval

SCHEMA = "parity.bench.comparison/1"
THRESHOLD = 0.05
MIN_ROUNDS = 5
TASK = ("scenario", "data", "device")  # keys of the spec
PAIR = ("keras", "torch", "arguments")  # keys of a program of the user's in it

SLOWER, FASTER, SAME, NOT_COMPARABLE = "slower", "faster", "same", "not comparable"
PASS, FAIL, INCONCLUSIVE = "pass", "fail", "inconclusive"
RATIO, SPEED = "ratio", "speed"
MAX_SHOWN = 200  # characters of a fact about a machine

Key = tuple[str, str, int, str]  # part, variant, batch size, precision


@dataclass(frozen=True)
class Measure:
    """A median with its interval; a greater value is faster."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Change:
    """How one row changed.

    Attributes:
        part, variant, batch_size, precision: name of the row.
        status: "slower", "faster", "same" or "not comparable".
        measure: "ratio": to the baseline; "speed": images or runs a second; "" if neither.
        baseline: baseline of the ratio.
        unit: unit of the values from which the speed was computed.
        old, new: medians with their intervals; None if not comparable.
        change: new / old - 1; above 0 is faster.
        reason: why it is not comparable.
    """

    part: str
    variant: str
    batch_size: int
    precision: str
    status: str
    measure: str = ""
    baseline: str | None = None
    unit: str = ""
    old: Measure | None = None
    new: Measure | None = None
    change: float | None = None
    reason: str = ""

    @property
    def key(self) -> Key:
        """Which row it is."""
        return self.part, self.variant, self.batch_size, self.precision


@dataclass(frozen=True)
class BenchComparison:
    """Two benchmarks, row by row.

    Attributes:
        threshold: share by which medians must differ.
        changes: one for each row that is in both results, in the order of the new one.
        only_old, only_new: keys of the rows that are in one result only.
        differences: differences of the two machines and their software, in words.
    """

    threshold: float
    changes: tuple[Change, ...]
    only_old: tuple[Key, ...] = ()
    only_new: tuple[Key, ...] = ()
    differences: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """Returns "fail" if a row is slower, "inconclusive" if none could be compared, or "pass".

        Rows that failed or are missing do not count here; the verdict of the new result covers
        them.
        """
        statuses = {change.status for change in self.changes}
        if SLOWER in statuses:
            return FAIL
        return PASS if statuses & {SAME, FASTER} else INCONCLUSIVE

    def to_json(self) -> dict[str, Any]:
        """Returns the comparison as JSON-ready values."""
        names = ("part", "variant", "batch_size", "precision")
        return {
            "schema": SCHEMA,
            "verdict": self.verdict,
            "threshold": self.threshold,
            "changes": [asdict(change) for change in self.changes],
            "only_old": [dict(zip(names, key, strict=True)) for key in self.only_old],
            "only_new": [dict(zip(names, key, strict=True)) for key in self.only_new],
            "differences": list(self.differences),
        }


def compare(old: BenchResult, new: BenchResult, *, threshold: float = THRESHOLD) -> BenchComparison:
    """Compares two benchmarks by the rule above.

    Args:
        old: the result that is the reference.
        new: the result that is compared with it.
        threshold: share by which medians must differ, in [0, 1).

    Raises:
        ValueError: the threshold is out of range, or a row occurs twice.
    """
    if not 0 <= threshold < 1:
        raise ValueError(f"threshold={threshold!r}: expected a share in [0, 1)")
    before, after = _by_key("old", old), _by_key("new", new)
    return BenchComparison(
        threshold=threshold,
        changes=tuple(
            _change(old, new, before[key], row, threshold)
            for key, row in after.items()
            if key in before
        ),
        only_old=tuple(key for key in before if key not in after),
        only_new=tuple(key for key in after if key not in before),
        differences=tuple(_differences(old, new)),
    )


def _by_key(name: str, result: BenchResult) -> dict[Key, Row]:
    rows = {row.key: row for row in result.rows}
    if len(rows) < len(result.rows):
        raise ValueError(f"a row of the {name} result stands twice: expected one for each key")
    return rows


def _change(
    old: BenchResult, new: BenchResult, before: Row, after: Row, threshold: float
) -> Change:
    part, variant, batch_size, precision = after.key

    def change(status: str, **others: Any) -> Change:
        return Change(
            part=part,
            variant=variant,
            batch_size=batch_size,
            precision=precision,
            status=status,
            **others,
        )

    if reason := _not_measured("before", before) or _not_measured("now", after):
        return change(NOT_COMPARABLE, reason=reason)
    if reason := _other_task(old, new):
        return change(NOT_COMPARABLE, reason=reason)
    if before.unit != after.unit:
        return change(NOT_COMPARABLE, reason=f"in {before.unit} before, in {after.unit} now")
    if before.ratio and after.ratio and before.baseline == after.baseline:
        measure = {"measure": RATIO, "baseline": after.baseline}
        a, b = _of_ratio(before.ratio), _of_ratio(after.ratio)
    elif reason := _other_machine((old, before), (new, after)):
        return change(NOT_COMPARABLE, reason=f"{_why_no_ratio(before, after)}; {reason}")
    else:
        measure = {"measure": SPEED, "unit": after.unit}
        a, b = _of_values(before), _of_values(after)
    moved = b.median / a.median - 1
    if b.high < a.low and moved < -threshold:
        status = SLOWER
    elif b.low > a.high and moved > threshold:
        status = FASTER
    else:
        status = SAME
    return change(status, **measure, old=a, new=b, change=moved)


def _other_task(old: BenchResult, new: BenchResult) -> str:
    """Why two results did not train the same, or ""."""
    sides = [{**(spec.get("program") or {}), **spec} for spec in (old.spec, new.spec)]
    for name in (*TASK, *PAIR):
        before, after = (side.get(name) for side in sides)
        if before != after:
            return f"{name} {_shown(before)} became {_shown(after)}"
    return ""


def _not_measured(age: str, row: Row) -> str:
    if row.status != OK:
        return f"{row.status} {age}" + (f": {row.reason}" if row.reason else "")
    if len(row.values) < MIN_ROUNDS:
        return f"{len(row.values)} rounds {age}; at least {MIN_ROUNDS} are needed"
    return ""


def _why_no_ratio(before: Row, after: Row) -> str:
    if before.ratio and after.ratio:
        return f"compared with {before.baseline} before, with {after.baseline} now"
    return "no ratio in both"


def _of_ratio(ratio: Ratio) -> Measure:
    return Measure(ratio.median, ratio.low, ratio.high)


def _of_values(row: Row) -> Measure:
    """Images or runs a second, of which more is faster."""
    values = np.asarray(row.values, dtype=np.float64)
    speeds = 1 / values if row.unit == SECONDS else values
    low, high, _ = median_interval(speeds.tolist())
    return Measure(float(np.median(speeds)), low, high)


def _other_machine(old: tuple[BenchResult, Row], new: tuple[BenchResult, Row]) -> str:
    """Why speeds cannot be compared, or ""."""
    before, after = machine(*old), machine(*new)
    for name in NEEDED:
        for age, found in (("old", before), ("new", after)):
            if found[name] is None:
                return f"the {age} result does not name its {name}"
    for name, value in before.items():
        if value != after[name]:
            return f"{name} {_shown(value)} became {_shown(after[name])}"
    return ""


def _differences(old: BenchResult, new: BenchResult) -> list[str]:
    before, after = facts(old), facts(new)
    return [
        f"{name} {_shown(before.get(name))} became {_shown(after.get(name))}"
        for name in before | after
        if before.get(name) != after.get(name)
    ]


def _shown(value: Any) -> str:
    text = "unknown" if value is None else str(value)
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 3] + "..."
