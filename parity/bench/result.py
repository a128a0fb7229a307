"""BenchResult: what a benchmark has found, as it is shown, saved and compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import numpy as np
from msgspec import Meta

from parity.files import records

# --- BenchResult: what a benchmark has found, as it is shown, saved and compared ------------------
#
# A row is one variant in one cell: a part of training at one batch size and precision. It has one
# value a round. The variants of a cell take turns in a round, so the n-th values of two rows were
# measured right after each other.


SCHEMA = "parity.bench/1"
OK, FAILED, REFUSED, SKIPPED = "ok", "failed", "refused", "skipped"
IMAGES_PER_S, SAMPLES_PER_S, SECONDS = "images/s", "samples/s", "s"
UNITS = (IMAGES_PER_S, SAMPLES_PER_S, SECONDS)  # of all but seconds, more is faster
MAX_ROUNDS = 10_000  # of a row

Text = Annotated[str, Meta(max_length=100_000)]
Word = Annotated[str, Meta(min_length=1, max_length=200)]
# Of what is divided by something: no quotient leaves the floats.
Positive = Annotated[float, Meta(ge=1e-100, le=1e100)]


@dataclass(frozen=True)
class Ratio:
    """How many times as fast a variant is as its baseline, by pairs of rounds.

    Attributes:
        median: median of the ratios of the pairs; above 1 is faster than the baseline.
        low, high: interval of the median.
        confidence: confidence of the interval.
        n: number of pairs.
    """

    median: Positive
    low: Positive
    high: Positive
    confidence: records.Share
    n: records.AtLeastOne


@dataclass(frozen=True, kw_only=True)
class Row:
    """One variant in one cell.

    Attributes:
        part: "train", "step", "input", "augment" or "startup".
        variant: name: "keras", "torch", "torch-eager", ...; with "#2" if it runs twice.
        batch_size: samples a step.
        precision: "fp32", "tf32", "bf16" or "fp16".
        status: "ok"; "failed" if it could not be measured; "refused" if it does not count, because
            it does not do the same; "skipped" if the variant does not apply to the program.
        reason: why the status is not "ok", in one paragraph; "" if it is "ok".
        unit: unit of the values: "images/s" of a scenario, "samples/s" of a program, or "s".
        values: one value a round, in order; may be empty.
        baseline: the variant that it is compared with, or None.
        ratio: ratio to the baseline; None for the baseline itself, and where one of the two is not
            "ok".
        warmup_s: seconds from the start of the process to the first measured round: imports,
            construction, compilation, rounds until speed was steady.
        seconds_to_accuracy: seconds of training until the requested accuracy was reached on the
            validation samples, from the first step on. Warm-up and compilation count, validation
            does not. None if it was not reached or not requested.
        peak_memory_mb: greatest resident memory of the process, or of the device.
        parity: "pass", "fail" or "unchecked": whether the variant trains as Keras does.
        parity_note: how that was found: mode, level, figures.
        environment: versions, threads, flags of the process.
    """

    part: str
    variant: Word
    batch_size: records.Count
    precision: str
    status: Annotated[str, records.one_of(OK, FAILED, REFUSED, SKIPPED)] = OK
    reason: Text = ""
    unit: Annotated[str, records.one_of(*UNITS)] = IMAGES_PER_S
    values: Annotated[tuple[Positive, ...], Meta(max_length=MAX_ROUNDS)] = ()
    baseline: Word | None = None
    ratio: Ratio | None = None
    warmup_s: records.Amount | None = None
    seconds_to_accuracy: records.Amount | None = None
    peak_memory_mb: records.Amount | None = None
    parity: Annotated[str, records.one_of("pass", "fail", "unchecked")] = "unchecked"
    parity_note: Text = ""
    environment: Mapping[str, Any] | None = None

    @property
    def key(self) -> tuple[str, str, int, str]:
        """Part, variant, batch size and precision, which name the row."""
        return self.part, self.variant, self.batch_size, self.precision

    def quartiles(self) -> tuple[float, float, float]:
        """Returns the lower quartile, the median and the upper quartile of the values."""
        low, middle, high = np.percentile(self.values, [25, 50, 75])
        return float(low), float(middle), float(high)


@dataclass(frozen=True)
class BenchResult:
    """A whole benchmark.

    Attributes:
        spec: the request, as JSON-ready values.
        rows: in the order of the report.
        environment: machine, versions, date, command.
        is_finished: whether all cells were measured, and parity was checked where that was asked
            for. False for what an interrupted benchmark leaves.
    """

    spec: Mapping[str, Any]
    rows: Sequence[Row]
    environment: Mapping[str, Any]
    is_finished: bool = True

    @property
    def verdict(self) -> str:
        """Returns "pass", "fail" or "incomplete".

        It is "incomplete" if a variant could not be measured or the benchmark did not finish, and
        "fail" if a variant trains differently from Keras.
        """
        statuses = {row.status for row in self.rows}
        if FAILED in statuses or not self.is_finished:
            return "incomplete"
        return "fail" if REFUSED in statuses else "pass"

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


# --- What the speed of a benchmark depends on besides its code: the machine and the versions ------
#
# In: a `BenchResult`, whose rows may say what differs in their own process. Out: the facts in it.
# The present machine is not asked, and nothing is assumed where the result is silent.


# Looked up in the row's `environment`, then in the result's, then in `spec`.
NEEDED = ("processor", "cores", "threads")
HARDWARE = (*NEEDED, "device", "gpu")
FIRST = ("python", "keras", "tensorflow", "torch", "numpy")  # versions that come first


def machine(result: BenchResult, row: Row | None = None) -> dict[str, Any]:
    """Returns what is known of the hardware that a row ran on; None for what is not."""
    places = [result.environment, result.spec]
    if row is not None and row.environment is not None:
        places.insert(0, row.environment)
    return {
        name: next((p[name] for p in places if p.get(name) not in (None, "")), None)
        for name in HARDWARE
    }


def facts(result: BenchResult) -> dict[str, str]:
    """Returns all known facts as text: hardware, Python and packages, of all rows."""
    known: dict[str, dict[str, None]] = {name: {} for name in (*HARDWARE, *FIRST)}

    def add(found: Mapping[Any, Any]) -> None:
        for name, value in found.items():
            if value not in (None, ""):
                known.setdefault(str(name), {})[str(value)] = None

    rows: Sequence[Row | None] = result.rows or (None,)
    for row in rows:
        add(machine(result, row))
    for place in (result.environment, *(row.environment or {} for row in result.rows)):
        add({"python": place.get("python")})
        if isinstance(versions := place.get("versions"), Mapping):
            add(versions)
    return {name: " or ".join(values) for name, values in known.items() if values}
