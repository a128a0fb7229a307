"""A BenchResult from its file, which may be from anyone.

In: a path to what `parity bench --json` wrote, or the value that such a file holds. Out: the
result, of which every value has been checked before anything relies on it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from parity.bench.result import (
    FAILED,
    REFUSED,
    SCHEMA,
    BenchResult,
    Row,
)
from parity.bench.statistics import with_ratios
from parity.files import records
from parity.programs.bench_spec import PARTS, PRECISIONS, BenchSpec
from parity.programs.spec_record import ProgramSpecRecord

MAX_BYTES = 20_000_000  # a hundred rows of a thousand rounds have 2e6
MAX_ROWS = 10_000
Part = Annotated[str, records.one_of(*PARTS)]
Precision = Annotated[str, records.one_of(*PRECISIONS)]
Some = Meta(min_length=1)

_ENVIRONMENT = {
    "python": "Version of the interpreter.",
    "executable": "Path of the interpreter.",
    "system": "Operating system.",
    "machine": "Architecture.",
    "processor": "Its name.",
    "cores": "Number of cores.",
    "versions": "Version of each package by name.",
    "variables": "Environment variables that change how fast is computed.",
    "began": "When the benchmark began.",
    "background_cpu_share": "Share of CPU time that other processes used; null: not known.",
}


@records.mirrors(BenchSpec)
class BenchSpecRecord:
    """All settings of a benchmark: parity.programs.bench_spec.BenchSpec.

    Attributes:
        program: of the user's; a benchmark of a built-in scenario lacks it.
    """

    parts: Annotated[list[Part], Some]
    variants: Annotated[list[str], Some]
    batch_sizes: list[records.AtLeastOne]
    precisions: Annotated[list[Precision], Some]
    device: str
    seed: records.Count
    program: ProgramSpecRecord | UnsetType = UNSET


@records.mirrors(Row)
class RowRecord:
    """One variant in one cell: a part of training at one batch size and precision.

    Attributes:
        environment: versions, threads and variables of the process; null: it never told.
        q1: lower quartile of the values; null without values.
        median: their median.
        q3: upper quartile.
    """

    part: Part
    precision: Precision
    environment: (
        Annotated[dict[str, Any], Meta(extra_json_schema={"additionalProperties": True})] | None
    )
    q1: records.Amount | None
    median: records.Amount | None
    q3: records.Amount | None


class BenchRecord(records.Record):
    """What `parity bench --json` writes.

    Attributes:
        schema: name and version of this schema.
        verdict: pass: all was measured, and no variant is known to train otherwise; fail: one does;
            incomplete: one could not be measured, or the benchmark is not finished.
        spec: what was asked for: parity.programs.bench_spec.BenchSpec.
        environment: machine and versions of the parent. More may be told.
        rows: in the order of the report.
    """

    schema: Annotated[str, records.one_of(SCHEMA)]
    verdict: Annotated[str, records.one_of("pass", "fail", "incomplete")]
    spec: BenchSpecRecord
    environment: Annotated[
        dict[str, Any],
        Meta(
            extra_json_schema={
                "properties": {name: {"description": text} for name, text in _ENVIRONMENT.items()},
                "additionalProperties": True,
            }
        ),
    ]
    rows: Annotated[list[RowRecord], Meta(max_length=MAX_ROWS)]


def read_result(path: Path) -> BenchResult:
    """Reads what `parity bench --json` wrote; the file may be from anyone.

    Ratios, quartiles and the verdict are computed from the rounds, and not read. A verdict that
    says less than the rows do counts: "incomplete" where no row failed is that of a benchmark that
    was interrupted.

    Raises:
        InputError: the file cannot be read, or is no such result.
    """
    return records.read_record(BenchRecord, path, _result, max_bytes=MAX_BYTES)


def bench_from(value: Any, where: str) -> BenchResult:
    """Returns the result that a value stands for, which `read_result` would read.

    Args:
        value: as the file holds it.
        where: the file, for the message of an error.

    Raises:
        InputError: the value is no such result.
    """
    return records.record_from(BenchRecord, value, where, _result)


def _result(found: BenchRecord) -> BenchResult:
    rows: dict[tuple[str, str, int, str], Row] = {}
    for number, row in enumerate(records.domain(tuple[Row, ...], found.rows)):
        if row.key in rows:
            raise ValueError(f"rows[{number}] stands for what a row before it stands for")
        trains_otherwise = row.parity == "fail" and row.status != FAILED
        rows[row.key] = replace(row, status=REFUSED) if trains_otherwise else row
    spec = records.plain(found.spec)
    return BenchResult(
        spec=spec,
        rows=with_ratios(
            [*rows.values()], spec["baseline"], across_precision=spec["across_precision"]
        ),
        environment=found.environment,
        is_finished=found.verdict != "incomplete"
        or any(row.status == FAILED for row in rows.values()),
    )
