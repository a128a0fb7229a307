"""A Result from its file, which may be from anyone.

In: a path to what `parity run --json` or `parity check --json` wrote for one pair (schema
`parity.result/1`), or the value that such a file holds. Out: the result, of which every value has
been checked before anything relies on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from parity.behaviour import VERDICTS
from parity.errors import InputError
from parity.json_rules import (
    AMOUNT,
    BOOL,
    MAPPING,
    NUMBER,
    SHARE,
    Rule,
    check,
    check_each,
    checked,
    integer,
    list_of,
    one_of,
    or_none,
    text,
)
from parity.programs.run_spec import DTYPES, HALVES, MODES
from parity.result import (
    ERROR,
    FAIL,
    LEVELS,
    NOT_REACHED,
    PASS,
    SCHEMA,
    SKIPPED,
    UNITS,
    Item,
    Level,
    Result,
)
from parity.strict_json import check_plain, read_start, read_strict
from parity.trace import decode_floats

MAX_BYTES = 100_000_000  # a run of 50 epochs of 1,563 steps has 0.5e6
MAX_ENTRIES = 1_000_000  # of a list
MAX_NAME = 10_000  # characters; names of layers are the user's
MAX_TEXT = 1_000_000
MAX_AXES = 64  # as of NumPy's arrays

_NAME, _TEXT = text(MAX_NAME), text(MAX_TEXT)
_MAYBE_NAME, _MAYBE_NUMBER = or_none(_NAME), or_none(NUMBER)
_COUNT, _MAYBE_COUNT = integer(0), or_none(integer(0))
_SCALAR: Rule = (
    (lambda value: not isinstance(value, dict | list)),
    "a number, a text, true, false or null",
)

_RESULT: dict[str, Rule] = {
    "schema": one_of(SCHEMA),
    "verdict": one_of(PASS, FAIL, ERROR),
    "mode": one_of(*MODES, "replayed"),
    "spec": MAPPING,
    "environment": MAPPING,
    "data": MAPPING,
    "levels": list_of("levels", len(LEVELS)),
    "first_divergence": or_none(MAPPING),
    "settings": list_of("settings", MAX_ENTRIES),
    "behaviour": MAPPING,
    "history": MAPPING,
    "wall_s": MAPPING,
    "envelope": or_none(MAPPING),
    "errors": list_of("texts", MAX_ENTRIES),
}
# What reports show of a spec; the others of its settings are any plain values.
_RUN: dict[str, Rule] = {
    "scenario": _NAME,
    "seed": integer(0, 2**32 - 1),
    "dtype": one_of(*DTYPES),
    "epochs": integer(1),
    "batch_size": integer(1),
}
_CHECK: dict[str, Rule] = {
    "keras": _MAYBE_NAME,
    "torch": _NAME,
    "data": _MAYBE_NAME,
    "seed": integer(0, 2**32 - 1),
    "steps": integer(1),
    "batch_size": integer(2),
}
_LEVEL: dict[str, Rule] = {
    "id": one_of(*LEVELS),
    "status": one_of(PASS, FAIL, SKIPPED, NOT_REACHED),
    "origin": _TEXT,
    "items": list_of("items", MAX_ENTRIES),
}
_ITEM: dict[str, Rule] = {
    "name": _NAME,
    "worst": NUMBER,
    "allowed": NUMBER,
    "unit": one_of(*UNITS),
    "num_compared": _COUNT,
    "epoch": _MAYBE_COUNT,
    "step": _MAYBE_COUNT,
    "index": or_none(list_of("integers", MAX_AXES)),
    "keras": _SCALAR,
    "torch": _SCALAR,
    "note": _TEXT,
}
_FIRST: dict[str, Rule] = {
    "causes": list_of("causes", MAX_ENTRIES),
    "place": or_none(MAPPING),
}
_CAUSE: dict[str, Rule] = {
    "id": _NAME,
    "title": _NAME,
    "level": one_of(*LEVELS),
    "confidence": SHARE,
    "detail": _TEXT,
    "keras": _TEXT,
    "torch": _TEXT,
    "fix": _TEXT,
    "source": _TEXT,
    "where": _NAME,
}
_PLACE: dict[str, Rule] = {
    "keras": _MAYBE_NAME,
    "torch": _MAYBE_NAME,
    "where": _MAYBE_NAME,
    "introduced": or_none(BOOL),
}
_ANY: Rule = (lambda value: True), "any value"
_SETTING: dict[str, Rule] = {
    "id": _NAME,
    "name": _NAME,
    "keras": _ANY,
    "torch": _ANY,
    "layers": (
        (lambda value: isinstance(value, list) and 1 <= len(value) <= MAX_ENTRIES),
        "a list of at least one pair of layers",
    ),
}
_PAIR: Rule = (
    lambda value: isinstance(value, list) and len(value) == 2 and all(map(_NAME[0], value)),
    "the names of two layers",
)
_DATA: dict[str, Rule] = {"source": _NAME, "sha256": MAPPING}
_JUDGEMENT: dict[str, Rule] = {
    "verdict": one_of(*VERDICTS),
    "rule": _NAME,
    "because": _TEXT,
    "num_epochs": _COUNT,
    "train_accuracy": _MAYBE_NUMBER,
    "is_eval": BOOL,
    "val_accuracy": _MAYBE_NUMBER,
    "gap": _MAYBE_NUMBER,
    "gap_error": _MAYBE_NUMBER,
    "target": NUMBER,
    "chance": _MAYBE_NUMBER,
    "epochs_to_plateau": _MAYBE_NUMBER,
    "best_epoch": _MAYBE_COUNT,
    "val_loss_rise": _MAYBE_NUMBER,
}
_ENVELOPE: dict[str, Rule] = {
    "num_nudges": _COUNT,
    "factor": AMOUNT,
    "steps": list_of("steps", MAX_ENTRIES),
    "hull": list_of("numbers", MAX_ENTRIES),
    "sensitivity": MAPPING,
}
_SHOWN_COLUMNS = ("val_accuracy", "learning_rate")


def read_result(path: Path) -> Result:
    """Reads the result of one run or one check; the file may be from anyone.

    What follows from other values (status of an item, worst of a level, the first divergence) is
    computed anew, and unknown keys are ignored.

    Raises:
        InputError: the file cannot be read, or is no such result.
    """
    content = read_start(path, MAX_BYTES)
    try:
        return _result(read_strict(content, MAX_BYTES, MAX_TEXT))
    except ValueError as error:
        raise _refusal(str(path), error) from None


def result_from(value: Any, where: str) -> Result:
    """Returns the result that a value stands for, such as one of `parity.results/1`.

    Args:
        value: as `Result.to_json` returns it.
        where: the file, and the place in it, for the message of an error.

    Raises:
        InputError: the value is no such result.
    """
    try:
        check_plain(value, MAX_TEXT)
        return _result(value)
    except ValueError as error:
        raise _refusal(where, error) from None


def _refusal(where: str, error: ValueError) -> InputError:
    return InputError(
        f"{where} is no result of one run or check: {error}; expected what `parity run --json` or "
        f"`parity check --json` wrote of one pair, schema {SCHEMA}"
    )


def _result(content: Any) -> Result:
    found = checked("", content, _RESULT)
    is_run = "scenario" in found["spec"]
    if is_run:
        checked("spec", found["spec"], _RUN)
    else:
        checked("spec", found["spec"], _CHECK, needed=("torch", "seed"))
    levels = tuple(_level(f"levels[{n}]", value) for n, value in enumerate(found["levels"]))
    causes, place = _first(found["first_divergence"])
    result = Result(
        verdict=found["verdict"],
        spec=found["spec"],
        levels=levels,
        environment=_halves("environment", found["environment"]),
        data=_data(found["data"]),
        mode=found["mode"],
        behaviour={
            half: _judgement(f"behaviour.{half}", value)
            for half, value in _halves("behaviour", found["behaviour"]).items()
        },
        history={
            half: _history(f"history.{half}", value)
            for half, value in _halves("history", found["history"]).items()
        },
        wall_s={
            check("a key of wall_s", half, one_of(*HALVES)): decode_floats(
                check(f"wall_s.{half}", value, NUMBER)
            )
            for half, value in found["wall_s"].items()
        },
        envelope=None if found["envelope"] is None else _envelope(found["envelope"]),
        errors=tuple(check_each("errors", found["errors"], _TEXT)),
        causes=causes,
        place=place,
        settings=tuple(
            _setting(f"settings[{n}]", value) for n, value in enumerate(found["settings"])
        ),
    )
    _check_levels(result, found["first_divergence"])
    if is_run and result.verdict != ERROR:
        _check_trainings(result)
    return result


def _check_levels(result: Result, first: Any) -> None:
    """Parity holds where no level fails, and a level where none of its items does."""
    if len({level.id for level in result.levels}) < len(result.levels):
        raise ValueError("levels has two of one id")
    for number, level in enumerate(result.levels):
        has_failed = level.first_failure is not None
        if has_failed and level.status != FAIL:
            raise ValueError(f"levels[{number}] does not fail, but one of its items does")
        # Where there was nothing to compare, a level may fail without an item.
        if level.items and level.status == FAIL and not has_failed:
            raise ValueError(f"levels[{number}] fails, but none of its items does")
    has_failed = any(level.status == FAIL for level in result.levels)
    if result.verdict != ERROR and has_failed != (result.verdict == FAIL):
        told = "one of the levels fails" if has_failed else "none of the levels fails"
        raise ValueError(f"verdict is {result.verdict!r}, but {told}")
    if (first is None) != (result.first_divergence is None):
        raise ValueError("first_divergence is not that of the levels")


def _check_trainings(result: Result) -> None:
    """Of a run that was compared, reports show how both trainings ended."""
    for half in HALVES:
        for name in ("behaviour", "history", "wall_s"):
            if half not in getattr(result, name):
                raise ValueError(f"{name} has no {half!r}")
        for column in _SHOWN_COLUMNS:
            if not result.history[half].get(column):
                raise ValueError(f"history.{half} has no {column!r} of at least one epoch")


def _halves(place: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """What is told of each half; both are mappings."""
    for half, value in content.items():
        check("a key of " + place, half, one_of(*HALVES))
        check(f"{place}.{half}", value, MAPPING)
    return dict(content)


def _level(place: str, content: Any) -> Level:
    found = checked(place, content, _LEVEL)
    items = tuple(_item(f"{place}.items[{n}]", value) for n, value in enumerate(found["items"]))
    return Level(found["id"], found["status"], found["origin"], items)


def _item(place: str, content: Any) -> Item:
    found = checked(place, content, _ITEM)
    if found["index"] is not None:
        found["index"] = tuple(check_each(f"{place}.index", found["index"], _COUNT))
    for name in ("worst", "allowed"):
        found[name] = float(decode_floats(found[name]))
    for half in HALVES:
        found[half] = decode_floats(found[half])
    return Item(**found)


def _first(content: Any) -> tuple[tuple[dict[str, Any], ...], dict[str, Any] | None]:
    """Causes and place of the first divergence; what it was follows from the levels."""
    if content is None:
        return (), None
    found = checked("first_divergence", content, _FIRST)
    causes = tuple(
        checked(f"first_divergence.causes[{n}]", value, _CAUSE)
        for n, value in enumerate(found["causes"])
    )
    place = found["place"]
    return causes, None if place is None else checked("first_divergence.place", place, _PLACE)


def _setting(place: str, content: Any) -> dict[str, Any]:
    found = checked(place, content, _SETTING)
    check_each(f"{place}.layers", found["layers"], _PAIR)
    return {**found, **{half: decode_floats(found[half]) for half in HALVES}}


def _data(content: Mapping[str, Any]) -> dict[str, Any]:
    if not content:  # a check has none, nor has a run that failed
        return {}
    found = checked("data", content, _DATA)
    for name, digest in found["sha256"].items():
        check(f"data.sha256.{name}", digest, _NAME)
    return found


def _judgement(place: str, content: Mapping[str, Any]) -> dict[str, Any]:
    found = checked(place, content, _JUDGEMENT, needed=("verdict",))
    texts = ("verdict", "rule", "because")
    return {k: value if k in texts else decode_floats(value) for k, value in found.items()}


def _history(place: str, content: Mapping[str, Any]) -> dict[str, list[float]]:
    """Columns of numbers, equally long."""
    columns = {}
    for name, values in content.items():
        check(f"{place}.{name}", values, list_of("numbers", MAX_ENTRIES))
        check_each(f"{place}.{name}", values, NUMBER)
        columns[name] = [float(decode_floats(value)) for value in values]
    if len({len(column) for column in columns.values()}) > 1:
        raise ValueError(f"the columns of {place} are not equally long")
    return columns


def _envelope(content: Any) -> dict[str, Any]:
    found = checked("envelope", content, _ENVELOPE)
    check_each("envelope.steps", found["steps"], _COUNT)
    check_each("envelope.hull", found["hull"], NUMBER)
    if len(found["steps"]) != len(found["hull"]):
        raise ValueError("envelope.steps and envelope.hull are not equally long")
    for name, value in found["sensitivity"].items():
        check(f"envelope.sensitivity.{name}", value, NUMBER)
    return {
        **found,
        "hull": decode_floats(found["hull"]),
        "sensitivity": decode_floats(found["sensitivity"]),
    }
