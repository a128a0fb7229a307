"""BenchResult: what a benchmark has found, as it is shown, saved and compared.

A row is one variant in one cell: a part of training at one batch size and precision. Its values are
those of the rounds, in which the variants of a cell took turns, so that the n-th values of two rows
were measured one right after the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

SCHEMA = "parity.bench/1"
OK, FAILED, REFUSED = "ok", "failed", "refused"
IMAGES_PER_S, SECONDS = "images/s", "s"  # more is faster; less is faster


@dataclass(frozen=True)
class Ratio:
    """How many times as fast a variant is as its baseline, by pairs of rounds.

    Attributes:
        median: of the ratios of the pairs; above 1 is faster than the baseline.
        low, high: ends of the interval of the median, of confidence `confidence`.
        confidence: of the interval.
        n: number of pairs.
    """

    median: float
    low: float
    high: float
    confidence: float
    n: int


@dataclass(frozen=True, kw_only=True)
class Row:
    """One variant in one cell.

    Attributes:
        part: "train", "step", "input", "augment" or "startup".
        variant: its name: "keras", "torch", "torch-eager", ...; with "#2" if it runs twice.
        batch_size: samples a step.
        precision: "fp32", "tf32", "bf16" or "fp16".
        status: "ok"; "failed": it could not be measured; "refused": it was, and is no result.
        reason: why it is not "ok", in one paragraph; "" if it is.
        unit: of the values.
        values: of the rounds, in order; empty unless there are any.
        baseline: the variant that it is compared with, or None.
        ratio: to the baseline; None for the baseline itself, and where one of both is not "ok".
        warmup_s: seconds from the start of the process to the first measured round: imports,
            construction, compilation, rounds until speed was steady.
        seconds_to_accuracy: of training from its first step on, the rounds of the warm-up and what
            is compiled in them included, without validation, until the accuracy that was asked for
            was reached on the validation samples; None if it was not, or not asked for.
        peak_memory_mb: greatest resident memory of the process, or of the device.
        parity: "pass", "fail" or "unchecked": whether the variant trains as Keras does.
        parity_note: how that was found: mode, level, figures.
        environment: versions, threads, flags of the process.
    """

    part: str
    variant: str
    batch_size: int
    precision: str
    status: str = OK
    reason: str = ""
    unit: str = IMAGES_PER_S
    values: tuple[float, ...] = ()
    baseline: str | None = None
    ratio: Ratio | None = None
    warmup_s: float | None = None
    seconds_to_accuracy: float | None = None
    peak_memory_mb: float | None = None
    parity: str = "unchecked"
    parity_note: str = ""
    environment: Mapping[str, Any] | None = None

    @property
    def key(self) -> tuple[str, str, int, str]:
        """What it is the measurement of."""
        return self.part, self.variant, self.batch_size, self.precision

    def quartiles(self) -> tuple[float, float, float]:
        """Returns the lower quartile, the median and the upper quartile of the values."""
        low, middle, high = np.percentile(self.values, [25, 50, 75])
        return float(low), float(middle), float(high)


@dataclass(frozen=True)
class BenchResult:
    """A whole benchmark.

    Attributes:
        spec: what was asked for, as JSON-ready values.
        rows: in the order of the report.
        environment: machine, versions, date, command.
    """

    spec: Mapping[str, Any]
    rows: Sequence[Row]
    environment: Mapping[str, Any]

    @property
    def verdict(self) -> str:
        """Returns "pass", "fail" if a variant trains otherwise, "incomplete" if one failed."""
        statuses = {row.status for row in self.rows}
        return "incomplete" if FAILED in statuses else "fail" if REFUSED in statuses else "pass"

    def to_json(self) -> dict[str, Any]:
        """Returns the result as JSON-ready values, with the quartiles of each row."""
        rows = []
        for row in self.rows:
            quartiles = row.quartiles() if row.values else (None, None, None)
            named = dict(zip(("q1", "median", "q3"), quartiles, strict=True))
            rows.append({**asdict(row), "values": list(row.values), **named})
        return {
            "schema": SCHEMA,
            "verdict": self.verdict,
            "spec": dict(self.spec),
            "environment": dict(self.environment),
            "rows": rows,
        }
