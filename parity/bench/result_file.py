"""A BenchResult from its file, which may be from anyone.

In: a path to what `parity bench --json` wrote. Out: the result, of which every value has been
checked before anything relies on it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
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
from parity.strict_json import read_strict

MAX_BYTES = 20_000_000  # a hundred rows of a thousand rounds have 2e6
MAX_ROWS = 10_000
MAX_ROUNDS = 10_000  # of a row
MAX_NAME = 200  # characters
MAX_TEXT = 100_000
MAX_WRONG = 40  # characters that are shown of what is wrong
LEAST, MOST = 1e-100, 1e100  # of what is divided by something: no quotient leaves the floats

# For each name whether a value is right, and what was expected.

_Rule = tuple[Callable[[Any], bool], str]


def _is_integer(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_number(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and value >= 0


def _is_positive(value: Any) -> bool:
    return _is_number(value) and LEAST <= value <= MOST


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= MAX_TEXT


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= MAX_NAME


def _one_of(*names: str) -> _Rule:
    return (lambda value: isinstance(value, str) and value in names), " or ".join(map(repr, names))


def _or_none(rule: _Rule) -> _Rule:
    is_right, expected = rule
    return (lambda value: value is None or is_right(value)), f"{expected}, or null"


_NAME: _Rule = _is_name, f"a text of 1 to {MAX_NAME} characters"
_TEXT: _Rule = _is_text, f"a text of at most {MAX_TEXT:,} characters"
_AMOUNT: _Rule = _is_number, "a number of at least 0"
_POSITIVE: _Rule = _is_positive, f"a number in [{LEAST:g}, {MOST:g}]"
_MAPPING: _Rule = (lambda value: isinstance(value, dict)), "a mapping"

_ROW: dict[str, _Rule] = {
    "part": _NAME,
    "variant": _NAME,
    "batch_size": ((lambda value: _is_integer(value, 0)), "an integer of at least 0"),
    "precision": _NAME,
    "status": _one_of(OK, FAILED, REFUSED),
    "reason": _TEXT,
    "unit": _one_of(IMAGES_PER_S, SECONDS),
    "values": (
        (lambda value: isinstance(value, list) and len(value) <= MAX_ROUNDS),
        f"a list of at most {MAX_ROUNDS:,} numbers",
    ),
    "baseline": _or_none(_NAME),
    "ratio": _or_none(_MAPPING),
    "warmup_s": _or_none(_AMOUNT),
    "seconds_to_accuracy": _or_none(_AMOUNT),
    "peak_memory_mb": _or_none(_AMOUNT),
    "parity": _one_of("pass", "fail", "unchecked"),
    "parity_note": _TEXT,
    "environment": _or_none(_MAPPING),
}
_RATIO: dict[str, _Rule] = {
    "median": _POSITIVE,
    "low": _POSITIVE,
    "high": _POSITIVE,
    "confidence": ((lambda value: _is_number(value) and value <= 1), "a number in [0, 1]"),
    "n": ((lambda value: _is_integer(value, 1)), "an integer of at least 1"),
}
_RESULT: dict[str, _Rule] = {
    "schema": _one_of(SCHEMA),
    "spec": _MAPPING,
    "environment": _MAPPING,
    "rows": (
        (lambda value: isinstance(value, list) and len(value) <= MAX_ROWS),
        f"a list of at most {MAX_ROWS:,} rows",
    ),
}


def read_result(path: Path) -> BenchResult:
    """Reads what `parity bench --json` wrote; the file may be from anyone.

    What follows from other values (verdict, quartiles) is computed anew, and unknown keys are
    ignored.

    Raises:
        InputError: the file cannot be read, or is no such result.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path} cannot be read ({reason}); check the path") from None
    try:
        if len(content) > MAX_BYTES:
            raise ValueError(f"it has more than {MAX_BYTES:,} bytes")
        return _result(read_strict(content))
    except ValueError as error:
        raise InputError(
            f"{path} is no result of a benchmark: {error}; expected what `parity bench --json` "
            "wrote"
        ) from None


def _result(content: Any) -> BenchResult:
    found = _checked("the file", content, _RESULT)
    rows: dict[tuple[str, str, int, str], Row] = {}
    for number, item in enumerate(found["rows"]):
        row = _row(f"rows[{number}]", item)
        if row.key in rows:
            raise ValueError(f"rows[{number}] stands for what a row before it stands for")
        rows[row.key] = row
    return BenchResult(
        spec=found["spec"], rows=tuple(rows.values()), environment=found["environment"]
    )


def _row(path: str, content: Any) -> Row:
    found = _checked(path, content, _ROW)
    for number, value in enumerate(found["values"]):
        _check(f"{path}.values[{number}]", value, _POSITIVE)
    if found["ratio"] is not None:
        ratio = Ratio(**_checked(f"{path}.ratio", found["ratio"], _RATIO))
        if not ratio.low <= ratio.median <= ratio.high:
            raise ValueError(f"{path}.ratio has a median outside of its interval")
        if ratio.n != (count := len(found["values"])):
            raise ValueError(f"{path}.ratio is of {ratio.n} pairs, but there are {count} values")
        if found["baseline"] is None:
            raise ValueError(f"{path} has a ratio, but no baseline")
        found["ratio"] = ratio
    return Row(**{**found, "values": tuple(map(float, found["values"]))})


def _checked(path: str, content: Any, rules: Mapping[str, _Rule]) -> dict[str, Any]:
    """The values of a mapping that have a rule, each as it should be."""
    if not isinstance(content, dict):
        raise ValueError(f"{path} is of type {type(content).__name__}; expected a mapping")
    for name, rule in rules.items():
        if name not in content:
            raise ValueError(f"{path} has no {name!r}")
        _check(name if path == "the file" else f"{path}.{name}", content[name], rule)
    return {name: content[name] for name in rules}


def _check(path: str, value: Any, rule: _Rule) -> None:
    is_right, expected = rule
    if not is_right(value):
        shown = repr(value)
        shown = shown if len(shown) <= MAX_WRONG else shown[: MAX_WRONG - 3] + "..."
        raise ValueError(f"{path} is {shown}; expected {expected}")
