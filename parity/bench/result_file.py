"""A BenchResult from its file, which may be from anyone.

In: a path to what `parity bench --json` wrote. Out: the result, with every value checked.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from parity.bench.result import (
    FAILED,
    IMAGES_PER_S,
    OK,
    REFUSED,
    SCHEMA,
    SECONDS,
    BenchResult,
    Ratio,
    Row,
)
from parity.errors import InputError
from parity.json_rules import (
    AMOUNT,
    MAPPING,
    SHARE,
    Rule,
    check_each,
    checked,
    integer,
    is_finite,
    list_of,
    one_of,
    or_none,
    text,
)
from parity.strict_json import read_start, read_strict

MAX_BYTES = 20_000_000  # a hundred rows of a thousand rounds have 2e6
MAX_ROWS = 10_000
MAX_ROUNDS = 10_000  # of a row
MAX_NAME = 200  # characters
MAX_TEXT = 100_000
LEAST, MOST = 1e-100, 1e100  # of what is divided by something: no quotient leaves the floats

_NAME = text(MAX_NAME, least=1)
_TEXT = text(MAX_TEXT)
_POSITIVE: Rule = (
    (lambda value: is_finite(value) and LEAST <= value <= MOST),
    f"a number in [{LEAST:g}, {MOST:g}]",
)

_ROW: dict[str, Rule] = {
    "part": _NAME,
    "variant": _NAME,
    "batch_size": integer(0),
    "precision": _NAME,
    "status": one_of(OK, FAILED, REFUSED),
    "reason": _TEXT,
    "unit": one_of(IMAGES_PER_S, SECONDS),
    "values": list_of("numbers", MAX_ROUNDS),
    "baseline": or_none(_NAME),
    "ratio": or_none(MAPPING),
    "warmup_s": or_none(AMOUNT),
    "seconds_to_accuracy": or_none(AMOUNT),
    "peak_memory_mb": or_none(AMOUNT),
    "parity": one_of("pass", "fail", "unchecked"),
    "parity_note": _TEXT,
    "environment": or_none(MAPPING),
}
_RATIO: dict[str, Rule] = {
    "median": _POSITIVE,
    "low": _POSITIVE,
    "high": _POSITIVE,
    "confidence": SHARE,
    "n": integer(1),
}
_RESULT: dict[str, Rule] = {
    "schema": one_of(SCHEMA),
    "verdict": one_of("pass", "fail", "incomplete"),
    "spec": MAPPING,
    "environment": MAPPING,
    "rows": list_of("rows", MAX_ROWS),
}


def read_result(path: Path) -> BenchResult:
    """Reads what `parity bench --json` wrote; the file may be from anyone.

    Quartiles and the verdict are computed again, and unknown keys are ignored. A verdict that says
    less than the rows do counts: "incomplete" where no row failed is that of a benchmark that was
    interrupted.

    Raises:
        InputError: the file cannot be read, or is no such result.
    """
    content = read_start(path, MAX_BYTES)
    try:
        return _result(read_strict(content, MAX_BYTES))
    except ValueError as error:
        raise InputError(
            f"{path} is no result of a benchmark: {error}; expected what `parity bench --json` "
            "wrote"
        ) from None


def _result(content: Any) -> BenchResult:
    found = checked("", content, _RESULT)
    rows: dict[tuple[str, str, int, str], Row] = {}
    for number, item in enumerate(found["rows"]):
        row = _row(f"rows[{number}]", item)
        if row.key in rows:
            raise ValueError(f"rows[{number}] stands for what a row before it stands for")
        rows[row.key] = row
    statuses = {row.status for row in rows.values()}
    if found["verdict"] == "fail" and statuses <= {OK}:
        raise ValueError("verdict is 'fail', but no row is refused")
    return BenchResult(
        spec=found["spec"],
        rows=tuple(rows.values()),
        environment=found["environment"],
        is_finished=found["verdict"] != "incomplete" or FAILED in statuses,
    )


def _row(path: str, content: Any) -> Row:
    found = checked(path, content, _ROW)
    check_each(f"{path}.values", found["values"], _POSITIVE)
    if found["ratio"] is not None:
        ratio = Ratio(**checked(f"{path}.ratio", found["ratio"], _RATIO))
        if not ratio.low <= ratio.median <= ratio.high:
            raise ValueError(f"{path}.ratio has a median outside of its interval")
        if ratio.n != (count := len(found["values"])):
            raise ValueError(f"{path}.ratio is of {ratio.n} pairs, but there are {count} values")
        if found["baseline"] is None:
            raise ValueError(f"{path} has a ratio, but no baseline")
        found["ratio"] = ratio
    return Row(**{**found, "values": tuple(map(float, found["values"]))})
